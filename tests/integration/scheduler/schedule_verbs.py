"""What can be done to a world: each verb picks what it is about by a number, and does it at the desk."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from kat.events.v1 import events_pb2
from kat.scheduler.v1 import course_pb2, roster_pb2, session_pb2, waitlist_pb2
from services.runtime.errors import DomainError, InvalidArgumentError
from services.scheduler.use_cases.supervising import LATEST_REPORT
from tests.integration.scheduler.desk import booking, clock_time, day, local_time, timestamp
from tests.integration.scheduler.schedule_model import Period, Place
from tests.integration.scheduler.schedule_world import (
    ATTENDED,
    World,
    booked_as,
    id_of,
    name_of,
    offset_text,
    read,
)


class Verbs:
    """Does things to a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.desk = world.desk
        self.sessions = world.desk.sessions

    async def book(self, drawn: dict[str, Any]) -> None:
        place = self.world.place(drawn)
        await self.world.ask("book", place, self._book(place, session_pb2.BookSessionRequest, "BookSession"))

    async def book_beside(self, drawn: dict[str, Any], n: int, minutes: int, *, hold: bool = False) -> None:
        """Book, or hold, just before, at, or just after another session."""
        other = pick(self.world.sessions("booked", "held"), n)
        place = self.world.place(drawn)
        zone = ZoneInfo(self.world.clinic_of(place.room_id).time_zone)
        local = (other.start_time + timedelta(minutes=minutes)).astimezone(zone)
        place = replace(place, day=local.date(), at=local.time(), offset=local.utcoffset())
        rpc = "HoldSlot" if hold else "BookSession"
        await self.world.ask("book beside", place, self._book(place, getattr(session_pb2, f"{rpc}Request"), rpc))

    async def hold(self, drawn: dict[str, Any]) -> None:
        place = self.world.place(drawn)
        await self.world.ask("hold", place, self._book(place, session_pb2.HoldSlotRequest, "HoldSlot"))

    async def _book(self, place: Place, request: type, rpc: str) -> Any:
        wanted = booking(f"courses/{place.course_id}", f"rooms/{place.room_id}", **booked_as(place))
        return await self.desk.call(getattr(self.sessions, rpc), request(booking=wanted))

    async def book_held(self, n: int) -> None:
        held = pick(self.world.sessions("held"), n)
        expected = {"HOLD_EXPIRED"} if self.world.schedule.expired(held) else None
        place = replace(self.world.as_held(held), supervisor_id=None)  # whoever is free
        await self.world.ask("book held", place, self.desk.book_held(read(held)), expected)

    async def book_series(self, drawn: dict[str, Any], weeks: int, count: int) -> None:
        place = replace(self.world.place(drawn), offset=None)
        expected = {
            code for one in self.world.series(place, weeks, count) for code in self.world.schedule.blockers(one)
        }
        wanted = booking(f"courses/{place.course_id}", f"rooms/{place.room_id}", **booked_as(place))
        request = session_pb2.BookSeriesRequest(first=wanted, interval_weeks=weeks, count=count)
        call = self.desk.call(self.sessions.BookSeries, request)
        await self.world.ask("book series", place, call, expected)

    async def move(self, n: int, drawn: dict[str, Any]) -> None:
        session = pick(self.world.sessions("booked"), n)
        place = replace(self.world.place(drawn), course_id=session.course_id, moving=session.session_id)
        await self.world.ask("move", place, self._move("RescheduleSession", session, place))

    async def move_series(self, n: int, drawn: dict[str, Any]) -> None:
        session = pick(self.world.sessions("booked"), n)
        place = self.world.place(drawn)
        await self.world.do("move series", self._move("RescheduleSeries", session, place))

    async def _move(self, rpc: str, session: Any, place: Place) -> Any:
        to = booked_as(place)
        arrival = local_time(to["on"], to["at"], to["offset"])
        request = getattr(session_pb2, f"{rpc}Request")
        more = {"arrival": arrival, "room": f"rooms/{place.room_id}", "supervisor": to["supervisor"]}
        return await self.desk.change(getattr(self.sessions, rpc), request, read(session), **more)

    async def change(self, rpc: str, n: int, *states: str, **more: Any) -> None:
        await self._change(rpc, pick(self.world.sessions(*states), n), **more)

    async def _change(self, rpc: str, session: Any, **more: Any) -> Any:
        request = getattr(session_pb2, f"{rpc}Request")
        call = self.desk.change(getattr(self.sessions, rpc), request, read(session), **more)
        return await self.world.do(rpc, call)

    async def come(self, n: int, rpc: str, after: timedelta) -> None:
        """Check in, or miss, a session at its time, or later."""
        session = pick(self.world.sessions("booked", "no_show"), n)
        await self.world.pass_time(session.start_time + after)
        await self._change(rpc, session)

    async def withdraw(self, n: int) -> None:
        await self._change("MarkEnteredInError", pick(self.world.sessions(), n), reason="a mistake")

    async def extend(self, n: int, by: timedelta, *, accept: bool) -> None:
        session = pick(self.world.sessions(*ATTENDED), n)
        end = session.end_time + by
        foreseen = await self.world.do("foresee", self.desk.extend(read(session), end, validate_only=True))
        if isinstance(foreseen, DomainError):
            return
        proposed = [hit for hit in foreseen.hits if hit.HasField("proposal")]
        moves = [move_of(hit) for hit in proposed] if accept else []
        answer = await self.world.do("extend", self.desk.extend(read(session), end, moves=moves))
        enough = len(moves) == len(foreseen.hits)
        assert isinstance(answer, DomainError) is not enough, (foreseen, answer)

    async def hand_over(self, n: int, after: timedelta, to: int | None) -> None:
        session = pick(self.world.sessions(*ATTENDED), n)
        since = session.start_time + after
        supervisor_id = None if to is None else pick(self.world.supervisors, to)
        supervisor = "" if supervisor_id is None else f"practitioners/{supervisor_id}"
        call = self.desk.hand_over(read(session), hand_over_time=timestamp(since), supervisor=supervisor)
        present = [
            row.practitioner_id
            for row in self.world.schedule.supervised
            if row.session_id == session.session_id and row.start_time <= since < row.end_time
        ]
        now = self.world.clock.now()
        too_late = session.start_time < now and since < now - LATEST_REPORT
        if too_late or not present or present == [supervisor_id]:
            assert isinstance(await self.world.do("hand over", call), InvalidArgumentError)
            return
        clinic = self.world.schedule.clinics[session.clinic_id]
        rest = Period(clinic, session.local_date, since, session.end_time, session.release_time)
        place = replace(self.world.as_held(session), supervisor_id=supervisor_id)
        expected = set(self.world.schedule.of_supervision(place, rest, without=present[0]))
        await self.world.ask("hand over", place, call, expected)

    async def give_dose(self, n: int, late: timedelta) -> None:
        """A dose in a session that has begun, whatever became of the session."""
        session = pick([row for row in self.world.sessions() if row.start_time <= self.world.clock.now()], n)
        await self.world.do("dose", self.world.give_dose(session, session.start_time + late))

    async def tell_dose_again(self, n: int, later: timedelta) -> None:
        name, record, at = pick(self.world.doses, n)
        session = self.world.schedule.sessions[id_of(name)]
        await self.world.do("dose again", self.world.give_dose(session, at + later, record))

    async def discharge(self, n: int) -> None:
        session = pick(self.world.sessions("in_progress", "checked_in"), n)
        await self.world.do("discharge", self._discharge(session))

    async def _discharge(self, session: Any) -> None:
        verdict = await self.desk.discharge(SimpleNamespace(name=name_of(session)))
        assert verdict == events_pb2.Outcome.VERDICT_APPLIED

    async def treat_weekly(self, n: int, weeks: int) -> None:
        """Let the next sessions of a course take place, booking them where there are none."""
        course_id = pick(self.world.courses, n)
        for _ in range(weeks):
            own = [row for row in self.world.sessions("booked") if row.course_id == course_id]
            own = [row for row in own if row.start_time > self.world.clock.now()]
            if not own:
                at = time.fromisoformat(self.world.setting.hours[0][0])
                drawn = {"course": n % len(self.world.courses), "room": n % 2, "days": 7, "at": at}
                await self.book({**drawn, "supervisor": None, "second": None, "fits": True})
                continue
            await self.world.pass_time(own[0].start_time)
            arrived = await self._change("CheckInSession", own[0])
            if not isinstance(arrived, DomainError):
                await self.world.do("dose", self.world.give_dose(own[0], own[0].dose_time))
                await self.world.pass_time(own[0].end_time)
                await self.world.do("discharge", self._discharge(own[0]))

    async def change_roster(self, verb: str, drawn: dict[str, Any], n: int, hours: int) -> None:
        match verb:
            case "close room" | "close clinic":
                await self.close(drawn, hours, whole=verb == "close clinic")
            case "absence" | "extra":
                await self.except_for(drawn, hours, extra=verb == "extra")
            case "depart":
                await self.depart(n, 3 * hours)
            case "ratio":
                await self.change_ratio(n, 1 + hours % 4)
            case _:
                await self.open_again(n)

    async def change_course(self, n: int, verb: str, *, cancel: bool) -> None:
        course = self.world.schedule.courses[pick(self.world.courses, n)]
        more = {"Pause": {"reason": "away"}, "Complete": {"reason": "done", "cancel_sessions": cancel}}.get(verb, {})
        await self.world.do(verb, self._course(verb, course, **more))

    async def _course(self, verb: str, course: Any, **more: Any) -> Any:
        request = getattr(course_pb2, f"{verb}CourseRequest")
        name = f"courses/{course.course_id}"
        read = await self.desk.call(self.desk.courses.GetCourse, course_pb2.GetCourseRequest(name=name))
        named = {"name": name, "etag": read.etag}
        return await self.desk.call(getattr(self.desk.courses, f"{verb}Course"), request(**named, **more))

    async def review(self, n: int, sessions: int, *, stop: bool) -> None:
        """Review a course, and extend it by so many sessions where it goes on."""
        course_id = pick(self.world.courses, n)
        reviewed = course_pb2.CourseReview
        decision = reviewed.DECISION_STOP if stop else reviewed.DECISION_CONTINUE
        signed = {"signed_name": self.desk.caller.actor.printed_name, "reason": "as discussed", "decision": decision}
        review = self._course("Review", self.world.schedule.courses[course_id], **signed)
        answer = await self.world.do("Review", review)
        if not isinstance(answer, DomainError) and sessions:
            course = self.world.schedule.courses[course_id]
            extend = self._course("Extend", course, review=answer.review.name, sessions=sessions)
            await self.world.do("Extend", extend)

    async def close(self, drawn: dict[str, Any], hours: int, *, whole: bool) -> None:
        place = self.world.place(drawn)
        clinic = self.world.clinic_of(place.room_id)
        start, end = span(place, clinic.time_zone, hours)
        closure = roster_pb2.Closure(
            clinic=f"clinics/{clinic.clinic_id}",
            room="" if whole else f"rooms/{place.room_id}",
            start=start,
            end=end,
            reason="works",
        )
        request = roster_pb2.CreateClosureRequest(closure=closure)
        answer = await self.world.do("close", self.desk.call(self.desk.roster.CreateClosure, request))
        if not isinstance(answer, DomainError):
            told = {id_of(one.session) for one in answer.stranded_sessions}
            assert told == set(self._in_closure(id_of(answer.closure.name)))

    def _in_closure(self, closure_id: Any) -> Iterator[Any]:
        closure = next(row for row in self.world.schedule.rows["closure"] if row.closure_id == closure_id)
        for session in self.world.sessions("held", "booked"):
            until = session.end_time if closure.room_id is None else session.release_time
            here = session.clinic_id == closure.clinic_id and closure.room_id in (None, session.room_id)
            ahead = session.end_time > self.world.clock.now()
            if here and ahead and session.start_time < closure.end_time and closure.start_time < until:
                yield session.session_id

    async def open_again(self, n: int) -> None:
        """Delete a closure, an absence or an extra shift."""
        for kind, table in (("Closure", "closure"), ("ShiftException", "shift_exception")):
            if found := self.world.schedule.rows[table]:
                name = f"{kind[0].lower()}{kind[1:]}s/{pick(by_creation(found), n)[1]}"
                await self.world.do(f"delete {table}", self._delete(kind, name))

    async def _delete(self, kind: str, name: str) -> Any:
        roster = self.desk.roster
        known = await self.desk.call(getattr(roster, f"Get{kind}"), getattr(roster_pb2, f"Get{kind}Request")(name=name))
        request = getattr(roster_pb2, f"Delete{kind}Request")(name=name, etag=known.etag)
        return await self.desk.call(getattr(roster, f"Delete{kind}"), request)

    async def except_for(self, drawn: dict[str, Any], hours: int, *, extra: bool) -> None:
        place = self.world.place(drawn)
        clinic = self.world.clinic_of(place.room_id)
        start, end = span(place, clinic.time_zone, hours)
        kinds = roster_pb2.ShiftException
        exception = kinds(
            practitioner=f"practitioners/{place.supervisor_id or self.world.supervisors[0]}",
            clinic=f"clinics/{clinic.clinic_id}",
            kind=kinds.KIND_EXTRA if extra else kinds.KIND_ABSENCE,
            start=start,
            end=end,
        )
        request = roster_pb2.CreateShiftExceptionRequest(shift_exception=exception)
        await self.world.do("except", self.desk.call(self.desk.roster.CreateShiftException, request))

    async def call_away(self, n: int, hours: int) -> None:
        """Somebody is absent from within a session of theirs on, and hands it over a little later."""
        attended = [row for row in self.world.sessions(*ATTENDED) if row.end_time > self.world.clock.now()]
        session = pick(attended, n)
        zone = self.world.schedule.clinics[session.clinic_id].time_zone
        supervisor_id = self.world.as_held(session).supervisor_id
        from_then = session.start_time + timedelta(minutes=15 * (hours % 8))
        exception = roster_pb2.ShiftException(
            practitioner=f"practitioners/{supervisor_id}",
            clinic=f"clinics/{session.clinic_id}",
            kind=roster_pb2.ShiftException.KIND_ABSENCE,
            start=clock_of(from_then, zone),
            end=clock_of(from_then + timedelta(hours=hours), zone),
        )
        request = roster_pb2.CreateShiftExceptionRequest(shift_exception=exception)
        await self.world.do("called away", self.desk.call(self.desk.roster.CreateShiftException, request))
        call = self.desk.hand_over(read(session), hand_over_time=timestamp(from_then + timedelta(minutes=5)))
        await self.world.do("hand over when called away", call)

    async def crowd(self, drawn: dict[str, Any], n: int, further: int) -> None:
        """Let a session go, lower its supervisor's ratio to one, and ask for its time again, under them."""
        session = pick(self.world.sessions("booked", "held"), n)
        number = self.world.supervisors.index(self.world.as_held(session).supervisor_id)
        await self._change("CancelSession", session, reason="asked for")
        await self.change_ratio(number, 1)
        await self.book_beside({**drawn, "supervisor": number}, n + further, 0)

    async def depart(self, n: int, days: int) -> None:
        practitioner = await self.world.practitioner(n)
        last = self.world.clock.now().date() + timedelta(days=days)
        request = roster_pb2.DepartPractitionerRequest(
            name=practitioner.name, etag=practitioner.etag, last_date=day(last)
        )
        await self.world.do("depart", self.desk.call(self.desk.roster.DepartPractitioner, request))

    async def change_ratio(self, n: int, ratio: int) -> None:
        practitioner = await self.world.practitioner(n)
        practitioner.supervision_ratio = ratio
        request = roster_pb2.UpdatePractitionerRequest(practitioner=practitioner)
        await self.world.do("ratio", self.desk.call(self.desk.roster.UpdatePractitioner, request))

    async def join(self, drawn: dict[str, Any], last: int, notice: int) -> None:
        place = self.world.place(drawn)
        entry = waitlist_pb2.WaitlistEntry(
            course=f"courses/{place.course_id}",
            clinics=[f"clinics/{self.world.clinic_of(place.room_id).clinic_id}"],
            start_date=day(place.day),
            end_date=day(place.day + timedelta(days=last)),
            notice_minutes=notice,
        )
        request = waitlist_pb2.JoinWaitlistRequest(waitlist_entry=entry)
        answer = await self.world.do("join", self.desk.call(self.desk.waitlist.JoinWaitlist, request))
        if not isinstance(answer, DomainError):
            await self.world.settle()

    async def answer_offer(self, n: int, rpc: str) -> None:
        entry = pick(by_creation(self.world.schedule.rows["waitlist_entry"]), n)
        request = getattr(waitlist_pb2, f"{rpc}Request")
        named = request(name=f"waitlistEntries/{entry.waitlist_entry_id}", etag=f"v{entry.version}")
        await self.world.do(rpc, self.desk.call(getattr(self.desk.waitlist, rpc), named))


