"""Taking a roster into the running suite: checked by both services before either writes."""

from dataclasses import dataclass

import grpc

from kat.notifications.v1.notifications_pb2_grpc import RecipientServiceStub
from kat.scheduler.v1.roster_pb2 import ImportRosterResponse
from kat.scheduler.v1.roster_pb2_grpc import RosterServiceStub
from services.cli.roster import Roster
from services.cli.roster_messages import recipients_request, roster_request
from services.runtime.channel import bearer
from services.runtime.identifiers import new_id

CALL_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import took in, and the counts of what it would for a dry run."""

    answer: ImportRosterResponse
    recipients: int


async def import_roster(
    scheduler: grpc.aio.Channel, notifications: grpc.aio.Channel, token: str, roster: Roster, *, dry_run: bool
) -> Imported:
    """Check a roster with both services and, unless it is a dry run, take it in.

    Raises:
        grpc.aio.AioRpcError: a service refused it; nothing was written, unless a service went away in between: then
            the same import, sent again, completes it.
    """
    metadata = bearer(token)
    rosters, recipients = RosterServiceStub(scheduler), RecipientServiceStub(notifications)
    checked = await rosters.ImportRoster(
        roster_request(roster, validate_only=True), timeout=CALL_SECONDS, metadata=metadata
    )
    # Names are not known before the write; any will do for the check.
    await recipients.ImportRecipients(
        recipients_request(
            roster,
            validate_only=True,
            patient_name=lambda _: f"patients/{new_id()}",
            clinic_name=lambda _: f"clinics/{new_id()}",
        ),
        timeout=CALL_SECONDS,
        metadata=metadata,
    )
    if dry_run:
        return Imported(checked, len(roster.patients))
    answer = await rosters.ImportRoster(
        roster_request(roster, validate_only=False), timeout=CALL_SECONDS, metadata=metadata
    )
    written = await recipients.ImportRecipients(
        recipients_request(
            roster,
            validate_only=False,
            patient_name=lambda index: answer.patients[index].name,
            clinic_name=lambda index: answer.clinics[index].name,
        ),
        timeout=CALL_SECONDS,
        metadata=metadata,
    )
    return Imported(answer, written.recipient_count)
