"""Access records and the ledger into messages."""

from uuid import UUID

from kat.dosing_log.v1 import dosing_log_pb2 as pb
from services.dosing_log.convert import values
from services.dosing_log.convert.answers import receipt
from services.dosing_log.convert.requests import purpose
from services.dosing_log.domain.access import Access, Purpose
from services.dosing_log.domain.evidence import Entry, Opening, SignedCheckpoint
from services.dosing_log.domain.records import Receipt
from services.runtime.fields import Fields, actor_message, timestamp
from services.runtime.names import format_name


def list_accesses(request: pb.ListAccessRecordsRequest) -> tuple[UUID | None, Purpose]:
    """Read ListAccessRecords."""
    fields = Fields()
    asked = fields.optional_name("patient", request.patient, "patients"), purpose(fields, request)
    fields.check()
    return asked


def start_index(request: pb.ListLedgerEntriesRequest) -> int:
    """Read where ListLedgerEntries begins."""
    fields = Fields()
    start = fields.integer("start_index", request.start_index, 0, 2**62)
    fields.check()
    return start


def get_opening(request: pb.GetLedgerOpeningRequest) -> tuple[UUID, Purpose]:
    """Read GetLedgerOpening."""
    fields = Fields()
    event_id = UUID(int=0)
    try:
        event_id = UUID(request.event_id)
    except ValueError:
        fields.fault("event_id", "write the event id of a ledger receipt")
    asked = event_id, purpose(fields, request)
    fields.check()
    return asked


def access_record(access: Access, stands: Receipt) -> pb.AccessRecord:
    """Return an access record."""
    return pb.AccessRecord(
        name=format_name("accessRecords", access.access_id),
        actor=actor_message(access.actor),
        purpose=values.number(values.PURPOSES, access.purpose),
        method=access.method,
        resource=access.resource,
        patient=format_name("patients", access.patient_id) if access.patient_id else "",
        access_time=timestamp(access.access_time),
        result=values.number(values.RESULTS, access.result),
        ledger_receipt=receipt(stands),
    )


def checkpoint(found: SignedCheckpoint, verification_key: str) -> pb.Checkpoint:
    """Return a signed checkpoint."""
    return pb.Checkpoint(
        note=found.note,
        verification_key=verification_key,
        size=found.size,
        sign_time=timestamp(found.sign_time),
    )


def entry(found: Entry) -> pb.LedgerEntry:
    """Return an entry."""
    return pb.LedgerEntry(index=found.index, entry=found.entry, event_id=str(found.event_id))


def opening(found: Opening) -> pb.LedgerOpening:
    """Return an opening."""
    return pb.LedgerOpening(
        event_id=str(found.event_id), record=found.record, salt=found.salt, signatures=found.signatures
    )
