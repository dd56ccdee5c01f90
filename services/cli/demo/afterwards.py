"""The last part of the day: the mail that arrived, an amendment, and the audit trail checked."""

from collections.abc import Sequence
from datetime import UTC
from email.message import EmailMessage

from kat.dosing_log.v1 import dosing_log_pb2, records_pb2
from kat.scheduler.v1 import roster_pb2
from services.cli.demo.account import Account
from services.cli.demo.cast import Cast
from services.cli.demo.stage import DemoError, Stage
from services.cli.demo.treatment import DOSE_MG, Treatment, quantity
from services.cli.ledger_check import check_ledger, check_opening

AUDIT = dosing_log_pb2.ACCESS_PURPOSE_AUDIT
PAGE = 1000


def tell_mails(account: Account, stage: Stage, mails: Sequence[EmailMessage]) -> None:
    """Say what the local sink received."""
    for mail in mails:
        attached = [part.get_content_type() for part in mail.walk() if part.get_content_type() == "text/calendar"]
        calendar = ", with a calendar file" if attached else ""
        account.done(stage.now(), f"e-mail to {mail['To']}: {mail['Subject']}{calendar}")


def show_mail(account: Account, mail: EmailMessage) -> None:
    """Show the text of one e-mail."""
    body = mail.get_body(("plain",))
    for line in (body.get_content() if body else "").strip().splitlines():
        account.detail(f"│ {line}")


async def amend(stage: Stage, account: Account, cast: Cast, treatment: Treatment) -> None:
    """Correct the body site of an administration, and show its history."""
    record = treatment.administration
    changed = records_pb2.Administration()
    changed.CopyFrom(record.administration)
    changed.given.CopyFrom(quantity("37", "mg"))
    changed.wasted.CopyFrom(quantity("13", "mg"))
    request = dosing_log_pb2.AmendRecordRequest(
        record=records_pb2.Record(
            name=record.name, etag=record.etag, event_time=record.event_time, administration=changed
        ),
        reason="Pump log shows 37 mg delivered; the residue was measured again.",
    )
    amended = await stage.call(stage.doses.AmendRecord, request, cast.nurse)
    account.done(stage.now(), f"the administration is amended, from {DOSE_MG} mg to 37 mg: version {amended.version}")
    history = await stage.call(
        stage.records.ListRecordVersions,
        dosing_log_pb2.ListRecordVersionsRequest(name=record.name, purpose=AUDIT),
        cast.auditor,
    )
    for version in history.versions:
        reason = f": {version.record.amendment_reason}" if version.record.amendment_reason else ""
        account.detail(f"version {version.record.version} by {version.record.recorder.printed_name}{reason}")
        for difference in version.differences:
            account.detail(f"    {difference.path}: {difference.before} → {difference.after}")


async def check_audit_trail(stage: Stage, account: Account, cast: Cast, treatment: Treatment) -> None:
    """Take the ledger as an auditor and check it without trusting the server."""
    names = [(record.name, record.version) for record in treatment.records]

    async def covered() -> dosing_log_pb2.Checkpoint | None:
        record = await stage.call(
            stage.records.GetRecord, dosing_log_pb2.GetRecordRequest(name=names[-1][0], purpose=AUDIT), cast.auditor
        )
        checkpoint = await stage.call(stage.audit.GetCheckpoint, dosing_log_pb2.GetCheckpointRequest(), cast.auditor)
        receipt = record.ledger_receipt
        return checkpoint if receipt.HasField("index") and receipt.index < checkpoint.size else None

    checkpoint = await stage.until("a signed checkpoint over the day's records", covered)
    entries = await ledger_entries(stage, cast)
    checked = check_ledger([entry.entry for entry in entries], checkpoint.note, checkpoint.verification_key)
    account.done(stage.now(), f"ledger {checked.origin}: signature right, {checked.size} entries hash to its root")
    account.detail(f"root {checked.root.hex()}")
    by_event = {entry.event_id: entry.entry for entry in entries}
    opened = 0
    for name, _ in names:
        record = await stage.call(
            stage.records.GetRecord, dosing_log_pb2.GetRecordRequest(name=name, purpose=AUDIT), cast.auditor
        )
        event_id = record.ledger_receipt.event_id
        opening = await stage.call(
            stage.audit.GetLedgerOpening,
            dosing_log_pb2.GetLedgerOpeningRequest(event_id=event_id, purpose=AUDIT),
            cast.auditor,
        )
        check_opening(by_event[event_id], opening.record, opening.salt, opening.signatures)
        opened += 1
    account.done(stage.now(), f"{opened} records of the session opened: each is the one that its entry commits to")


async def ledger_entries(stage: Stage, cast: Cast) -> list[dosing_log_pb2.LedgerEntry]:
    """Return every entry of the ledger, in order.

    Raises:
        DemoError: an index is missing.
    """
    entries: list[dosing_log_pb2.LedgerEntry] = []
    token = ""
    while True:
        page = await stage.call(
            stage.audit.ListLedgerEntries,
            dosing_log_pb2.ListLedgerEntriesRequest(page_size=PAGE, page_token=token),
            cast.auditor,
        )
        entries.extend(page.entries)
        token = page.next_page_token
        if not token:
            break
    if [entry.index for entry in entries] != list(range(len(entries))):
        raise DemoError("the ledger's indices have a gap")
    return entries


async def tell_stock_and_access(
    stage: Stage, account: Account, cast: Cast, treatment: Treatment, patient: roster_pb2.Patient
) -> None:
    """Show the lot's movements and who looked at the patient's records."""
    movements = await stage.call(
        stage.inventory.ListMovements, dosing_log_pb2.ListMovementsRequest(lot=treatment.lot.name), cast.pharmacist
    )
    rows = [
        [
            str(movement.sequence_number),
            records_pb2.Movement.Kind.Name(movement.kind).removeprefix("KIND_").lower(),
            f"{movement.amount.value} {movement.amount.unit}",
            f"{movement.balance_after.value} {movement.balance_after.unit}",
            movement.recorder.printed_name,
        ]
        for movement in movements.movements
    ]
    account.table(f"Lot {treatment.lot.lot_number}", ["no.", "movement", "amount", "balance", "by"], rows)
    accesses = await stage.call(
        stage.audit.ListAccessRecords,
        dosing_log_pb2.ListAccessRecordsRequest(purpose=AUDIT, patient=patient.name, page_size=6),
        cast.auditor,
    )
    rows = [
        [
            account.local(access.access_time.ToDatetime(tzinfo=UTC)),
            access.actor.printed_name,
            access.method.rpartition("/")[2],
            dosing_log_pb2.AccessRecord.Result.Name(access.result).removeprefix("RESULT_").lower(),
        ]
        for access in accesses.access_records
    ]
    account.table("Who looked at this patient's records (newest six)", ["when", "who", "what", "result"], rows)
