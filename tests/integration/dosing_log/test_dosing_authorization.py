"""Permission: refused with every reason at once, and never by a race."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from kat.dosing_log.v1 import dosing_log_pb2 as pb
from kat.dosing_log.v1 import records_pb2 as rec
from kat.events.v1 import events_pb2 as ev
from services.runtime.errors import FailedPreconditionError, InvalidArgumentError, UnavailableError
from services.runtime.identifiers import new_id
from tests.integration.dosing_log.clinic import AUDIT, quantity


def codes(refused: pytest.ExceptionInfo[FailedPreconditionError]) -> list[str]:
    return [blocker.code for blocker in refused.value.blockers]


async def test_every_hard_and_soft_finding_comes_at_once_and_the_denial_is_recorded(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    order = await visit.order(signed=False)
    await visit.vitals(systolic=quantity(150, "mm[Hg]"))
    with pytest.raises(FailedPreconditionError) as refused:
        await visit.authorize(order, lot, dose="71", minutes="30")
    assert refused.value.reason == "DOSE_REFUSED"
    assert codes(refused) == ["H1", "H4", "H4", "H6", "S2", "S3", "S9"]
    assert all("source: " in blocker.description for blocker in refused.value.blockers)

    request = pb.ListAccessRecordsRequest(purpose=AUDIT, patient=visit.patient.name)
    accesses = await clinic.call(clinic.auditor, clinic.audit.ListAccessRecords, request)
    (denial,) = accesses.access_records
    assert denial.result == pb.AccessRecord.RESULT_DENIED
    assert denial.method == "kat.dosing_log.v1.DoseService/AuthorizeDose"
    assert denial.resource == visit.name
    opening_request = pb.GetLedgerOpeningRequest(event_id=denial.ledger_receipt.event_id, purpose=AUDIT)
    opening = await clinic.call(clinic.auditor, clinic.audit.GetLedgerOpening, opening_request)
    assert b'"reasons":["DOSE_REFUSED","H1","H4","H6"' in opening.record


async def test_a_soft_finding_alone_asks_for_an_override_that_is_not_part_of_this_release(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    order = await visit.prepare()
    with pytest.raises(FailedPreconditionError, match="not part of this release") as refused:
        await visit.authorize(order, lot, minutes="39")
    assert refused.value.reason == "OVERRIDE_REQUIRED"
    assert codes(refused) == ["S9"]


async def test_warnings_are_stored_with_the_decision(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    authorized = await visit.authorize(await visit.prepare(), lot)
    assert [finding.code for finding in authorized.findings] == ["W1", "W12"]
    assert authorized.authorization.dose_per_weight.value == "0.5"
    assert authorized.authorization.expire_time.ToDatetime(tzinfo=UTC) == clinic.clock.now() + timedelta(minutes=30)
    assert authorized.authorization.protocol == f"protocols/{clinic.protocol_id}"


async def test_six_days_after_the_last_dose_is_refused_and_seven_are_not(clinic):
    lot = await clinic.receive()
    patient = await clinic.enrol()
    first = await patient.book()
    await first.give(await first.prepare(), lot)
    await first.depart()
    clinic.clock.set(datetime(2026, 3, 16, 23, 0, tzinfo=UTC))
    second = await patient.book()
    order = await second.prepare()
    with pytest.raises(FailedPreconditionError) as refused:
        await second.authorize(order, lot)
    assert codes(refused) == ["H12"]
    clinic.clock.set(datetime(2026, 3, 17, 12, 0, tzinfo=UTC))  # 167 hours after, on the seventh local day
    await second.check()
    await second.vitals()
    authorized = await second.authorize(order, lot)
    assert authorized.authorization.order == order.name


async def test_an_amended_order_is_unsigned_again(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    order = await visit.prepare()
    amendment = pb.AmendRecordRequest(
        record=rec.Record(
            name=order.name, etag=order.etag, event_time=visit.now(), order=visit.order_content(dose="30")
        ),
        reason="lower start",
    )
    amended = await clinic.call(clinic.physician, clinic.doses.AmendRecord, amendment)
    with pytest.raises(FailedPreconditionError) as refused:
        await visit.authorize(order, lot, dose="30")
    assert codes(refused) == ["H4"]
    await clinic.sign(clinic.physician, amended, rec.Signature.MEANING_AMENDED)
    assert (await visit.authorize(order, lot, dose="30")).authorization.dose.value == "30"


async def test_a_cancelled_session_is_refused(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    order = await visit.prepare()
    await clinic.hear(session_cancelled=ev.SessionCancelled(session=visit.snapshot(revision=2)))
    with pytest.raises(FailedPreconditionError) as refused:
        await visit.authorize(order, lot)
    assert codes(refused) == ["D8"]


async def test_an_older_revision_of_a_session_changes_nothing(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    order = await visit.prepare()
    await clinic.hear(session_cancelled=ev.SessionCancelled(session=visit.snapshot(revision=0)))
    await visit.authorize(order, lot)


async def test_permission_waits_for_the_scheduler_and_an_unknown_lot_is_malformed(clinic):
    visit = await (await clinic.enrol()).book()
    order = await visit.prepare()
    with pytest.raises(InvalidArgumentError, match=r"authorization\.lot"):
        await visit.authorize(order, f"lots/{new_id()}")
    lot = await clinic.receive()
    visit.name = f"sessions/{new_id()}"
    with pytest.raises(UnavailableError) as unknown:
        await visit.authorize(order, lot)
    assert unknown.value.reason == "SESSION_NOT_KNOWN_YET"


async def test_two_sessions_of_a_patient_at_once_cannot_both_give_a_dose_unseen(clinic):
    lot = await clinic.receive()
    patient = await clinic.enrol()
    visits = [await patient.book(), await patient.book()]
    orders = [await visit.prepare() for visit in visits]
    authorized = [await visit.authorize(order, lot) for visit, order in zip(visits, orders, strict=True)]
    clinic.clock.advance(minutes=40)
    given = await asyncio.gather(
        *(visit.administer(lot, found) for visit, found in zip(visits, authorized, strict=True))
    )
    assert sorted(record.deviation for record in given) == [False, True]
    (deviating,) = [record for record in given if record.deviation]
    assert [finding.code for finding in deviating.findings] == ["H12"]
