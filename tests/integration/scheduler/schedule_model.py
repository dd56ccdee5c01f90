"""The scheduler's promises as a simple model sees them: plain Python on what the tables hold.

Time is looked at at every instant at which anything begins or ends, which is the same as looking at every minute.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text

from tests.integration.scheduler.desk import Desk
from tests.integration.scheduler.slot_model import covered, instant, overlapping

TABLES = (
    "clinic",
    "opening_hours",
    "room",
    "practitioner",
    "shift",
    "shift_exception",
    "closure",
    "protocol",
    "course",
    "session",
    "supervision",
    "dose",
    "waitlist_entry",
)
LIVE = {"held", "booked", "checked_in", "in_progress", "fulfilled"}
TAKEN = {"in_progress", "fulfilled"}


@dataclass(frozen=True)
class Place:
    """A session that is asked for: of which course, where, when on the clinic's clock, under whom, or whoever can."""

    course_id: UUID
    room_id: UUID
    day: date
    at: time
    offset: timedelta | None = None
    supervisor_id: UUID | None = None
    moving: UUID | None = None  # itself, left out
    further: int = 1  # sessions that are asked for, of a series more than one


@dataclass(frozen=True)
class Period:
    """When a session would be at its clinic."""

    clinic: Any
    day: date
    start: datetime
    end: datetime
    release: datetime