class NothingThereError(Exception):
    """There is nothing that a verb could be about."""


def pick(found: Any, n: int) -> Any:
    if not found:
        raise NothingThereError
    return found[n % len(found)]


def by_creation(rows: list[Any]) -> list[Any]:
    """In an order that is the same whenever the same was done; ids are made in the order of time."""
    return sorted(rows, key=lambda row: (row.create_time, row[1]))


def span(place: Place, zone: str, hours: int) -> tuple[roster_pb2.ClockTime, roster_pb2.ClockTime]:
    """From a place's time, so many hours, on the clinic's clock."""
    start = datetime.combine(place.day, place.at, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return clock_of(start, zone), clock_of(start + timedelta(hours=hours), zone)


def clock_of(at: datetime, zone: str) -> roster_pb2.ClockTime:
    local = at.astimezone(ZoneInfo(zone))
    return roster_pb2.ClockTime(
        date=day(local.date()), time=clock_time(f"{local:%H:%M}"), utc_offset=offset_text(local.utcoffset())
    )


def move_of(hit: session_pb2.DownstreamHit) -> session_pb2.DownstreamMove:
    """The proposal of a hit, accepted."""
    local = hit.proposal.interval.local_start_time
    return session_pb2.DownstreamMove(
        session=hit.session.name,
        etag=hit.session.etag,
        arrival=local_time(date.fromisoformat(local[:10]), local[11:16], local[19:]),
        room=hit.proposal.room,
        supervisor=hit.proposal.supervisor,
    )
