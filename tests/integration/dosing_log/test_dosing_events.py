"""The scheduler's events through the real EventSink: in any order between aggregates, effect once."""

import asyncio
from datetime import timedelta

import pytest

from kat.common.v1.protocol_pb2 import Protocol
from kat.events.v1 import events_pb2 as ev
from services.dosing_log.storage.tables import RUNTIME
from services.runtime.auth import calling_as
from services.runtime.errors import FailedPreconditionError
from services.runtime.events.inbox import EventSink
from services.runtime.fields import timestamp
from services.runtime.identifiers import new_id
from tests.integration.dosing_log.clinic import NINE
from tests.support.services import make_caller

Outcome = ev.Outcome


async def deliver(clinic, *payloads: dict[str, object], aggregate: str, first_version: int = 1) -> list[int]:
    events = [
        ev.Event(
            event_id=str(new_id()),
            organization=f"organizations/{clinic.organization_id}",
            aggregate=aggregate,
            aggregate_version=version,
            producer="scheduler",
            occur_time=timestamp(NINE),
            **payload,
        )
        for version, payload in enumerate(payloads, start=first_version)
    ]
    sink = EventSink(clinic.database, RUNTIME, clinic.handlers)
    with calling_as(make_caller("service", certificate_name="scheduler")):
        answer = await sink.Deliver(ev.DeliverRequest(request_id=str(new_id()), events=events), None)
    return [outcome.verdict for outcome in answer.outcomes]


async def test_a_session_may_arrive_before_its_course(clinic):
    lot = await clinic.receive()
    patient = await clinic.enrol()
    visit = await patient.book()
    visit.name = f"sessions/{new_id()}"
    booked, checked_in = visit.snapshot(), visit.snapshot(revision=1)
    payloads = (
        {"session_booked": ev.SessionBooked(session=booked)},
        {"session_confirmed": ev.SessionConfirmed(session=booked)},
        {"session_checked_in": ev.SessionCheckedIn(session=checked_in, check_in_time=timestamp(NINE))},
    )
    assert await deliver(clinic, *payloads, aggregate=visit.name) == [Outcome.VERDICT_APPLIED] * 3
    order = await visit.prepare()
    assert (await visit.authorize(order, lot)).authorization.order == order.name


async def test_a_moved_session_is_known_by_its_newest_revision(clinic):
    visit = await (await clinic.enrol()).book()
    visit.name = f"sessions/{new_id()}"
    payloads = (
        {"session_booked": ev.SessionBooked(session=visit.snapshot(revision=1))},
        {"session_cancelled": ev.SessionCancelled(session=visit.snapshot(revision=2))},
    )
    await deliver(clinic, *payloads, aggregate=visit.name)
    late = {"session_confirmed": ev.SessionConfirmed(session=visit.snapshot(revision=1))}
    await deliver(clinic, late, aggregate=visit.name, first_version=3)
    async with clinic.database.transaction(clinic.organization_id) as connection:
        session_id = visit.snapshot().session.removeprefix("sessions/")
        known = await clinic.units.on(connection, clinic.organization_id).projection.session(session_id)
    assert known.cancelled


async def test_a_session_that_follows_another_version_of_its_protocol_is_judged_by_that(clinic):
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    order = await visit.prepare()
    before = clinic.protocol_id
    clinic.protocol_id = new_id()
    await clinic.open(version=2, changed={"dose.absolute_cap": "30"})
    moved = visit.snapshot()
    assert moved.protocol != f"protocols/{before}"
    await clinic.hear(session_protocol_changed=ev.SessionProtocolChanged(session=moved))
    with pytest.raises(FailedPreconditionError) as refused:
        await visit.authorize(order, lot)
    found = {blocker.code: blocker.description for blocker in refused.value.blockers}
    assert "H1" in found, found


async def test_a_course_that_was_moved_needs_an_order_for_the_version_that_it_is_on(clinic):
    lot = await clinic.receive()
    patient = await clinic.enrol()
    visit = await patient.book()
    order = await visit.prepare()
    clinic.protocol_id = new_id()
    await clinic.open(version=2)
    await clinic.hear(session_protocol_changed=ev.SessionProtocolChanged(session=visit.snapshot()))
    await clinic.hear(course_activated=patient.activated())
    with pytest.raises(FailedPreconditionError) as refused:
        await visit.authorize(order, lot)
    assert [blocker.code for blocker in refused.value.blockers] == ["H4"]
    assert (await visit.authorize(await visit.order(), lot)).authorization.dose.value == "35"


