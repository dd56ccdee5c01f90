"""Protocols of an organization's own: numbered by the server, refused with every fault, told of."""

import asyncio
from datetime import date

import pytest

from kat.common.v1.common_pb2 import Quantity
from kat.common.v1.protocol_pb2 import (
    MARK_UNVERIFIED,
    ROUTE_INTRAMUSCULAR,
    Limit,
    Protocol,
)
from kat.scheduler.v1 import course_pb2
from services.runtime.errors import InvalidArgumentError
from services.runtime.identifiers import new_id
from tests.integration.scheduler.course_desk import create, shipped
from tests.integration.scheduler.desk import codes

pytestmark = pytest.mark.external_postgres


async def faults_of(attempt) -> dict[str, str]:
    with pytest.raises(InvalidArgumentError) as refused:
        await attempt
    return {fault.path: fault.description for fault in refused.value.violations}


async def test_an_own_version_is_numbered_after_the_shipped_one_and_told_of(desk) -> None:
    wanted = await shipped(desk)
    wanted.version, wanted.title = 77, "Ours"
    created = await create(desk, wanted, phase__preparation="45.0")
    assert (created.code, created.version, created.title) == ("iv_racemic", 2, "Ours")
    assert created.name != wanted.name
    limits = {limit.code: limit for limit in created.limits}
    assert limits["phase.preparation"].value == Quantity(value="45", unit="min")
    assert limits["course.hold_before"].source == "project default"
    assert (await desk.sent())[-1].protocol_installed.protocol == created
    assert (await desk.call(desk.protocols.GetProtocol, course_pb2.GetProtocolRequest(name=created.name))) == created
    assert (await create(desk, wanted)).version == 3


async def test_a_code_of_ones_own_begins_at_1_and_courses_use_it(desk) -> None:
    wanted = await shipped(desk)
    wanted.code = "ours"
    created = await create(desk, wanted, course__sessions__planned="4")
    assert created.version == 1
    patient = (await desk.open_clinic()).patients[0].name
    draft = await desk.enroll(patient)
    request = course_pb2.EnrollPatientRequest(patient=patient, protocol=created.name, screening=draft.screening)
    own = await desk.call(desk.courses.EnrollPatient, request)
    assert (own.session_cap, own.session_maximum) == (4, 12)


async def test_a_no_show_takes_a_place_where_the_protocol_says_so(desk) -> None:
    wanted = await shipped(desk)
    wanted.no_show_counts = True
    created = await create(desk, wanted, course__sessions__planned="2")
    opened = await desk.open_clinic()
    room, patient = opened.rooms[0].name, opened.patients[0].name
    draft = await desk.enroll(patient)
    await desk.review(draft, accept=False, reason="the other protocol")
    request = course_pb2.EnrollPatientRequest(patient=patient, protocol=created.name, screening=draft.screening)
    course = (await desk.review(await desk.call(desk.courses.EnrollPatient, request))).name
    session = await desk.book(course, room, date(2026, 3, 3))
    desk.clock.set(session.interval.start_time.ToDatetime(tzinfo=desk.clock.now().tzinfo))
    await desk.miss(session)
    # The patient was not treated, so the cadence does not count it: the next day is as good as any.
    await desk.book(course, room, date(2026, 3, 4))
    (blocker,) = await desk.blockers(course, room, date(2026, 3, 18))
    assert codes([blocker]) == {"COURSE_CAP"}


async def test_the_same_request_creates_once(desk) -> None:
    request = course_pb2.CreateProtocolRequest(request_id=str(new_id()), protocol=await shipped(desk))
    first = await desk.call(desk.protocols.CreateProtocol, request)
    assert await desk.call(desk.protocols.CreateProtocol, request) == first
    assert first.version == 2


async def test_creations_at_once_get_numbers_of_their_own(desk) -> None:
    protocol = await shipped(desk)
    created = await asyncio.gather(*(create(desk, protocol) for _ in range(4)))
    assert sorted(one.version for one in created) == [2, 3, 4, 5]


