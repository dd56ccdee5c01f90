"""Two clinics under random verbs: each verb is done at the desk, then every promise is checked on the tables."""

from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from structlog.testing import capture_logs

from kat.events.v1 import events_pb2
from kat.scheduler.v1 import roster_pb2
from services.runtime.database import Database
from services.runtime.errors import AbortedError, DomainError
from services.runtime.identifiers import new_id
from services.scheduler.domain.policy import SchedulingPolicy
from services.scheduler.errors import BookingRefusedError
from services.scheduler.jobs import Upkeep
from tests.fakes.clock import ManualClock
from tests.integration.scheduler.desk import Desk, day
from tests.integration.scheduler.schedule_model import Place, Schedule, instants
from tests.integration.scheduler.schedule_promises import broken, past_review, settled, unqualified

PATIENTS, ROOMS, SUPERVISORS = 4, 2, 2
ATTENDED = {"booked", "checked_in", "in_progress"}
SHARE = """
    insert into shift select s.organization_id, gen_random_uuid(), s.practitioner_id, cast(:to as uuid), s.weekday,
        o.open_time, o.close_time, null, null
    from shift s join opening_hours o on o.clinic_id = cast(:to as uuid) and o.weekday = s.weekday
    where s.practitioner_id = :who
"""


@dataclass(frozen=True)
class Setting:
    """Where and when an example begins. In a narrow one everybody asks for the same few hours of two dates."""

    start: date
    zones: tuple[str, str]
    hours: tuple[tuple[str, str], tuple[str, str]]
    ratios: tuple[int, int]
    shared: bool
    narrow: bool


class OwnUpkeep(Upkeep):
    """The jobs of one organization alone: the others have clocks of their own."""

    organization_id: UUID

    async def _organizations(self) -> Sequence[UUID]:
        return [self.organization_id]


