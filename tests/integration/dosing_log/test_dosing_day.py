"""One session from order to departure, on a real PostgreSQL."""

from decimal import Decimal

from sqlalchemy import select

from kat.dosing_log.v1 import dosing_log_pb2 as pb
from kat.dosing_log.v1 import records_pb2 as rec
from kat.events.v1.events_pb2 import Event
from services.dosing_log.ledger.verify import verify_log, verify_opening
from services.dosing_log.storage.tables import RUNTIME
from tests.integration.dosing_log.clinic import AUDIT, TREATMENT, quantity


async def test_a_session_from_order_to_departure(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    order = await visit.prepare()
    given = await visit.give(order, lot)
    assert not given.deviation
    assert [finding.code for finding in given.findings] == []
    assert await clinic.balance(lot) == Decimal(465)

    waste = await clinic.call(
        clinic.nurse,
        clinic.doses.RecordWastage,
        pb.RecordWastageRequest(
            session=visit.name,
            event_time=visit.now(),
            wastage=rec.Wastage(
                administration=given.name,
                lot=lot,
                amount=quantity("0.3", "mL"),
                kind=rec.Wastage.KIND_RESIDUAL_AFTER_ADMINISTRATION,
                method="sink with absorbent",
                location="room 1",
                witness_subject=clinic.witness.actor.subject,
            ),
        ),
    )
    waste = await clinic.sign(clinic.witness, waste, rec.Signature.MEANING_WITNESSED)
    assert waste.signatures[0].components_used == 2
    assert await clinic.balance(lot) == Decimal(450)

    clinic.clock.advance(minutes=80)
    await visit.vitals(rec.VitalSigns.PHASE_DISCHARGE)
    await visit.assess(rec.Assessment.INSTRUMENT_DISCHARGE_SCORE, [9])
    request = pb.GetDischargeReadinessRequest(session=visit.name, purpose=TREATMENT)
    readiness = await clinic.call(clinic.nurse, clinic.doses.GetDischargeReadiness, request)
    assert readiness.ready, readiness
    approval = pb.ApproveDischargeRequest(session=visit.name, discharge=rec.Discharge(escort_relation="spouse"))
    await clinic.call(clinic.physician, clinic.doses.ApproveDischarge, approval)
    departure = await visit.depart()
    assert not departure.deviation
    assert await events_of(clinic) == [
        "assessment_recorded",
        "dose_authorized",
        "dose_administered",
        "assessment_recorded",
        "patient_discharged",
    ]


async def test_the_ledger_opens_every_event_of_the_day(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    given = await visit.give(await visit.prepare(), lot)
    await clinic.sign(clinic.nurse, given, rec.Signature.MEANING_ADMINISTERED)
    assert not (await clinic.get(clinic.nurse, given)).ledger_receipt.HasField("index")

    await clinic.ledger.sequence()
    await clinic.ledger.sign()
    assert (await clinic.get(clinic.nurse, given)).ledger_receipt.HasField("index")

    entries = await clinic.call(clinic.auditor, clinic.audit.ListLedgerEntries, pb.ListLedgerEntriesRequest())
    checkpoint = await clinic.call(clinic.auditor, clinic.audit.GetCheckpoint, pb.GetCheckpointRequest())
    listed = [entry.entry for entry in entries.entries]
    assert verify_log(listed[: checkpoint.size], checkpoint.note, checkpoint.verification_key).size == len(listed)
    for entry in entries.entries:
        request = pb.GetLedgerOpeningRequest(event_id=entry.event_id, purpose=AUDIT)
        opening = await clinic.call(clinic.auditor, clinic.audit.GetLedgerOpening, request)
        verify_opening(record=opening.record, salt=opening.salt, signatures=list(opening.signatures), entry=entry.entry)


async def events_of(clinic) -> list[str | None]:
    async with clinic.database.transaction(clinic.organization_id) as connection:
        rows = await connection.execute(select(RUNTIME.outbox.c.event).order_by(RUNTIME.outbox.c.aggregate_version))
        return [Event.FromString(row.event).WhichOneof("payload") for row in rows]