async def test_every_fault_of_a_definition_is_named_with_its_path(desk) -> None:
    wanted = await shipped(desk)
    places = {limit.code: n for n, limit in enumerate(wanted.limits)}
    wanted.code, wanted.title = "IV racemic", ""
    wanted.limits[places["phase.turnover"]].value.unit = "h"
    wanted.limits[places["spo2.hard_min"]].source = ""
    wanted.limits[places["dose.starting"]].mark = 0
    wanted.limits.append(
        Limit(code="dose.unknown", value=Quantity(value="1", unit="mg"), source="x", mark=MARK_UNVERIFIED)
    )
    del wanted.limits[places["interval.minimum"]]
    found = await faults_of(create(desk, wanted))
    shifted = {code: n - (n > places["interval.minimum"]) for code, n in places.items()}
    assert found.keys() == {
        "protocol.code",
        "protocol.title",
        f"protocol.limits[{shifted['phase.turnover']}]",
        f"protocol.limits[{shifted['spo2.hard_min']}]",
        f"protocol.limits[{shifted['dose.starting']}].mark",
        f"protocol.limits[{len(wanted.limits) - 1}].code",
        "protocol.limits",
    }
    assert found["protocol.limits"] == "interval.minimum: is missing"


@pytest.mark.parametrize(
    ("limit", "value", "fault"),
    [
        ("interval.minimum", "6", "at least 7 days"),
        ("interval.minimum", "7.5", "whole numbers"),
        ("interval.minimum", "999999999999", "from 0 to 366"),
        ("phase.observation", "119", "at least observation.minimum"),
        ("course.sessions.planned", "13", "write at most 12"),
        ("course.sessions.planned", "0", "from 1 to 100"),
        ("course.hold_before", "3", "over course.review_after"),
        ("consent.validity", "999999999999", "from 1 to 366"),
        ("age.minimum", "16", "from 18 to 120"),
    ],
)
async def test_an_unsafe_value_is_refused_at_its_place(desk, limit, value, fault) -> None:
    wanted = await shipped(desk)
    place = next(n for n, one in enumerate(wanted.limits) if one.code == limit)
    found = await faults_of(create(desk, wanted, **{limit.replace(".", "__"): value}))
    assert fault in found[f"protocol.limits[{place}]"]
    assert await desk.execute("select count(*) from protocol") == [(4,)]


async def test_versions_of_a_code_are_for_one_route(desk) -> None:
    wanted = await shipped(desk)
    wanted.route = ROUTE_INTRAMUSCULAR
    for code in ("infusion.duration.soft_min", "infusion.duration.hard_min"):
        del wanted.limits[next(n for n, one in enumerate(wanted.limits) if one.code == code)]
    assert "choose another code" in (await faults_of(create(desk, wanted)))["protocol.code"]
    wanted.code = "ours"
    assert (await create(desk, wanted)).version == 1


async def test_an_empty_definition_is_refused_with_what_it_lacks(desk) -> None:
    found = await faults_of(create(desk, Protocol()))
    assert found.keys() >= {"protocol.code", "protocol.title", "protocol.substance", "protocol.route"}


async def test_a_screening_holds_its_checklist_and_what_a_supervisor_weighs(desk) -> None:
    patient = (await desk.open_clinic()).patients[0].name
    checks = [course_pb2.SCREENING_CHECK_MEDICAL_HISTORY, course_pb2.SCREENING_CHECK_BLOOD_PRESSURE]
    draft = await desk.enroll(
        patient, checks=[*checks, checks[0]], prior_treatment_trials=1, code="spravato_maintenance"
    )
    assert list(draft.screening.checks) == checks
    with pytest.raises(InvalidArgumentError) as refused:
        await desk.review(draft)
    assert "fewer than 2 adequate treatments before, no documented induction" in refused.value.message
    assert (await desk.review(draft, reason="weighed")).session_cap == 26
