"""Handing supervision over: no minute without a clinician, nobody over their ratio."""

from datetime import UTC, date, datetime, timedelta

import pytest

from kat.scheduler.v1 import session_pb2
from services.runtime.errors import FailedPreconditionError, InvalidArgumentError
from tests.integration.scheduler.desk import Desk, instant, timestamp

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
NINE = datetime(2026, 3, 3, 14, tzinfo=UTC)


class Ward:
    """Sessions of several patients at nine, each in a room, all under the first supervisor where the ratio allows."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def open(self, *, patients: int = 1, supervisors: int = 2, ratio: int = 4) -> "Ward":
        opened = await self.desk.open_clinic(rooms=patients, supervisors=supervisors, ratio=ratio, patients=patients)
        self.supervisors = [one.name for one in opened.practitioners]
        self.sessions = [
            await self.desk.book(
                await self.desk.active_course(patient.name), room.name, TUESDAY, supervisor=self.supervisors[0]
            )
            for patient, room in zip(opened.patients, opened.rooms, strict=True)
        ]
        return self


def periods(session: session_pb2.Session) -> list[tuple[str, datetime, datetime]]:
    return [(one.practitioner, instant(one.start_time), instant(one.end_time)) for one in session.supervisions]


async def test_the_period_is_split_without_a_gap(desk) -> None:
    ward = await Ward(desk).open()
    at = NINE + timedelta(minutes=50)
    handed = await desk.hand_over(ward.sessions[0], hand_over_time=timestamp(at), supervisor=ward.supervisors[1])
    end = NINE + timedelta(minutes=150)
    assert periods(handed) == [(ward.supervisors[0], NINE, at), (ward.supervisors[1], at, end)]
    event = (await desk.sent())[-1].session_supervision_changed.session
    assert list(event.supervisor_subjects) == ["main-subject-0", "main-subject-1"]


async def test_back_and_forth_and_back(desk) -> None:
    ward = await Ward(desk).open()
    session = ward.sessions[0]
    for n, minutes in enumerate((30, 60, 90), 1):
        at = timestamp(NINE + timedelta(minutes=minutes))
        session = await desk.hand_over(session, hand_over_time=at, supervisor=ward.supervisors[n % 2])
    assert [one for one, _, _ in periods(session)] == [ward.supervisors[n % 2] for n in range(4)]
    # A hand-over from earlier on replaces what was planned after it.
    at = timestamp(NINE + timedelta(minutes=45))
    session = await desk.hand_over(session, hand_over_time=at, supervisor=ward.supervisors[0])
    assert [one for one, _, _ in periods(session)] == [ward.supervisors[n] for n in (0, 1, 0)]


async def test_without_a_time_it_is_from_now_and_without_a_name_to_whoever_can(desk) -> None:
    ward = await Ward(desk).open(supervisors=3)
    session = ward.sessions[0]
    before = await desk.hand_over(session)
    assert len(periods(before)) == 1
    assert periods(before)[0][0] != ward.supervisors[0]
    desk.clock.set(NINE + timedelta(minutes=20))
    after = await desk.hand_over(before)
    assert [start for _, start, _ in periods(after)] == [NINE, NINE + timedelta(minutes=20)]


async def test_the_one_taking_over_keeps_their_ratio_per_minute(desk) -> None:
    ward = await Ward(desk).open(patients=3, ratio=3)
    await desk.execute(
        "update practitioner set supervision_ratio = 1 where practitioner_id = :id",
        id=ward.supervisors[1].partition("/")[2],
    )
    at = NINE + timedelta(minutes=60)
    first = await desk.hand_over(ward.sessions[0], hand_over_time=timestamp(at), supervisor=ward.supervisors[1])
    with pytest.raises(FailedPreconditionError) as refused:
        later = timestamp(NINE + timedelta(minutes=149))
        await desk.hand_over(ward.sessions[1], hand_over_time=later, supervisor=ward.supervisors[1])
    assert {(one.code, one.subject) for one in refused.value.blockers} == {("SUPERVISION_RATIO", first.name)}


async def test_lanes_are_dealt_anew_over_handed_over_periods(desk) -> None:
    """The second clinician has one session until ten and one from ten on, in two lanes: a third fits beside both."""
    ward = await Ward(desk).open(patients=3, ratio=3)
    second = ward.supervisors[1]
    await desk.execute(
        "update practitioner set supervision_ratio = 2 where practitioner_id = :id", id=second.partition("/")[2]
    )
    ten = timestamp(NINE + timedelta(minutes=60))
    early = await desk.hand_over(ward.sessions[0], supervisor=second)
    await desk.hand_over(early, hand_over_time=ten, supervisor=ward.supervisors[0])
    await desk.hand_over(ward.sessions[1], hand_over_time=ten, supervisor=second)
    whole = await desk.hand_over(ward.sessions[2], supervisor=second)
    assert periods(whole) == [(second, NINE, NINE + timedelta(minutes=150))]
    lanes = "select count(*), count(distinct lane) from supervision where practitioner_id = :id"
    assert await desk.execute(lanes, id=second.partition("/")[2]) == [(3, 2)]


@pytest.mark.parametrize("minutes", [-1, 150], ids=["before the start", "at the end"])
async def test_a_time_outside_the_session_is_a_fault(desk, minutes) -> None:
    ward = await Ward(desk).open()
    at = timestamp(NINE + timedelta(minutes=minutes))
    with pytest.raises(InvalidArgumentError) as faulty:
        await desk.hand_over(ward.sessions[0], hand_over_time=at)
    assert [fault.path for fault in faulty.value.violations] == ["hand_over_time"]


async def test_who_supervises_already_cannot_take_over(desk) -> None:
    ward = await Ward(desk).open()
    with pytest.raises(InvalidArgumentError):
        await desk.hand_over(ward.sessions[0], supervisor=ward.supervisors[0])


async def test_a_moved_session_has_one_supervisor_again(desk) -> None:
    ward = await Ward(desk).open()
    at = timestamp(NINE + timedelta(minutes=60))
    handed = await desk.hand_over(ward.sessions[0], hand_over_time=at, supervisor=ward.supervisors[1])
    moved = await desk.move(handed, TUESDAY + timedelta(days=1), supervisor=ward.supervisors[1])
    assert [one for one, _, _ in periods(moved)] == [ward.supervisors[1]]


async def test_whoever_is_absent_by_now_may_be_relieved(desk) -> None:
    ward = await Ward(desk).open()
    await desk.execute("delete from shift where practitioner_id = :id", id=ward.supervisors[0].partition("/")[2])
    at = NINE + timedelta(minutes=30)
    handed = await desk.hand_over(ward.sessions[0], hand_over_time=timestamp(at))
    assert [one for one, _, _ in periods(handed)] == ward.supervisors
