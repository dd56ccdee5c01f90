"""One resource of the roster at a time, under the rules of a whole one."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from google.type.date_pb2 import Date
from google.type.timeofday_pb2 import TimeOfDay
from hypothesis import given
from hypothesis import strategies as st

from kat.scheduler.v1 import roster_pb2
from services.runtime.errors import FieldViolation
from services.runtime.identifiers import new_id
from services.scheduler.convert import availability, roster_changes
from services.scheduler.domain.availability import Closure, ExceptionKind, ShiftException
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.roster import Shift
from services.scheduler.domain.roster_changes import Kind, elsewhere_at_once, faults_of_entry
from services.scheduler.domain.roster_import import EMPTY, KnownRoster, RoomEntry

CLINIC, ELSEWHERE = new_id(), new_id()
TODAY = date(2026, 3, 2)
NOTHING = KnownRoster(clinics={}, practitioners={}, room_clinics={}, scheduled_zones={}, subjects={})

days = st.none() | st.dates(date(2026, 1, 1), date(2026, 3, 1))
hours = st.integers(0, 23).map(time)


@st.composite
def shifts(draw: st.DrawFn, clinic_id: UUID) -> Shift:
    start, end = sorted(draw(st.lists(hours, min_size=2, max_size=2, unique=True)))
    first, last = draw(days), draw(days)
    if first is not None and last is not None:
        first, last = sorted((first, last))
    return Shift(
        shift_id=new_id(),
        practitioner_id=CLINIC,
        clinic_id=clinic_id,
        weekday=draw(st.integers(1, 3)),
        start_time=start,
        end_time=end,
        effective_start_date=first,
        effective_end_date=last,
    )


def worked(shift: Shift) -> set[tuple[date, int]]:
    """The hours in which somebody on that shift works, by date, from 2025 to the middle of 2026."""
    dates = (date(2025, 12, 1) + timedelta(days=n) for n in range(200))
    return {
        (day, hour)
        for day in dates
        if (shift.effective_start_date or day) <= day <= (shift.effective_end_date or day)
        for hour in range(shift.start_time.hour, shift.end_time.hour)
    }


@given(shifts(CLINIC), shifts(ELSEWHERE))
def test_shifts_at_two_clinics_clash_where_they_share_an_hour(one, other) -> None:
    clash = one.weekday == other.weekday and bool(worked(one) & worked(other))
    assert elsewhere_at_once(one, [other]) == (other if clash else None)
    assert elsewhere_at_once(one, [one, replace(other, clinic_id=CLINIC)]) is None


def test_faults_have_the_paths_of_a_request_for_one_resource() -> None:
    entry = RoomEntry(identifier=("s", "1"), clinic=CLINIC, title="Room")
    given_with = replace(EMPTY, rooms=(entry,), faults=(FieldViolation("rooms[0].title", "shorter"),))
    found = faults_of_entry(given_with, NOTHING, TODAY)
    assert [fault.path for fault in found] == ["room.title", "room.clinic"]
    known = replace(NOTHING, clinics={CLINIC: CLINIC}, room_clinics={("s", "0"): ELSEWHERE})
    assert faults_of_entry(replace(EMPTY, rooms=(entry,)), known, TODAY) == []
    moved = faults_of_entry(replace(EMPTY, rooms=(entry,)), known.renamed(("s", "0"), ("s", "1")), TODAY)
    assert [fault.path for fault in moved] == ["room.clinic"]


def test_a_change_names_its_resource_and_how_it_was_read() -> None:
    change = roster_changes.change(Kind.CLINIC, roster_pb2.Clinic())
    paths = {fault.path for fault in change.roster.faults}
    assert {"clinics[0].name", "clinics[0].etag", "clinics[0].title", "clinics[0].opening_hours"} <= paths
    read = roster_changes.change(Kind.ROOM, roster_pb2.Room(name=f"rooms/{CLINIC}", etag="e"))
    assert (read.resource_id, read.etag) == (CLINIC, "e")


def test_times_are_told_on_the_clock_that_they_were_written_on() -> None:
    interval = Interval(datetime(2026, 3, 8, 6, 30, tzinfo=UTC), datetime(2026, 3, 8, 7, 30, tzinfo=UTC))
    common = {"time_zone": "America/New_York", "interval": interval, "create_time": interval.start}
    closure = Closure(closure_id=new_id(), clinic_id=CLINIC, room_id=None, reason="storm", **common)
    message = availability.closure_message(closure)
    start = roster_pb2.ClockTime(
        date=Date(year=2026, month=3, day=8), time=TimeOfDay(hours=1, minutes=30), utc_offset="-05:00"
    )
    end = roster_pb2.ClockTime(
        date=Date(year=2026, month=3, day=8), time=TimeOfDay(hours=3, minutes=30), utc_offset="-04:00"
    )
    assert (message.start, message.end, message.room) == (start, end, "")
    assert "2026-03-08 01:30-05:00 to 2026-03-08 03:30-04:00" in closure.described
    assert "storm" not in closure.described
    exception = ShiftException(
        shift_exception_id=new_id(), practitioner_id=CLINIC, clinic_id=None, kind=ExceptionKind.ABSENCE, **common
    )
    told = availability.exception_message(exception)
    assert (told.kind, told.clinic, told.start) == (roster_pb2.ShiftException.KIND_ABSENCE, "", start)
