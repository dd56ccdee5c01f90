"""The notifications service as its callers meet it: servicers, event sink and senders on a real database."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from kat.common.v1.common_pb2 import LocalInterval
from kat.events.v1 import events_pb2
from kat.notifications.v1 import notifications_pb2 as pb
from services.notifications.mail.calendar_file import Organizer
from services.notifications.mail.composer import EmailComposer
from services.notifications.mail.smtp import SmtpMailer, SmtpSettings
from services.notifications.mail.templates import TemplateLibrary
from services.notifications.sender import Sender
from services.notifications.servicers.events import event_handlers
from services.notifications.servicers.notifications import NotificationServicer
from services.notifications.servicers.recipients import RecipientServicer
from services.notifications.storage.contact_cipher import ContactCipher
from services.notifications.storage.tables import RUNTIME_TABLES
from services.notifications.storage.work import LEASE, WorkQueue
from services.notifications.units import Units
from services.notifications.use_cases.planning import Planning
from services.notifications.use_cases.sending import Sending
from services.runtime.auth import calling_as
from services.runtime.clock import Clock
from services.runtime.database import Database
from services.runtime.events.inbox import EventSink
from services.runtime.fields import timestamp
from services.runtime.identifiers import new_id
from services.runtime.writes import Writer
from tests.support.services import make_caller

NEW_YORK = "America/New_York"
CIPHER = ContactCipher(b"k" * 32)
COMPOSER = EmailComposer(TemplateLibrary.shipped(), Organizer("Appointments", "appointments@mail.invalid"))
APPLIED = events_pb2.Outcome.VERDICT_APPLIED
DUPLICATE = events_pb2.Outcome.VERDICT_DUPLICATE


class PostOffice:
    """One organization's service: what clinic systems, the other services and the ticker do with it."""

    def __init__(self, database: Database, clock: Clock, *, organization_id: UUID | None = None) -> None:
        self.database = database
        self.clock = clock
        self.organization_id = organization_id or new_id()
        self.clinic_id = new_id()
        self.caller = make_caller("supervisor", organization_id=self.organization_id)
        self.units = Units(database, cipher=CIPHER, queue=WorkQueue())
        planning = Planning(clock, COMPOSER, spread=timedelta)
        writer = Writer(database, RUNTIME_TABLES, CIPHER)
        self.recipients = RecipientServicer(writer, self.units, planning)
        self.notifications = NotificationServicer(writer, self.units, clock)
        self._sink = EventSink(database, RUNTIME_TABLES, event_handlers(self.units, planning))
        self._versions: dict[str, int] = {}

    def sender(
        self, port: int, *, lease: timedelta = LEASE, batch: int = 50, cap: int = 40, seconds: float = 5
    ) -> Sender:
        """A sender such as each replica has."""
        queue = WorkQueue(lease)
        settings = SmtpSettings(
            host="127.0.0.1", port=port, sender="appointments@mail.invalid", start_tls=False, seconds=seconds
        )
        return Sender(
            database=self.database,
            queue=queue,
            units=Units(self.database, cipher=CIPHER, queue=queue),
            mailer=SmtpMailer(settings),
            sending=Sending(clock=self.clock, composer=COMPOSER, daily_cap=cap, jitter=lambda: 0.5),
            batch=batch,
            concurrency=4,
        )

    async def call(self, method: Any, request: Any) -> Any:
        if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
            request.request_id = str(new_id())
        with calling_as(self.caller):
            return await method(request, None)

    async def import_patients(self, *patients: pb.Recipient, sender: bool = True) -> pb.ImportRecipientsResponse:
        request = pb.ImportRecipientsRequest(recipients=patients)
        if sender:
            request.sender_profiles.add(
                name=f"senderProfiles/{self.clinic_id}", short_name="Riverside", phone="+12125550100"
            )
        return await self.call(self.recipients.ImportRecipients, request)

    def patient(self, email: str = "nora@example.org", **changes: Any) -> pb.Recipient:
        """A patient who may be written to."""
        then = timestamp(self.clock.now() - timedelta(days=40))
        consents = [
            pb.Consent(
                channel=pb.CHANNEL_EMAIL, purpose=purpose, granted=True, source="intake form", decision_time=then
            )
            for purpose in (pb.CONSENT_PURPOSE_APPOINTMENTS, pb.CONSENT_PURPOSE_AFTERCARE)
        ]
        values = {
            "name": f"recipients/{new_id()}",
            "display_name": "Nora",
            "language_code": "en",
            "time_zone": NEW_YORK,
            "contact_points": [pb.ContactPoint(channel=pb.CHANNEL_EMAIL, value=email, verify_time=then)],
            "consents": consents,
            **changes,
        }
        return pb.Recipient(**values)

    async def new_patient(self, email: str = "nora@example.org", **changes: Any) -> str:
        """Import a patient; returns "patients/…"."""
        patient = self.patient(email, **changes)
        await self.import_patients(patient)
        return patient.name.replace("recipients/", "patients/")

    def snapshot(
        self, patient: str, start: datetime, *, session: str = "", revision: int = 1, zone: str = NEW_YORK
    ) -> events_pb2.SessionSnapshot:
        return events_pb2.SessionSnapshot(
            session=session or f"sessions/{new_id()}",
            patient=patient,
            clinic=f"clinics/{self.clinic_id}",
            revision=revision,
            interval=LocalInterval(
                start_time=timestamp(start), end_time=timestamp(start + timedelta(hours=2)), time_zone=zone
            ),
        )

    def event(self, *, aggregate: str, producer: str = "scheduler", **payload: Any) -> events_pb2.Event:
        key = f"{producer}:{aggregate}"
        self._versions[key] = self._versions.get(key, 0) + 1
        return events_pb2.Event(
            event_id=str(new_id()),
            organization=f"organizations/{self.organization_id}",
            aggregate=aggregate,
            aggregate_version=self._versions[key],
            producer=producer,
            occur_time=timestamp(self.clock.now()),
            **payload,
        )

    async def deliver(self, *events: events_pb2.Event) -> list[int]:
        """Deliver events as their producer; returns the verdicts."""
        request = events_pb2.DeliverRequest(request_id=str(new_id()), events=events)
        with calling_as(make_caller("service", certificate_name=events[0].producer)):
            answer = await self._sink.Deliver(request, None)
        return [outcome.verdict for outcome in answer.outcomes]

    async def book(self, patient: str, start: datetime, *, zone: str = NEW_YORK) -> events_pb2.SessionSnapshot:
        snapshot = self.snapshot(patient, start, zone=zone)
        booked = events_pb2.SessionBooked(session=snapshot)
        assert await self.deliver(self.event(aggregate=snapshot.session, session_booked=booked)) == [APPLIED]
        return snapshot

    async def move(self, snapshot: events_pb2.SessionSnapshot, start: datetime) -> events_pb2.SessionSnapshot:
        moved = self.snapshot(snapshot.patient, start, session=snapshot.session, revision=snapshot.revision + 1)
        payload = events_pb2.SessionRescheduled(session=moved, previous_interval=snapshot.interval)
        assert await self.deliver(self.event(aggregate=moved.session, session_rescheduled=payload)) == [APPLIED]
        return moved

    async def cancel(self, snapshot: events_pb2.SessionSnapshot) -> None:
        cancelled = events_pb2.SessionSnapshot()
        cancelled.CopyFrom(snapshot)
        cancelled.revision += 1
        payload = events_pb2.SessionCancelled(session=cancelled)
        assert await self.deliver(self.event(aggregate=cancelled.session, session_cancelled=payload)) == [APPLIED]

    async def discharge(self, snapshot: events_pb2.SessionSnapshot, at: datetime) -> None:
        payload = events_pb2.PatientDischarged(
            session=snapshot.session,
            patient=snapshot.patient,
            clinic=snapshot.clinic,
            departure_time=timestamp(at),
            time_zone=NEW_YORK,
        )
        event = self.event(aggregate=snapshot.session, producer="dosing_log", patient_discharged=payload)
        assert await self.deliver(event) == [APPLIED]

    async def listed(self, **asked: Any) -> Sequence[pb.Notification]:
        """All notifications of the organization, by due time."""
        request = pb.ListNotificationsRequest(page_size=1_000, **asked)
        answer = await self.call(self.notifications.ListNotifications, request)
        return list(answer.notifications)

    async def states(self, **asked: Any) -> dict[str, tuple[str, str]]:
        """State and reason of the notifications, by rule and revision, such as "booked/1"."""
        return {
            f"{found.rule}/{found.session_revision}": (
                pb.Notification.State.Name(found.state).removeprefix("STATE_"),
                found.state_reason,
            )
            for found in await self.listed(**asked)
        }

    async def tasks(self) -> list[pb.StaffTask]:
        answer = await self.call(self.notifications.ListStaffTasks, pb.ListStaffTasksRequest(page_size=1_000))
        return list(answer.staff_tasks)


def new_york(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=ZoneInfo(NEW_YORK))  # type: ignore[arg-type,misc]


async def send_all(*senders: Sender) -> int:
    """Run senders at the same time until there is nothing due; returns how many were taken."""
    taken = 0
    while counts := [count for count in await asyncio.gather(*(sender.send_due() for sender in senders)) if count]:
        taken += sum(counts)
    return taken
