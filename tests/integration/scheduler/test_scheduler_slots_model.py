"""FindSlots against a simple model that looks at every quarter of an hour, on random schedules around clock changes."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kat.scheduler.v1 import session_pb2
from services.runtime.database import Database
from services.runtime.identifiers import new_id
from services.runtime.names import format_name
from services.scheduler.errors import BookingRefusedError
from tests.fakes.clock import ManualClock
from tests.integration.scheduler.desk import Desk, booking, clock_time, day
from tests.integration.scheduler.slot_model import Found, SlotModel, Wanted, instant

pytestmark = pytest.mark.external_postgres

ATTENDANCE, TURNOVER = timedelta(minutes=150), timedelta(minutes=15)
PATIENTS = 5
CHANGES = (
    ("America/New_York", date(2026, 3, 8)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/St_Johns", date(2026, 11, 1)),
    ("Australia/Sydney", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Pacific/Chatham", date(2026, 9, 27)),
    ("America/Havana", date(2026, 3, 8)),
    ("Asia/Kathmandu", date(2026, 5, 3)),
)
"""Zones, and dates on which their clocks change: by an hour or by half of one, at night or at midnight, or never."""

moments = st.integers(0, 287).map(lambda n: time(n * 5 // 60, n * 5 % 60))
spans = st.tuples(moments, moments).filter(lambda span: span[0] < span[1])
long_spans = st.sampled_from([(time(0), time(23, 55)), (time(1, 30), time(12)), (time(6, 5), time(20))]) | spans
days = st.integers(-1, 1)


@dataclass(frozen=True)
class Schedule:
    """What is drawn for one example; days count from the date on which the clocks change."""

    zones: tuple[tuple[str, date], str]
    hours: list[list[tuple[time, time]]]
    shifts: list[tuple[int, int, tuple[time, time]]]
    ratios: tuple[int, int]
    later_ratio: int
    booked: list[tuple[int, int, int, time, bool]]
    closures: list[tuple[int, int | None, int, tuple[time, time]]]
    exceptions: list[tuple[str, int, int | None, int, tuple[time, time]]]
    last_dates: list[int | None]
    asked: tuple[time, time]
    preferred: int | None
    now: timedelta


rooms = st.integers(0, 3)
schedules = st.builds(
    Schedule,
    zones=st.tuples(st.sampled_from(CHANGES), st.sampled_from([zone for zone, _ in CHANGES])),
    hours=st.lists(
        st.just([(time(0), time(23, 55))])
        | st.just([(time(0), time(9)), (time(9), time(20))])
        | spans.map(lambda s: [s]),
        min_size=2,
        max_size=2,
    ),
    shifts=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), long_spans), min_size=1, max_size=8),
    ratios=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    later_ratio=st.integers(0, 2),
    booked=st.lists(
        st.tuples(st.integers(0, PATIENTS - 1), rooms, days, moments, st.booleans()),
        max_size=PATIENTS,
        unique_by=lambda one: one[0],
    ),
    closures=st.lists(st.tuples(st.integers(0, 1), st.none() | st.integers(0, 1), days, long_spans), max_size=2),
    exceptions=st.lists(
        st.tuples(
            st.sampled_from(["absence", "extra"]), st.integers(0, 3), st.none() | st.integers(0, 1), days, long_spans
        ),
        max_size=3,
    ),
    last_dates=st.lists(st.none() | days, min_size=2, max_size=2),
    asked=st.just((time(0), time(23, 55))) | st.tuples(moments, moments).map(lambda pair: (min(pair), max(pair))),
    preferred=st.none() | st.integers(0, 3),
    now=st.sampled_from([timedelta(days=-2), timedelta(hours=3), timedelta(hours=17)]),
)


class Example:
    """Two clinics in an organization of their own, as drawn."""

    def __init__(self, database: Database, schedule: Schedule) -> None:
        self.schedule = schedule
        (self.zone, self.change), other = schedule.zones
        self.zones = (self.zone, other)
        self.clock = ManualClock(datetime.combine(self.change - timedelta(days=9), time.min, tzinfo=UTC))
        self.desk = Desk(database, self.clock)
        self.clinics: list[str] = []
        self.rooms: list[str] = []
        self.supervisors: list[UUID] = []
        self.patients: list[str] = []

    async def make(self) -> None:
        await self._open()
        for patient, room, offset, at, held in self.schedule.booked:
            course = await self._course(self.patients[patient])
            wanted = booking(course, self.rooms[room], self.change + timedelta(days=offset), f"{at:%H:%M}")
            try:
                if held:
                    await self.desk.call(self.desk.sessions.HoldSlot, session_pb2.HoldSlotRequest(booking=wanted))
                    self.clock.advance(minutes=4)
                else:
                    await self.desk.call(self.desk.sessions.BookSession, session_pb2.BookSessionRequest(booking=wanted))
            except BookingRefusedError:
                continue
        await self._change()

    async def search(self) -> session_pb2.FindSlotsRequest:
        earliest, latest = self.schedule.asked
        preferred = self._preferred()
        return session_pb2.FindSlotsRequest(
            course=await self._course(self.patients[PATIENTS]),
            clinics=self.clinics,
            start_date=day(self._dates()[0]),
            end_date=day(self._dates()[-1]),
            earliest_time=clock_time(f"{earliest:%H:%M}"),
            latest_time=clock_time(f"{latest:%H:%M}"),
            preferred_supervisor=format_name("practitioners", preferred) if preferred else "",
        )

    def wanted(self) -> Wanted:
        return Wanted(
            clinic_ids=[_id(name) for name in self.clinics],
            dates=self._dates(),
            attendance=ATTENDANCE,
            turnover=TURNOVER,
            now=self.clock.now(),
            earliest=self.schedule.asked[0],
            latest=self.schedule.asked[1],
            preferred=self._preferred(),
        )

    def _dates(self) -> list[date]:
        return [self.change + timedelta(days=offset) for offset in (-1, 0, 1)]

    def _preferred(self) -> UUID | None:
        return None if self.schedule.preferred is None else self.supervisors[self.schedule.preferred]

    async def _course(self, patient: str) -> str:
        return await self.desk.active_course_until(patient, self.change + timedelta(days=90))

    async def _open(self) -> None:
        for number, zone in enumerate(self.zones):
            opened = await self.desk.open_clinic(
                key=f"clinic-{number}",
                rooms=2,
                supervisors=2,
                ratio=self.schedule.ratios[number],
                zone=zone,
                patients=PATIENTS + 1 if number == 0 else 0,
            )
            self.clinics.append(opened.clinics[0].name)
            self.rooms += [room.name for room in opened.rooms]
            self.supervisors += [_id(one.name) for one in opened.practitioners]
            self.patients += [one.name for one in opened.patients]
        await self.desk.execute("delete from opening_hours")
        await self.desk.execute("delete from shift")
        for clinic, hours in zip(self.clinics, self.schedule.hours, strict=True):
            for opens, closes in hours:
                await self._insert("opening_hours", "weekday, open_time, close_time", _id(clinic), opens, closes)
        for who, clinic, (start, end) in self.schedule.shifts:
            await self._insert(
                "shift",
                "weekday, start_time, end_time",
                _id(self.clinics[clinic]),
                start,
                end,
                who=self.supervisors[who],
            )

    async def _insert(
        self, table: str, columns: str, clinic_id: UUID, start: time, end: time, *, who: UUID | None = None
    ) -> None:
        """Add hours on every weekday."""
        more, values = (", shift_id, practitioner_id", ", gen_random_uuid(), cast(:who as uuid)") if who else ("", "")
        await self.desk.execute(
            f"insert into {table} (organization_id, clinic_id, {columns}{more}) "  # noqa: S608 - our own text
            f"select :organization, :clinic_id, weekday, :start, :end{values} from generate_series(1, 7) as weekday",
            organization=self.desk.organization_id,
            clinic_id=clinic_id,
            start=start,
            end=end,
            **({"who": who} if who else {}),
        )

    async def _change(self) -> None:
        """Change the roster after the bookings, and let time go by."""
        for clinic, room, offset, (start, end) in self.schedule.closures:
            await self.desk.execute(
                "insert into closure values (:organization, :id, :clinic_id, :room_id, :start, :end, '', now())",
                organization=self.desk.organization_id,
                id=new_id(),
                clinic_id=_id(self.clinics[clinic]),
                room_id=None if room is None else _id(self.rooms[2 * clinic + room]),
                **self._period(offset, start, end),
            )
        for kind, who, clinic, offset, (start, end) in self.schedule.exceptions:
            place = 0 if clinic is None and kind == "extra" else clinic
            await self.desk.execute(
                "insert into shift_exception values "
                "(:organization, :id, :who, :clinic_id, :kind, :zone, :start, :end, now())",
                organization=self.desk.organization_id,
                id=new_id(),
                who=self.supervisors[who],
                clinic_id=None if place is None else _id(self.clinics[place]),
                kind=kind,
                zone=self.zone,
                **self._period(offset, start, end),
            )
        leaves, expires = (offset if offset is None else self.change + timedelta(days=offset) for offset in
                           self.schedule.last_dates)  # fmt: skip
        await self.desk.execute(
            "update practitioner set leave_date = :leaves, supervision_ratio = :ratio where practitioner_id = :who",
            leaves=leaves,
            ratio=self.schedule.later_ratio,
            who=self.supervisors[0],
        )
        await self.desk.execute(
            "update practitioner set credential_expire_date = :expires where practitioner_id = :who",
            expires=expires,
            who=self.supervisors[1],
        )
        now = datetime.combine(self.change, time.min, tzinfo=UTC) + self.schedule.now
        self.clock.set(max(self.clock.now() + timedelta(minutes=8), now))

    def _period(self, offset: int, start: time, end: time) -> dict[str, datetime]:
        on = self.change + timedelta(days=offset)
        first, last = instant(on, start, self.zone), instant(on, end, self.zone)
        return {"start": first, "end": max(last, first + timedelta(minutes=5))}


@given(schedules)
@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes a second: too long to shrink
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_slots_and_reasons_are_those_of_the_model(database, schedule) -> None:
    example = Example(database, schedule)
    await example.make()
    request = await example.search()
    slots, without = (await SlotModel.of(example.desk, example.wanted())).answer()
    pages = await _pages(example.desk, request)
    assert [_found(slot, example) for page in pages for slot in page.slots] == slots
    for page in pages:
        assert {(_id(one.clinic), _date(one.date)): _codes(one) for one in page.dates_without_slot} == without


async def _pages(desk: Desk, request: session_pb2.FindSlotsRequest) -> list[session_pb2.FindSlotsResponse]:
    pages = []
    request.page_size = 60
    while True:
        pages.append(await desk.call(desk.sessions.FindSlots, request))
        request.page_token = pages[-1].next_page_token
        if not request.page_token:
            return pages


def _found(slot: session_pb2.Slot, example: Example) -> Found:
    supervisor = _id(slot.supervisor)
    return Found(
        not_preferred=supervisor != example.wanted().preferred,
        at=slot.interval.start_time.ToDatetime(tzinfo=UTC),
        clinic_rank=example.clinics.index(slot.clinic),
        clinic_id=_id(slot.clinic),
        room_id=_id(slot.room),
        supervisor_id=supervisor,
    )


def _codes(without: session_pb2.DateWithoutSlot) -> set[str]:
    return {session_pb2.BlockerCode.Name(code).removeprefix("BLOCKER_CODE_") for code in without.codes}


def _id(name: str) -> UUID:
    return UUID(name.partition("/")[2])


def _date(value: Any) -> date:
    return date(value.year, value.month, value.day)
