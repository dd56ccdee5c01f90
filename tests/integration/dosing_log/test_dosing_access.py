"""Reads and denials are records too, and organizations see nothing of each other."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kat.dosing_log.v1 import dosing_log_pb2 as pb
from kat.dosing_log.v1 import records_pb2 as rec
from services.dosing_log.servicers.desk import RoleDenials
from services.runtime.database import Database
from services.runtime.errors import DomainError, FailedPreconditionError, NotFoundError, UnavailableError
from services.runtime.identifiers import new_id
from tests.integration.dosing_log.clinic import AUDIT, TREATMENT, Clinic
from tests.support.services import app_role_of, make_caller


async def accesses(clinic, **filters) -> list[pb.AccessRecord]:
    request = pb.ListAccessRecordsRequest(purpose=AUDIT, page_size=1000, **filters)
    return list((await clinic.call(clinic.auditor, clinic.audit.ListAccessRecords, request)).access_records)


async def test_every_read_of_a_patients_data_leaves_an_access_record(clinic):
    patient = await clinic.enrol()
    visit = await patient.book()
    record = await visit.vitals()
    reads = (
        (clinic.records.GetRecord, pb.GetRecordRequest(name=record.name, purpose=TREATMENT), record.name),
        (clinic.records.ListRecords, pb.ListRecordsRequest(session=visit.name, purpose=TREATMENT), visit.name),
        (clinic.records.ListRecords, pb.ListRecordsRequest(patient=patient.name, purpose=TREATMENT), patient.name),
        (
            clinic.records.ListRecordVersions,
            pb.ListRecordVersionsRequest(name=record.name, purpose=TREATMENT),
            record.name,
        ),
        (
            clinic.doses.GetDischargeReadiness,
            pb.GetDischargeReadinessRequest(session=visit.name, purpose=TREATMENT),
            visit.name,
        ),
    )
    for rpc, request, _ in reads:
        await clinic.call(clinic.nurse, rpc, request)
    found = await accesses(clinic, patient=patient.name)
    assert [access.resource for access in reversed(found)] == [resource for _, _, resource in reads]
    assert {access.actor.subject for access in found} == {clinic.nurse.actor.subject}
    assert {access.result for access in found} == {pb.AccessRecord.RESULT_GRANTED}
    assert {access.purpose for access in found} == {TREATMENT}
    assert all(access.ledger_receipt.commitment for access in found)
    opening = pb.GetLedgerOpeningRequest(event_id=record.ledger_receipt.event_id, purpose=AUDIT)
    await clinic.call(clinic.auditor, clinic.audit.GetLedgerOpening, opening)
    newest = (await accesses(clinic, patient=patient.name))[0]
    assert newest.method == "kat.dosing_log.v1.AuditService/GetLedgerOpening"
    assert newest.actor.subject == clinic.auditor.actor.subject


async def test_reading_the_access_log_is_an_access(clinic):
    await accesses(clinic)
    (earlier,) = await accesses(clinic)
    assert earlier.method == "kat.dosing_log.v1.AuditService/ListAccessRecords"


async def test_access_records_come_page_by_page(clinic):
    patient = await clinic.enrol()
    record = await (await patient.book()).vitals()
    for _ in range(5):
        await clinic.get(clinic.nurse, record)
    seen, token = [], ""
    while True:
        request = pb.ListAccessRecordsRequest(patient=patient.name, purpose=AUDIT, page_size=2, page_token=token)
        page = await clinic.call(clinic.auditor, clinic.audit.ListAccessRecords, request)
        seen += [access.name for access in page.access_records if access.method.endswith("GetRecord")]
        token = page.next_page_token
        if not token:
            break
    assert len(seen) == len(set(seen)) == 5


async def test_a_read_that_cannot_be_recorded_is_not_answered(clinic, migrated_dosing_log):
    record = await (await (await clinic.enrol()).book()).vitals()
    role = app_role_of(migrated_dosing_log)
    owner = Database(migrated_dosing_log.owner_url)
    visit_request = pb.ListRecordsRequest(session=record.session, purpose=TREATMENT)
    try:
        await run(owner, f'revoke insert on access_record from "{role}"')
        with pytest.raises(DBAPIError, match="permission denied"):
            await clinic.get(clinic.nurse, record)
        with pytest.raises(DBAPIError, match="permission denied"):
            await clinic.call(clinic.nurse, clinic.records.ListRecords, visit_request)
    finally:
        await run(owner, f'grant insert on access_record to "{role}"')
        await owner.close()
    assert (await clinic.get(clinic.nurse, record)).name == record.name


async def run(database: Database, statement: str) -> None:
    async with database.transaction(new_id()) as connection:
        await connection.execute(text(statement))


async def test_denials_are_recorded_although_the_call_fails(clinic):
    patient = await clinic.enrol()
    visit = await patient.book()
    lot = await clinic.receive()
    await visit.administer(lot)
    approval = pb.ApproveDischargeRequest(session=visit.name, discharge=rec.Discharge(escort_relation="spouse"))
    with pytest.raises(FailedPreconditionError):
        await clinic.call(clinic.physician, clinic.doses.ApproveDischarge, approval)
    missing = pb.GetRecordRequest(name=f"records/{new_id()}", purpose=TREATMENT)
    with pytest.raises(NotFoundError):
        await clinic.call(clinic.nurse, clinic.records.GetRecord, missing)
    found = await accesses(clinic)
    assert [(access.method.rpartition("/")[2], access.result) for access in found[:2]] == [
        ("GetRecord", pb.AccessRecord.RESULT_DENIED),
        ("ApproveDischarge", pb.AccessRecord.RESULT_DENIED),
    ]
    assert found[1].patient == patient.name


async def test_a_caller_turned_away_by_their_role_is_recorded(clinic):
    method = "/kat.dosing_log.v1.AuditService/ListAccessRecords"
    record_denial = RoleDenials(clinic.database, clinic.units.on, clinic.clock)
    await record_denial(clinic.nurse, method, "ROLE_MISSING")
    await record_denial(make_caller("service"), method, "ROLE_MISSING")  # of no organization: no log of its own
    (denial,) = await accesses(clinic)
    assert (denial.method, denial.result) == (method[1:], pb.AccessRecord.RESULT_DENIED)
    assert denial.actor.subject == clinic.nurse.actor.subject


async def test_another_organization_sees_nothing(clinic):
    lot = await clinic.receive()
    patient = await clinic.enrol()
    visit = await patient.book()
    record = await visit.vitals()
    await clinic.ledger.sequence()
    await clinic.ledger.sign()
    stranger = Clinic(clinic.database)
    await stranger.open()
    reads = (
        (stranger.nurse, stranger.records.GetRecord, pb.GetRecordRequest(name=record.name, purpose=TREATMENT)),
        (
            stranger.nurse,
            stranger.records.ListRecordVersions,
            pb.ListRecordVersionsRequest(name=record.name, purpose=TREATMENT),
        ),
        (
            stranger.nurse,
            stranger.records.ListRecords,
            pb.ListRecordsRequest(session=visit.name, purpose=TREATMENT),
        ),
        (stranger.pharmacist, stranger.inventory.GetLot, pb.GetLotRequest(name=lot)),
        (
            stranger.auditor,
            stranger.audit.GetLedgerOpening,
            pb.GetLedgerOpeningRequest(event_id=record.ledger_receipt.event_id, purpose=AUDIT),
        ),
        (stranger.auditor, stranger.audit.GetCheckpoint, pb.GetCheckpointRequest()),
    )
    for caller, rpc, request in reads:
        with pytest.raises((NotFoundError, UnavailableError)):
            await stranger.call(caller, rpc, request)
    by_patient = pb.ListRecordsRequest(patient=patient.name, purpose=TREATMENT)
    assert not (await stranger.call(stranger.nurse, stranger.records.ListRecords, by_patient)).records
    lots = await stranger.call(stranger.pharmacist, stranger.inventory.ListLots, pb.ListLotsRequest())
    assert not lots.lots
    visit.clinic = stranger
    with pytest.raises(DomainError):
        await visit.administer(lot)


async def test_a_lot_number_is_unique_for_its_product_and_clinic(clinic):
    await clinic.receive()
    with pytest.raises(DomainError) as refused:
        await clinic.receive()
    assert refused.value.reason == "LOT_EXISTS"
    await clinic.receive(lot_number="B2")
    lots = await clinic.call(clinic.pharmacist, clinic.inventory.ListLots, pb.ListLotsRequest(page_size=1))
    assert [lot.lot_number for lot in lots.lots] == ["B2"]
    rest = pb.ListLotsRequest(page_size=1, page_token=lots.next_page_token)
    assert [lot.lot_number for lot in (await clinic.call(clinic.nurse, clinic.inventory.ListLots, rest)).lots] == ["A1"]
