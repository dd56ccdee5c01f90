"""Facts: always recorded, with what they break; stock exact under concurrency."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from kat.dosing_log.v1 import dosing_log_pb2 as pb
from kat.dosing_log.v1 import records_pb2 as rec
from services.runtime.errors import FailedPreconditionError, InvalidArgumentError, UnavailableError
from services.runtime.fields import timestamp
from services.runtime.identifiers import new_id
from tests.integration.dosing_log.clinic import NINE, quantity


def codes(record) -> set[str]:
    return {finding.code for finding in record.findings}


async def movements(clinic, lot: str) -> list[rec.Movement]:
    answer = await clinic.call(
        clinic.pharmacist, clinic.inventory.ListMovements, pb.ListMovementsRequest(lot=lot, page_size=1000)
    )
    return list(answer.movements)


def paths(refused: pytest.ExceptionInfo[InvalidArgumentError]) -> list[str]:
    return [violation.path for violation in refused.value.violations]


async def test_a_dose_without_authorization_is_recorded_as_a_deviation(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    given = await visit.administer(lot)
    assert given.deviation
    assert codes(given) >= {"D1", "H1", "H4", "H6", "H7"}
    assert await clinic.balance(lot) == Decimal(465)


async def test_an_authorization_is_used_once(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    authorization = await visit.authorize(await visit.prepare(), lot)
    clinic.clock.advance(minutes=40)
    assert not (await visit.administer(lot, authorization)).deviation
    again = await visit.administer(lot, authorization)
    assert again.deviation
    assert codes(again) >= {"D3", "H12"}


async def test_an_authorization_of_another_session_counts_for_nothing(clinic):
    lot = await clinic.receive()
    visit, other = await (await clinic.enrol()).book(), await (await clinic.enrol()).book()
    authorization = await visit.authorize(await visit.prepare(), lot)
    clinic.clock.advance(minutes=40)
    assert "D1" in codes(await other.administer(lot, authorization))


async def test_a_dose_begun_after_its_authorization_expired_and_from_another_lot(clinic):
    lot, other = await clinic.receive(), await clinic.receive(lot_number="B2")
    visit = await (await clinic.enrol()).book()
    authorization = await visit.authorize(await visit.prepare(), lot)
    clinic.clock.advance(minutes=71)
    late = await visit.administer(other, authorization)
    assert codes(late) >= {"D2", "D4"}
    assert await clinic.balance(lot) == Decimal(500)
    assert await clinic.balance(other) == Decimal(465)


async def test_a_dose_over_the_limit_is_recorded(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    authorization = await visit.authorize(await visit.prepare(), lot)
    clinic.clock.advance(minutes=40)
    given = await visit.administer(
        lot, authorization, drawn=quantity(101, "mg"), given=quantity(101, "mg"), wasted=quantity(0, "mg")
    )
    assert codes(given) >= {"H1", "D4"}


async def test_milliliters_become_mg_by_the_strength_of_the_lot(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    given = await visit.administer(lot, drawn=quantity("1", "mL"), given=quantity("0.7", "mL"))
    assert given.administration.given == quantity("0.7", "mL")
    assert await clinic.balance(lot) == Decimal(465)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"drawn": quantity("50.000001", "mg")}, ["administration.drawn"]),
        ({"wasted": quantity("0.31", "mL")}, ["administration.drawn"]),
        ({"lot": f"lots/{new_id()}"}, ["administration.lot"]),
        ({"end_time": timestamp(NINE + timedelta(minutes=6))}, ["administration.end_time"]),
    ],
)
async def test_a_malformed_report_is_sent_back(clinic, changes, expected):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    with pytest.raises(InvalidArgumentError) as refused:
        await visit.administer(**{"lot": lot, **changes})
    assert paths(refused) == expected
    assert await clinic.balance(lot) == Decimal(500)


async def test_a_dose_of_a_session_never_heard_of_waits(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    visit.name = f"sessions/{new_id()}"
    with pytest.raises(UnavailableError):
        await visit.administer(lot)
    assert await clinic.balance(lot) == Decimal(500)


async def test_a_dose_is_recorded_before_its_course_and_protocol_arrive(clinic):
    lot = await clinic.receive()
    patient = await clinic.enrol()
    patient.course = f"courses/{new_id()}"
    visit = await patient.book()
    given = await visit.administer(lot)
    assert codes(given) == {"D1", "D7"}
    with pytest.raises(UnavailableError):
        await visit.authorize(given, lot)


async def test_sixty_four_draws_on_one_vial_are_exact(clinic):
    lot = await clinic.receive()
    visits = [await (await clinic.enrol()).book() for _ in range(64)]
    dose = {"drawn": quantity("7.5", "mg"), "given": quantity("7.5", "mg"), "wasted": quantity(0, "mg")}
    await asyncio.gather(*(visit.administer(lot, **dose) for visit in visits))
    assert await clinic.balance(lot) == Decimal(20)
    chain = await movements(clinic, lot)
    assert [movement.sequence_number for movement in chain] == list(range(1, 66))
    balance = Decimal(0)
    for movement in chain:
        balance += Decimal(movement.amount.value)
        assert Decimal(movement.balance_after.value) == balance


async def test_draws_beyond_the_book_are_recorded_with_their_shortfall(clinic):
    lot = await clinic.receive(milliliters=1)  # 50 mg on the book
    visits = [await (await clinic.enrol()).book() for _ in range(4)]
    dose = {"drawn": quantity(20, "mg"), "given": quantity(20, "mg"), "wasted": quantity(0, "mg")}
    given = await asyncio.gather(*(visit.administer(lot, **dose) for visit in visits))
    assert await clinic.balance(lot) == 0
    short = [finding for record in given for finding in record.findings if finding.code == "H8"]
    assert sorted("10 mg short" in finding.description for finding in short) == [False, True]
    assert sorted("20 mg short" in finding.description for finding in short) == [False, True]
    assert [movement.amount.value for movement in await movements(clinic, lot)] == ["50", "-20", "-20", "-10"]


async def test_a_repeated_request_is_one_dose(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    request = pb.RecordAdministrationRequest(
        request_id=str(new_id()), session=visit.name, administration=visit.administration(lot)
    )
    answers = await asyncio.gather(
        *(clinic.call(clinic.nurse, clinic.doses.RecordAdministration, request) for _ in range(8))
    )
    assert len({answer.name for answer in answers}) == 1
    assert await clinic.balance(lot) == Decimal(465)


def residual(visit, given, lot: str, amount: str = "15", **changes) -> pb.RecordWastageRequest:
    return pb.RecordWastageRequest(
        session=visit.name,
        event_time=visit.now(),
        wastage=rec.Wastage(
            **{
                "administration": given.name,
                "lot": lot,
                "amount": quantity(amount, "mg"),
                "kind": rec.Wastage.KIND_RESIDUAL_AFTER_ADMINISTRATION,
                "method": "sink",
                "location": "room 1",
                "witness_subject": visit.clinic.witness.actor.subject,
                **changes,
            }
        ),
    )


async def test_what_is_left_over_is_wasted_whole_and_once(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    given = await visit.administer(lot)
    waste = clinic.doses.RecordWastage
    with pytest.raises(FailedPreconditionError) as refused:
        await clinic.call(clinic.nurse, waste, residual(visit, given, lot, "14.9"))
    assert refused.value.reason == "WASTAGE_MISMATCH"
    requests = [residual(visit, given, lot) for _ in range(4)]
    done = await asyncio.gather(
        *(clinic.call(clinic.nurse, waste, request) for request in requests), return_exceptions=True
    )
    refusals = [result for result in done if isinstance(result, FailedPreconditionError)]
    assert [refusal.reason for refusal in refusals] == ["WASTAGE_REPEATED"] * 3
    assert await clinic.balance(lot) == Decimal(450)


async def test_the_witness_is_another_person(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    given = await visit.administer(lot)
    request = residual(visit, given, lot, witness_subject=clinic.nurse.actor.subject)
    with pytest.raises(InvalidArgumentError) as refused:
        await clinic.call(clinic.nurse, clinic.doses.RecordWastage, request)
    assert paths(refused) == ["wastage.witness_subject"]


async def test_much_waste_is_a_deviation(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    for amount, deviation in (("50", False), ("50.001", True)):
        spill = residual(visit, rec.Record(), lot, amount, kind=rec.Wastage.KIND_SPILL)
        assert (await clinic.call(clinic.nurse, clinic.doses.RecordWastage, spill)).deviation == deviation


async def test_leaving_without_approval_is_recorded_as_against_advice(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    await visit.administer(lot)
    approval = pb.ApproveDischargeRequest(session=visit.name, discharge=rec.Discharge(escort_relation="spouse"))
    with pytest.raises(FailedPreconditionError) as refused:
        await clinic.call(clinic.physician, clinic.doses.ApproveDischarge, approval)
    missing = {blocker.code for blocker in refused.value.blockers}
    assert missing == {"OBSERVATION_TIME", "DISCHARGE_VITALS", "DISCHARGE_SCORE", "ESCORT"}
    departure = await visit.depart()
    assert departure.deviation
    assert codes(departure) == {"H14"}


async def test_a_patient_who_had_no_dose_leaves_without_a_deviation(clinic):
    visit = await (await clinic.enrol()).book()
    assert not (await visit.depart()).deviation