async def test_a_consent_that_ran_out_stops_doses_until_it_is_renewed(clinic):
    lot = await clinic.receive()
    patient = await clinic.enrol()
    visit = await patient.book()
    order = await visit.prepare()
    today, yesterday = NINE.date(), NINE.date() - timedelta(days=1)
    short, renewed = ({"course_activated": patient.activated(consent_expires=day)} for day in (yesterday, today))
    assert await deliver(clinic, short, aggregate=patient.course) == [Outcome.VERDICT_APPLIED]
    with pytest.raises(FailedPreconditionError) as refused:
        await visit.authorize(order, lot)
    assert [blocker.code for blocker in refused.value.blockers] == ["H5"]
    assert await deliver(clinic, renewed, aggregate=patient.course, first_version=2) == [Outcome.VERDICT_APPLIED]
    assert await deliver(clinic, short, aggregate=patient.course) == [Outcome.VERDICT_DUPLICATE]
    assert (await visit.authorize(order, lot)).authorization.order == order.name


async def test_a_corrected_date_of_birth_is_what_age_is_judged_by(clinic):
    lot = await clinic.receive()
    patient = await clinic.enrol()
    visit = await patient.book()
    order = await visit.prepare()
    told = [{"course_activated": patient.activated(birth_year=NINE.year - age)} for age in (40, 17)]
    assert await deliver(clinic, *told, aggregate=patient.course) == [Outcome.VERDICT_APPLIED] * 2
    # What was told before is not told anew by a second delivery.
    assert await deliver(clinic, told[0], aggregate=patient.course) == [Outcome.VERDICT_DUPLICATE]
    with pytest.raises(FailedPreconditionError) as refused:
        await visit.authorize(order, lot)
    assert [blocker.code for blocker in refused.value.blockers] == ["H3"]
    # One that comes before its turn is not applied.
    assert await deliver(clinic, told[0], aggregate=patient.course, first_version=4) == [Outcome.VERDICT_GAP]
    with pytest.raises(FailedPreconditionError):
        await visit.authorize(order, lot)
    assert await deliver(clinic, told[0], aggregate=patient.course, first_version=3) == [Outcome.VERDICT_APPLIED]
    assert (await visit.authorize(order, lot)).authorization.order == order.name


async def test_a_malformed_event_is_rejected(clinic):
    protocol = {"protocol_installed": ev.ProtocolInstalled(protocol=Protocol(name="protocols/nonsense"))}
    assert await deliver(clinic, protocol, aggregate="protocols/x") == [Outcome.VERDICT_REJECT]
    session = {"session_booked": ev.SessionBooked(session=ev.SessionSnapshot())}
    assert await deliver(clinic, session, aggregate="sessions/x") == [Outcome.VERDICT_REJECT]
    course = {"course_activated": ev.CourseActivated()}
    assert await deliver(clinic, course, aggregate="courses/x") == [Outcome.VERDICT_REJECT]


async def test_a_protocol_version_never_changes(clinic):
    lot = await clinic.receive()
    changed = Protocol(
        name=f"protocols/{clinic.protocol_id}", code="iv", version=1, title="", substance=1, route=1, limits=[]
    )
    await clinic.hear(protocol_installed=ev.ProtocolInstalled(protocol=changed))
    visit = await (await clinic.enrol()).book()
    assert (await visit.authorize(await visit.prepare(), lot)).authorization.dose.value == "35"


async def test_first_events_of_an_organization_side_by_side_open_one_log(clinic):
    patients = [await clinic.enrol() for _ in range(6)]
    visits = [await patient.book() for patient in patients]
    records = await asyncio.gather(*(visit.vitals() for visit in visits))
    clinic.clock.set(NINE + timedelta(minutes=1))
    await clinic.ledger.sequence()
    indices = [(await clinic.get(clinic.nurse, record)).ledger_receipt.index for record in records]
    assert sorted(indices) == list(range(6))