class Schedule:
    """What an organization's tables hold at an instant."""

    def __init__(self, rows: dict[str, list[Any]], now: datetime) -> None:
        self.rows = rows
        self.now = now
        self.sessions = {row.session_id: row for row in rows["session"]}
        self.courses = {row.course_id: row for row in rows["course"]}
        self.clinics = {row.clinic_id: row for row in rows["clinic"]}
        self.protocols = {row.protocol_id: row for row in rows["protocol"]}
        self.practitioners = {row.practitioner_id: row for row in rows["practitioner"]}
        self.live = [row for row in rows["session"] if row.state in LIVE]
        self.supervised = [row for row in rows["supervision"] if self.sessions[row.session_id].state in LIVE]

    @classmethod
    async def read(cls, desk: Desk) -> "Schedule":
        async with desk.database.transaction(desk.organization_id) as connection:
            rows = {
                table: list((await connection.execute(text(f"select * from {table}"))).all())  # noqa: S608 - our own names
                for table in TABLES
            }
        return cls(rows, desk.clock.now())

    def expired(self, session: Any) -> bool:
        return session.state == "held" and session.hold_expire_time <= self.now

    def limit(self, course: Any, code: str) -> int:
        return int(self.protocols[course.protocol_id].limits[code]["value"])

    def hold_from(self, course: Any) -> int:
        """The first session of a course that waits for a review."""
        return int(course.review_base) + self.limit(course, "course.hold_before")

    def blockers(self, place: Place) -> set[str]:
        """Return what a booking, or a move, would break, by the codes that it has to be refused with."""
        course = self.courses[place.course_id]
        room = next(row for row in self.rows["room"] if row.room_id == place.room_id)
        clinic = self.clinics[room.clinic_id]
        found = set(self._of_course(course, place)) | set(self._of_date(course, place))
        starts = instants(place.day, place.at, clinic.time_zone)
        zone = ZoneInfo(clinic.time_zone)
        meant = [one for one in starts if place.offset in (None, one.astimezone(zone).utcoffset())]
        if len(meant) != 1:
            found.add("LOCAL_TIME_AMBIGUOUS" if len(starts) > 1 else "LOCAL_TIME_MISSING")
            return found | (set() if self._open_at_all(clinic, place.day) else {"CLINIC_CLOSED"})
        end = meant[0] + timedelta(
            minutes=self.limit(course, "phase.preparation") + self.limit(course, "phase.observation")
        )
        release = end + timedelta(minutes=self.limit(course, "phase.turnover"))
        period = Period(clinic, place.day, meant[0], end, release)
        found |= set(self._of_hours(period)) | set(self._of_room(place, period)) | set(self._of_patient(place, period))
        return found | set(self.of_supervision(place, period))

    def _of_course(self, course: Any, place: Place) -> Iterator[str]:
        if course.state != "active":
            yield "COURSE_NOT_ACTIVE"
        if place.moving is not None:
            return
        own = [row for row in self.rows["session"] if row.course_id == course.course_id and not self.expired(row)]
        counted = place.further + sum(
            row.state in LIVE or (row.state == "no_show" and row.no_show_counts) for row in own
        )
        taken = sum(row.state in TAKEN for row in own)
        due = taken >= course.review_base + self.limit(course, "course.review_after")
        if due and course.state in {"active", "on_hold"} and counted >= self.hold_from(course):
            yield "REVIEW_DUE"
        if counted > course.session_cap:
            yield "COURSE_CAP"

    def _of_date(self, course: Any, place: Place) -> Iterator[str]:
        if course.consent_expire_date < place.day:
            yield "CONSENT_MISSING"
        taken = [
            (one.local_date, one.interval_days) for one in self._others(place) if one.patient_id == course.patient_id
        ]
        taken += [
            (dose.dose_date, dose.interval_days)
            for dose in self.rows["dose"]
            if dose.patient_id == course.patient_id and dose.session_id != place.moving
        ]
        for day, interval in taken:
            if place.day < day + timedelta(days=interval) and day < place.day + timedelta(days=course.interval_days):
                yield "CADENCE"

    def _of_hours(self, period: Period) -> Iterator[str]:
        hours = self.hours(period.clinic, period.day)
        if period.start <= self.now:
            yield "PAST"
        if not hours:
            yield "CLINIC_CLOSED"
        elif not any(opens <= period.start and period.end <= closes for opens, closes in hours):
            yield "OUTSIDE_HOURS"
        if overlapping(period.start, period.end, self._closures(period.clinic, None)):
            yield "CLINIC_CLOSED"

    def _of_room(self, place: Place, period: Period) -> Iterator[str]:
        closures = self._closures(period.clinic, place.room_id)
        in_room = [row for row in self._others(place) if row.room_id == place.room_id]
        busy = [row for row in in_room if row.start_time < period.release and row.release_time > period.start]
        if busy or overlapping(period.start, period.release, closures):
            yield "ROOM_BUSY"

    def _of_patient(self, place: Place, period: Period) -> Iterator[str]:
        patient = self.courses[place.course_id].patient_id
        own = [row for row in self._others(place) if row.patient_id == patient]
        if overlapping(period.start, period.end, own):
            yield "PATIENT_BUSY"

    def of_supervision(self, place: Place, period: Period, *, without: UUID | None = None) -> Iterator[str]:
        """What keeps a period from being supervised, by whoever is asked for, or by anybody but one."""
        code = self.courses[place.course_id].protocol_code
        there = [
            who
            for who in self.rows["practitioner"]
            if place.supervisor_id in (None, who.practitioner_id)
            and who.practitioner_id != without
            and who.supervision_ratio > 0
            and self.qualified(who, code, period.clinic, period.day, start=period.start, end=period.end)
        ]
        if not there:
            yield "NO_SUPERVISOR"
        elif all(self._at_ratio(who, place, period) for who in there):
            yield "SUPERVISION_RATIO"

    def _at_ratio(self, who: Any, place: Place, period: Period) -> bool:
        others = {row.session_id for row in self._others(place)}
        held = [row for row in self.supervised if row.session_id in others]
        return any(
            self.at_once(who.practitioner_id, moment, held) >= who.supervision_ratio
            for moment in boundaries(period.start, period.end, held)
        )

    def at_once(self, practitioner_id: UUID, moment: datetime, supervised: Iterable[Any] | None = None) -> int:
        """How many sessions somebody supervises at an instant."""
        return sum(
            row.practitioner_id == practitioner_id and row.start_time <= moment < row.end_time
            for row in (self.supervised if supervised is None else supervised)
        )

    def qualified(self, who: Any, code: str, clinic: Any, day: date, *, start: datetime, end: datetime) -> bool:
        """Whether somebody may supervise a protocol, and is on shift the whole time."""
        if code not in who.protocol_codes or (who.credential_expire_date or day) < day:
            return False
        weekly = [
            (instant(day, row.start_time, clinic.time_zone), instant(day, row.end_time, clinic.time_zone))
            for row in self.rows["shift"]
            if (row.practitioner_id, row.clinic_id) == (who.practitioner_id, clinic.clinic_id)
            and row.weekday == day.isoweekday()
            and (row.effective_start_date or day) <= day <= (row.effective_end_date or day)
        ]
        own = [row for row in self.rows["shift_exception"] if row.practitioner_id == who.practitioner_id]
        first, last = (instant(one, time.min, clinic.time_zone) for one in (day, day + timedelta(days=1)))
        extra = [row for row in own if row.kind == "extra" and row.clinic_id == clinic.clinic_id]
        extra = overlapping(first, last, extra)
        absent = [row for row in own if row.kind == "absence" and row.clinic_id in (None, clinic.clinic_id)]
        leaves = who.leave_date and instant(who.leave_date + timedelta(days=1), time.min, clinic.time_zone)
        moments = {
            *boundaries(start, end, [*extra, *absent]),
            *(moment for shift in weekly for moment in shift if start <= moment < end),
        }
        return (leaves is None or end <= leaves) and all(
            (any(opens <= moment < closes for opens, closes in weekly) or covered(moment, extra))
            and not covered(moment, absent)
            for moment in moments
        )

    def hours(self, clinic: Any, day: date) -> list[tuple[datetime, datetime]]:
        """When a clinic is open on a date, closures not counted."""
        hours = [
            (instant(day, row.open_time, clinic.time_zone), instant(day, row.close_time, clinic.time_zone))
            for row in self.rows["opening_hours"]
            if row.clinic_id == clinic.clinic_id and row.weekday == day.isoweekday()
        ]
        return [(opens, closes) for opens, closes in hours if opens < closes]

    def _open_at_all(self, clinic: Any, day: date) -> bool:
        closures = self._closures(clinic, None)
        return any(
            not covered(moment, closures)
            for opens, closes in self.hours(clinic, day)
            for moment in boundaries(opens, closes, closures)
        )

    def _closures(self, clinic: Any, room_id: UUID | None) -> list[Any]:
        return [row for row in self.rows["closure"] if (row.clinic_id, row.room_id) == (clinic.clinic_id, room_id)]

    def _others(self, place: Place) -> list[Any]:
        return [row for row in self.live if row.session_id != place.moving and not self.expired(row)]


def boundaries(start: datetime, end: datetime, rows: Iterable[Any]) -> set[datetime]:
    """Every instant within a period at which something begins or ends, its start included."""
    moments = {moment for row in rows for moment in (row.start_time, row.end_time)}
    return {start, *(moment for moment in moments if start <= moment < end)}


def instants(day: date, at: time, zone: str) -> list[datetime]:
    """Every instant at which a zone's clock shows a time, found by trying every minute's offset around it."""
    wall = datetime.combine(day, at)
    near = [datetime.combine(day, at, tzinfo=UTC) + timedelta(hours=hours) for hours in range(-26, 27)]
    offsets = {moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in near}
    tried = {(wall - offset).replace(tzinfo=UTC) for offset in offsets if offset is not None}
    return sorted(one for one in tried if one.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wall)