class World:
    """One organization, what its tables held after the last step, and how often each verb was done and refused."""

    def __init__(self, database: Database, setting: Setting, counts: Counter[str]) -> None:
        self.setting = setting
        self.clock = ManualClock(datetime.combine(setting.start, time(5), tzinfo=UTC))
        self.desk = Desk(database, self.clock)
        self.upkeep = OwnUpkeep(database, self.desk.unit, self.clock, SchedulingPolicy())
        self.upkeep.organization_id = self.desk.organization_id
        self.counts = counts
        self.rooms: list[UUID] = []
        self.supervisors: list[UUID] = []
        self.courses: list[UUID] = []
        self.doses: list[tuple[str, UUID, datetime]] = []
        self.reviews: list[tuple[UUID, str]] = []

    async def open(self) -> None:
        clinics, patients = [], []
        for number, zone in enumerate(self.setting.zones):
            opened = await self.desk.open_clinic(
                key=f"clinic-{number}",
                rooms=ROOMS,
                supervisors=SUPERVISORS,
                ratio=self.setting.ratios[number],
                patients=PATIENTS if number == 0 else 0,
                zone=zone,
                hours=self.setting.hours[number],
            )
            clinics.append(id_of(opened.clinics[0].name))
            self.rooms += [id_of(room.name) for room in opened.rooms]
            # In the order of their ids, by which ties are broken: an example can be repeated.
            self.supervisors += sorted(id_of(one.name) for one in opened.practitioners)
            patients += [patient.name for patient in opened.patients]
        if self.setting.shared:
            await self.desk.execute(SHARE, who=self.supervisors[0], to=clinics[1])
        for code, patient in [("iv_racemic", one) for one in patients] + [("im_racemic", patients[0])]:
            consent = day(self.setting.start + timedelta(days=150))
            course = await self.desk.review(await self.desk.enroll(patient, code=code, consent_expire_date=consent))
            self.courses.append(id_of(course.name))
        self.schedule = await Schedule.read(self.desk)

    async def do(self, verb: str, call: Awaitable[Any]) -> Any:
        """Do one thing, then look whether everything that is promised holds. Returns the answer or the refusal."""
        before = self.schedule
        with capture_logs() as logs:
            try:
                answer = await call
            except DomainError as error:
                answer = error
        self.counts[f"{verb}: {answer.reason if isinstance(answer, DomainError) else 'done'}"] += 1
        assert not [line for line in logs if line["event"] == "upkeep_put_off"], logs
        if isinstance(answer, DomainError):
            self._check_refusal(answer)
        self.schedule = after = await Schedule.read(self.desk)
        faults = broken(before, after) + unqualified(before, after) + past_review(before, after)
        assert not faults, (verb, faults)
        return answer

    async def ask(self, verb: str, place: Place, call: Awaitable[Any], expected: set[str] | None = None) -> Any:
        """Ask for a place: it is given where the model finds nothing in the way, and refused with all that it finds."""
        wanted = self.schedule.blockers(place) if expected is None else expected
        answer = await self.do(verb, call)
        if isinstance(answer, BookingRefusedError):
            assert {str(one.code) for one in answer.named} == wanted, (verb, place, wanted, answer)
        else:
            assert not isinstance(answer, DomainError), answer
            assert not wanted, (verb, place, wanted, answer)
        return answer

    async def keep_up(self) -> None:
        await self.upkeep.do_due()
        await self.upkeep.offer_vacancies()

    async def settle(self) -> None:
        await self.do("upkeep", self.keep_up())
        faults = settled(self.schedule)
        assert not faults, faults

    async def pass_time(self, to: datetime) -> None:
        """Let time go by, never back."""
        self.clock.set(max(self.clock.now(), to))
        self.schedule = await Schedule.read(self.desk)

    def _check_refusal(self, error: DomainError) -> None:
        """One at a time nobody loses a race, and whatever is refused says what is in the way."""
        assert not (isinstance(error, AbortedError) and error.reason != "STALE_ETAG"), error
        if error.reason.endswith("_REFUSED"):
            assert error.blockers, error  # type: ignore[attr-defined]

    def place(self, drawn: dict[str, Any]) -> Place:
        """Name a place by numbers. Where its time exists twice, `second` chooses one of the two, or None neither."""
        room_id = self.rooms[drawn["room"] % len(self.rooms)]
        clinic = self.clinic_of(room_id)
        on, at = self._when(clinic, drawn)
        twice = instants(on, at, clinic.time_zone)
        chosen = twice[int(drawn["second"])] if drawn["second"] is not None and len(twice) > 1 else None
        supervisor = drawn["supervisor"]
        return Place(
            course_id=self.courses[drawn["course"] % len(self.courses)],
            room_id=room_id,
            day=on,
            at=at,
            offset=chosen and chosen.astimezone(ZoneInfo(clinic.time_zone)).utcoffset(),
            supervisor_id=None if supervisor is None else self.supervisors[supervisor % len(self.supervisors)],
        )

    def _when(self, clinic: Any, drawn: dict[str, Any]) -> tuple[date, time]:
        """A date, and a time at which it most often is open for long enough."""
        days, at = drawn["days"], drawn["at"]
        on = self.today(clinic) + timedelta(days=days)
        if self.setting.narrow:
            on = self.setting.start + timedelta(days=2 + 7 * (days % 2))
        hours = [row for row in self.schedule.rows["opening_hours"] if row.clinic_id == clinic.clinic_id]
        if drawn["fits"] and hours:
            opens, closes = (60 * one.hour + one.minute for one in (hours[0].open_time, hours[0].close_time))
            quarters = 2 if self.setting.narrow else (closes - opens - 150) // 15 + 1
            minutes = opens + 15 * ((4 * at.hour + at.minute // 15) % quarters)
            at = time(minutes // 60, minutes % 60)
        return on, at

    def clinic_of(self, room_id: UUID) -> Any:
        room = next(row for row in self.schedule.rows["room"] if row.room_id == room_id)
        return self.schedule.clinics[room.clinic_id]

    def today(self, clinic: Any) -> date:
        return self.clock.now().astimezone(ZoneInfo(clinic.time_zone)).date()

    def sessions(self, *states: str) -> list[Any]:
        """The sessions in these states, or all, in an order that is the same whenever the same was done."""
        found = [row for row in self.schedule.rows["session"] if not states or row.state in states]
        return sorted(found, key=lambda row: (row.start_time, self.rooms.index(row.room_id), row.session_id))

    def as_held(self, session: Any) -> Place:
        """The place where a held session stands."""
        zone = ZoneInfo(self.schedule.clinics[session.clinic_id].time_zone)
        local = session.start_time.astimezone(zone)
        first = min(
            (row for row in self.schedule.rows["supervision"] if row.session_id == session.session_id),
            key=lambda row: row.start_time,
        )
        return Place(
            course_id=session.course_id,
            room_id=session.room_id,
            day=local.date(),
            at=local.time(),
            offset=local.utcoffset(),
            supervisor_id=first.practitioner_id,
            moving=session.session_id,
        )

    def series(self, place: Place, weeks: int, count: int) -> list[Place]:
        days = [place.day + timedelta(weeks=weeks * n) for n in range(count)]
        return [replace(place, day=one, offset=None, further=count) for one in days]

    async def practitioner(self, number: int) -> roster_pb2.Practitioner:
        name = f"practitioners/{self.supervisors[number % len(self.supervisors)]}"
        request = roster_pb2.GetPractitionerRequest(name=name)
        return await self.desk.call(self.desk.roster.GetPractitioner, request)

    async def give_dose(self, session: Any, at: datetime, record: UUID | None = None) -> None:
        name = name_of(session)
        record = record or new_id()
        verdict = await self.desk.give_dose(SimpleNamespace(name=name), at, record=record)
        assert verdict == events_pb2.Outcome.VERDICT_APPLIED
        self.doses.append((name, record, at))


def id_of(name: str) -> UUID:
    return UUID(name.partition("/")[2])


def name_of(session: Any) -> str:
    return f"sessions/{session.session_id}"


def read(session: Any) -> Any:
    """A session's row as the caller has read it."""
    return SimpleNamespace(name=name_of(session), etag=f"v{session.version}")


def offset_text(offset: timedelta | None) -> str:
    if offset is None:
        return ""
    minutes = abs(offset) // timedelta(minutes=1)
    return f"{'-' if offset < timedelta() else '+'}{minutes // 60:02}:{minutes % 60:02}"


def booked_as(place: Place) -> dict[str, Any]:
    """A place as `Desk` takes it."""
    supervisor = f"practitioners/{place.supervisor_id}" if place.supervisor_id else ""
    return {
        "on": place.day,
        "at": f"{place.at:%H:%M}",
        "offset": offset_text(place.offset),
        "supervisor": supervisor,
    }
