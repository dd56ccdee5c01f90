"""Free slots as a simple model sees them: every quarter of an hour is looked at, on what the tables hold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from services.scheduler.domain.interval import Interval
from services.scheduler.domain.local_time import instants_of
from tests.integration.scheduler.desk import Desk

QUARTER = timedelta(minutes=15)
MINUTES = timedelta(minutes=5)
"""Everything in the model's schedules begins and ends at multiples of this."""

TABLES = ("clinic", "opening_hours", "room", "practitioner", "shift", "closure", "shift_exception", "session")
LIVE_SUPERVISION = "select v.*, s.state, s.hold_expire_time from supervision v join session s using (session_id)"


@dataclass(frozen=True)
class Wanted:
    """A search."""

    clinic_ids: Sequence[UUID]
    dates: Sequence[date]
    attendance: timedelta
    turnover: timedelta
    now: datetime
    earliest: time
    latest: time
    preferred: UUID | None
    protocol_code: str = "iv_racemic"


@dataclass(frozen=True)
class Found:
    """A slot: ranked by these fields in this order."""

    not_preferred: bool
    at: datetime
    clinic_rank: int
    clinic_id: UUID
    room_id: UUID
    supervisor_id: UUID


class SlotModel:
    """What is in an organization's tables, and the slots in it."""

    def __init__(self, rows: dict[str, list[Any]], wanted: Wanted) -> None:
        self._rows = rows
        self._wanted = wanted

    @classmethod
    async def of(cls, desk: Desk, wanted: Wanted) -> "SlotModel":
        rows = {table: await desk.execute(f"select * from {table}") for table in TABLES}  # noqa: S608 - our own names
        rows["supervision"] = await desk.execute(LIVE_SUPERVISION)
        return cls(rows, wanted)

    def answer(self) -> tuple[list[Found], dict[tuple[UUID, date], set[str]]]:
        """The slots in their order, and for each clinic and date without one why."""
        slots: list[Found] = []
        without = {}
        for rank, clinic_id in enumerate(self._wanted.clinic_ids):
            clinic = next(row for row in self._rows["clinic"] if row.clinic_id == clinic_id)
            for day in self._wanted.dates:
                found = [slot for at in quarters(day, clinic.time_zone) for slot in self._slot(clinic, rank, day, at)]
                slots += found
                if not found:
                    without[clinic_id, day] = self._reasons(clinic, day)
        return sorted(slots, key=lambda slot: (slot.not_preferred, slot.at, slot.clinic_rank)), without

    def _slot(self, clinic: Any, rank: int, day: date, at: datetime) -> Iterator[Found]:
        if not (self._open(clinic, day, at) and self._asked_for(clinic, day, at) and at > self._wanted.now):
            return
        rooms, supervisors = self._rooms(clinic, at), self._supervisors(clinic, day, at, below_ratio=True)
        if rooms and supervisors:
            preferred = self._wanted.preferred in supervisors
            supervisor = self._wanted.preferred if preferred else min(supervisors)
            yield Found(not preferred, at, rank, clinic.clinic_id, rooms[0], supervisor)

    def _reasons(self, clinic: Any, day: date) -> set[str]:
        if not self._hours(clinic, day):
            return {"CLINIC_CLOSED"}
        fitting = [at for at in quarters(day, clinic.time_zone) if self._open(clinic, day, at)]
        asked_for = [at for at in fitting if self._asked_for(clinic, day, at)]
        if not asked_for:
            return {"OUTSIDE_HOURS"}
        ahead = [at for at in asked_for if at > self._wanted.now]
        if not ahead:
            return {"PAST"}
        with_room = [at for at in ahead if self._rooms(clinic, at)]
        attended = [at for at in ahead if self._supervisors(clinic, day, at, below_ratio=False)]
        supervised = [at for at in ahead if self._supervisors(clinic, day, at, below_ratio=True)]
        never_together = bool(with_room and supervised)
        reasons = {"ROOM_BUSY"} if never_together or not with_room else set()
        if not attended or (never_together and not set(attended) & set(with_room)):
            return reasons | {"NO_SUPERVISOR"}
        return reasons | {"SUPERVISION_RATIO"} if never_together or not supervised else reasons

    def _hours(self, clinic: Any, day: date) -> list[tuple[datetime, datetime]]:
        """Hours of the date of which something is left."""
        closures = [row for row in self._of(clinic, "closure") if row.room_id is None]
        hours = [
            (instant(day, row.open_time, clinic.time_zone), instant(day, row.close_time, clinic.time_zone))
            for row in self._of(clinic, "opening_hours")
            if row.weekday == day.isoweekday()
        ]
        return [
            (opens, closes) for opens, closes in hours if any(not covered(at, closures) for at in steps(opens, closes))
        ]

    def _open(self, clinic: Any, day: date, at: datetime) -> bool:
        closures = [row for row in self._of(clinic, "closure") if row.room_id is None]
        until = at + self._wanted.attendance
        within = any(opens <= at and until <= closes for opens, closes in self._hours(clinic, day))
        return within and not overlapping(at, until, closures)

    def _asked_for(self, clinic: Any, day: date, at: datetime) -> bool:
        first = instant(day, self._wanted.earliest, clinic.time_zone)
        return first <= at <= max(first, instant(day, self._wanted.latest, clinic.time_zone))

    def _rooms(self, clinic: Any, at: datetime) -> list[UUID]:
        until = at + self._wanted.attendance + self._wanted.turnover
        closed = {row.room_id for row in overlapping(at, until, self._rows["closure"])}
        sessions = [row for row in self._rows["session"] if self._in_the_way(row)]
        busy = {row.room_id for row in sessions if row.start_time < until and row.release_time > at}
        rooms = sorted((row.title, row.room_id) for row in self._of(clinic, "room"))
        return [room_id for _, room_id in rooms if room_id not in busy | closed]

    def _supervisors(self, clinic: Any, day: date, at: datetime, *, below_ratio: bool) -> list[UUID]:
        return [
            who.practitioner_id
            for who in self._rows["practitioner"]
            if who.supervision_ratio > 0
            and self._wanted.protocol_code in who.protocol_codes
            and day <= (who.leave_date or day)
            and day <= (who.credential_expire_date or day)
            and self._on_shift(who, clinic, day, at)
            and not (below_ratio and self._at_ratio(who, at))
        ]

    def _on_shift(self, who: Any, clinic: Any, day: date, at: datetime) -> bool:
        weekly = [
            Interval(instant(day, row.start_time, clinic.time_zone), instant(day, row.end_time, clinic.time_zone))
            for row in self._of(clinic, "shift")
            if row.practitioner_id == who.practitioner_id and row.weekday == day.isoweekday()
        ]
        exceptions = [row for row in self._rows["shift_exception"] if row.practitioner_id == who.practitioner_id]
        extra = [row for row in exceptions if row.kind == "extra" and row.clinic_id == clinic.clinic_id]
        absent = [row for row in exceptions if row.kind == "absence" and row.clinic_id in (None, clinic.clinic_id)]
        return all(
            (any(one.start <= moment < one.end for one in weekly) or covered(moment, extra))
            and not covered(moment, absent)
            for moment in steps(at, at + self._wanted.attendance)
        )

    def _at_ratio(self, who: Any, at: datetime) -> bool:
        held = [
            row
            for row in overlapping(at, at + self._wanted.attendance, self._rows["supervision"])
            if row.practitioner_id == who.practitioner_id and self._in_the_way(row)
        ]
        return any(
            sum(row.start_time <= moment < row.end_time for row in held) >= who.supervision_ratio
            for moment in steps(at, at + self._wanted.attendance)
        )

    def _in_the_way(self, row: Any) -> bool:
        return row.live and not (row.state == "held" and row.hold_expire_time <= self._wanted.now)

    def _of(self, clinic: Any, table: str) -> list[Any]:
        return [row for row in self._rows[table] if row.clinic_id == clinic.clinic_id]


def instant(day: date, at: time, zone: str) -> datetime:
    """A time on a clinic's clock: the later instant of two; where there is none, the time that the clock jumps to."""
    instants = instants_of(day, at, ZoneInfo(zone))
    return instants[-1] if instants else datetime.combine(day, at, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def quarters(day: date, zone: str) -> Iterator[datetime]:
    """Every quarter of an hour of a date on a zone's clock."""
    at = datetime.combine(day - timedelta(days=1), time.min, tzinfo=UTC)
    for _ in range(3 * 24 * 4):
        if at.astimezone(ZoneInfo(zone)).date() == day:
            yield at
        at += QUARTER


def steps(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += MINUTES


def overlapping(start: datetime, end: datetime, rows: Sequence[Any]) -> list[Any]:
    return [row for row in rows if row.start_time < end and row.end_time > start]


def covered(moment: datetime, rows: Sequence[Any]) -> bool:
    return any(row.start_time <= moment < row.end_time for row in rows)
