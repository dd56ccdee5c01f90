"""The last part of the day: the mail that arrived, an amendment, and the audit trail checked."""

from datetime import UTC
from email.message import EmailMessage

import grpc

from kat.dosing_log.v1 import dosing_log_pb2, records_pb2
from kat.notifications.v1 import notifications_pb2
from kat.scheduler.v1 import roster_pb2, session_pb2
from services.cli.demo.account import Account
from services.cli.demo.cast import Cast
from services.cli.demo.stage import DemoError, Stage
from services.cli.demo.treatment import DOSE_MG, Treatment, quantity
from services.cli.ledger_check import check_ledger, check_opening

AUDIT = dosing_log_pb2.ACCESS_PURPOSE_AUDIT
PAGE = 1000


async def tell_message(
    stage: Stage, account: Account, cast: Cast, session: session_pb2.Session, rule: str, *, show: bool = False
) -> None:
    """Wait for the end of a message about a session, say what became of it, and show the e-mail where asked."""
    notification = await stage.message_settled(session.patient, session.name, rule, cast.front_desk)
    mail = stage.mail_of(notification)
    if notification.state != notifications_pb2.Notification.STATE_ACCEPTED or mail is None:
        state = notifications_pb2.Notification.State.Name(notification.state).removeprefix("STATE_").lower()
        account.done(
            stage.now(), f"message {rule}: {state}, {notification.state_reason}; a task for staff where needed"
        )
        return
    attached = any(part.get_content_type() == "text/calendar" for part in mail.walk())
    calendar = ", with a calendar file" if attached else ""
    account.done(
        stage.now(), f"e-mail to {mail['To']}: {mail['Subject']}{calendar}", name=notification.name, label=rule
    )
    if show:
        show_mail(account, mail)


def show_mail(account: Account, mail: EmailMessage) -> None:
    """Show the text of one e-mail."""
    body = mail.get_body(("plain",))
    for line in (body.get_content() if body else "").strip().splitlines():
        account.detail(f"│ {line}")


async def amend(stage: Stage, account: Account, cast: Cast, treatment: Treatment) -> None:
    """Correct the amounts of an administration and of its wastage, and show the history."""
    record = treatment.administration
    changed = records_pb2.Administration()
    changed.CopyFrom(record.administration)
    changed.given.CopyFrom(quantity("37", "mg"))
    changed.wasted.CopyFrom(quantity("13", "mg"))
    await _amend(
        stage,
        cast,
        records_pb2.Record(name=record.name, etag=record.etag, event_time=record.event_time, administration=changed),
        "The pump's log shows 37 mg delivered; the residue was measured again.",
    )
    account.done(stage.now(), f"the administration is amended, from {DOSE_MG} mg to 37 mg")
    wasted = treatment.wastage
    residue = records_pb2.Wastage()
    residue.CopyFrom(wasted.wastage)
    residue.amount.CopyFrom(quantity("13", "mg"))
    await _amend(
        stage,
        cast,
        records_pb2.Record(name=wasted.name, etag=wasted.etag, event_time=wasted.event_time, wastage=residue),
        "The residue was measured again: 13 mg.",
    )
    account.done(stage.now(), "the wastage is amended to match, from 12.5 mg to 13 mg; the administration's history:")
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


async def _amend(stage: Stage, cast: Cast, record: records_pb2.Record, reason: str) -> None:
    request = dosing_log_pb2.AmendRecordRequest(record=record, reason=reason)
    await stage.call(stage.doses.AmendRecord, request, cast.nurse)


async def check_audit_trail(stage: Stage, account: Account, cast: Cast, treatment: Treatment) -> None:
    """Take the ledger as an auditor and check it without trusting the server."""
    receipts, checkpoint = await stage.until(
        "a signed checkpoint over the day's records", lambda: _covered(stage, cast, treatment)
    )
    entries = await ledger_entries(stage, cast)
    checked = check_ledger([entry.entry for entry in entries], checkpoint.note, checkpoint.verification_key)
    account.done(stage.now(), f"ledger {checked.origin}: signature right, {checked.size} entries hash to its root")
    account.detail(f"root {checked.root.hex()}")
    for receipt in receipts:
        opening = await stage.call(
            stage.audit.GetLedgerOpening,
            dosing_log_pb2.GetLedgerOpeningRequest(event_id=receipt.event_id, purpose=AUDIT),
            cast.auditor,
        )
        check_opening(entries[receipt.index].entry, opening.record, opening.salt, opening.signatures)
    text = f"{len(receipts)} records of the session opened: each is the one that its entry commits to"
    account.done(stage.now(), text)


async def _covered(
    stage: Stage, cast: Cast, treatment: Treatment
) -> tuple[list[records_pb2.LedgerReceipt], dosing_log_pb2.Checkpoint] | None:
    """Return the receipts of the session's records with a checkpoint that covers all of them, once there is one."""
    request = dosing_log_pb2.ListRecordsRequest(session=treatment.session.name, purpose=AUDIT, page_size=PAGE)
    records = (await stage.call(stage.records.ListRecords, request, cast.auditor)).records
    receipts = [record.ledger_receipt for record in records]
    try:
        checkpoint = await stage.call(stage.audit.GetCheckpoint, dosing_log_pb2.GetCheckpointRequest(), cast.auditor)
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:  # the first one is signed a second after the first record
            return None
        raise
    covered = all(receipt.HasField("index") and receipt.index < checkpoint.size for receipt in receipts)
    return (receipts, checkpoint) if covered else None


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
