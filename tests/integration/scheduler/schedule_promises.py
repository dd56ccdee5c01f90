"""What must hold after every step, whatever was done: each promise, checked on the tables before and after it."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import combinations
from typing import Any
from zoneinfo import ZoneInfo

from tests.integration.scheduler.schedule_model import LIVE, Schedule, boundaries
from tests.integration.scheduler.slot_model import overlapping

STANDING = {"held", "booked"}
ENDED = {"cancelled", "entered_in_error"}


def broken(before: Schedule, after: Schedule) -> list[str]:
    """Return every promise that does not hold any more."""
    checks = (_cadence, _doses, _rooms_and_patients, _supervised, _ratios, _courses, _states, _waiting)
    return [fault for check in checks for fault in check(before, after)] + [
        fault for session in _placed(before, after) for fault in _stands(before, after, session)
    ]


def _cadence(_before: Schedule, after: Schedule) -> Iterator[str]:
    for session in after.live:
        local = session.start_time.astimezone(ZoneInfo(after.clinics[session.clinic_id].time_zone)).date()
        if session.local_date != local:
            yield f"{session.session_id} is on {local}, not {session.local_date}"
        if session.interval_days < max(7, after.protocols[session.protocol_id].interval_days):
            yield f"{session.session_id} has an interval that is not its protocol's"
    for one, other in combinations(sorted(after.live, key=lambda row: row.local_date), 2):
        if one.patient_id == other.patient_id and other.local_date < one.local_date + timedelta(one.interval_days):
            yield f"{one.session_id} and {other.session_id} are too close"


def _doses(before: Schedule, after: Schedule) -> Iterator[str]:
    for session in after.live:
        anchored = any(
            dose.patient_id == session.patient_id
            and dose.session_id != session.session_id
            and dose.dose_date <= session.local_date < dose.dose_date + timedelta(dose.interval_days)
            for dose in after.rows["dose"]
        )
        if session.state in {"booked", "checked_in"} and session.too_early != anchored:
            yield f"{session.session_id} is {'' if session.too_early else 'not '}flagged as too early"
        earlier = before.sessions.get(session.session_id)
        if session.state == "checked_in" and anchored and (earlier is None or earlier.state != "checked_in"):
            yield f"{session.session_id} was checked in too early after a dose"
    known = {dose.administration_id for dose in after.rows["dose"]}
    yield from (f"{row} is lost" for row in before.rows["dose"] if row.administration_id not in known)


def _rooms_and_patients(_before: Schedule, after: Schedule) -> Iterator[str]:
    for one, other in combinations(after.live, 2):
        shared = one.start_time < other.release_time and other.start_time < one.release_time
        if one.room_id == other.room_id and shared:
            yield f"{one.session_id} and {other.session_id} are in one room"
        if one.patient_id == other.patient_id and overlapping(one.start_time, one.end_time, [other]):
            yield f"{one.session_id} and {other.session_id} are of one patient at one time"


def _supervised(_before: Schedule, after: Schedule) -> Iterator[str]:
    for session in after.live:
        own = [row for row in after.rows["supervision"] if row.session_id == session.session_id]
        for moment in boundaries(session.start_time, session.end_time, own):
            if (there := sum(row.start_time <= moment < row.end_time for row in own)) != 1:
                yield f"{there} clinicians supervise {session.session_id} at {moment}"
        if not all(session.start_time <= row.start_time < row.end_time <= session.end_time for row in own):
            yield f"{session.session_id} is supervised outside its time"


def _ratios(before: Schedule, after: Schedule) -> Iterator[str]:
    """A lowered ratio unbooks nobody, but nothing is added while somebody is over it."""
    for who in after.rows["practitioner"]:
        own = [row for row in after.supervised if row.practitioner_id == who.practitioner_id]
        for moment in {row.start_time for row in own}:
            at_once = after.at_once(who.practitioner_id, moment)
            if at_once > max(who.supervision_ratio, before.at_once(who.practitioner_id, moment)):
                yield f"{who.printed_name} supervises {at_once} sessions at {moment} of {who.supervision_ratio}"


def _courses(_before: Schedule, after: Schedule) -> Iterator[str]:
    for course in after.rows["course"]:
        own = [row for row in after.rows["session"] if row.course_id == course.course_id]
        counted = [row for row in own if row.state in LIVE or (row.state == "no_show" and row.no_show_counts)]
        most = after.limit(course, "course.sessions.maximum")
        if not len(counted) <= course.session_cap <= most:
            yield f"a course holds {len(counted)} sessions of {course.session_cap}, and of {most} at most"


def _states(before: Schedule, after: Schedule) -> Iterator[str]:
    for session_id, earlier in before.sessions.items():
        session = after.sessions[session_id]
        if earlier.state in ENDED and session.state not in {earlier.state, "entered_in_error"}:
            yield f"{session_id} was {earlier.state} and is {session.state}"
        if (session.state, session.start_time) != (earlier.state, earlier.start_time) and (
            session.version <= earlier.version
        ):
            yield f"{session_id} changed under the same etag"
        if earlier.state in {"in_progress", "fulfilled"} and session.start_time != earlier.start_time:
            yield f"{session_id} took place and was moved"


def _waiting(_before: Schedule, after: Schedule) -> Iterator[str]:
    offered = [row for row in after.rows["waitlist_entry"] if row.state == "offered"]
    for entry in offered:
        session = after.sessions[entry.offered_session_id]
        if session.course_id != entry.course_id:
            yield f"{entry.waitlist_entry_id} was offered the session of another course"
        if session.state == "held" and session.hold_expire_time != entry.offer_expire_time:
            yield f"{entry.waitlist_entry_id} is held until another time than it is offered"
    if len({row.offered_session_id for row in offered}) != len(offered):
        yield "one session was offered twice"


def settled(schedule: Schedule) -> list[str]:
    """Return what the jobs have left undone."""
    faults = [f"{row.session_id} is held still" for row in schedule.rows["session"] if schedule.expired(row)]
    faults.extend(
        f"{entry.waitlist_entry_id} is offered what is not held"
        for entry in schedule.rows["waitlist_entry"]
        if entry.state == "offered" and schedule.sessions[entry.offered_session_id].state != "held"
    )
    return faults


def _placed(before: Schedule, after: Schedule) -> Iterator[Any]:
    """The sessions that were put where they are in this step."""
    for session in after.live:
        earlier = before.sessions.get(session.session_id)
        place = (session.room_id, session.start_time)
        if earlier is None or earlier.state not in LIVE or (earlier.room_id, earlier.start_time) != place:
            yield session


def _stands(before: Schedule, after: Schedule, session: Any) -> Iterator[str]:
    """What a session that was put somewhere breaks there. One that took place is a fact."""
    course, clinic = after.courses[session.course_id], after.clinics[session.clinic_id]
    name = session.session_id
    if session.state in {*STANDING, "checked_in"} and course.state != "active":
        yield f"{name} was put into a course that is {course.state}"
    hours = after.hours(clinic, session.local_date)
    if not any(opens <= session.start_time and session.end_time <= closes for opens, closes in hours):
        yield f"{name} was put outside of opening hours"
    for closure in after.rows["closure"]:
        until = session.end_time if closure.room_id is None else session.release_time
        here = closure.clinic_id == session.clinic_id and closure.room_id in (None, session.room_id)
        if here and overlapping(session.start_time, until, [closure]):
            yield f"{name} was put into a closure"
    if session.state in STANDING and session.start_time <= before.now:
        yield f"{name} was put into the past"


def unqualified(before: Schedule, after: Schedule) -> list[str]:
    """Return who was given something to supervise in this step that they may not."""
    return [
        f"{after.practitioners[row.practitioner_id].printed_name} may not supervise {row.session_id}"
        for row in after.supervised
        if not _had(before, row) and not _may(after, row)
    ]


def _had(before: Schedule, row: Any) -> bool:
    return any(
        (one.session_id, one.practitioner_id) == (row.session_id, row.practitioner_id)
        and one.start_time <= row.start_time
        and row.end_time <= one.end_time
        for one in before.supervised
    )


def _may(after: Schedule, row: Any) -> bool:
    session, who = after.sessions[row.session_id], after.practitioners[row.practitioner_id]
    code = after.courses[session.course_id].protocol_code
    clinic = after.clinics[session.clinic_id]
    return after.qualified(who, code, clinic, session.local_date, start=row.start_time, end=row.end_time)


def past_review(before: Schedule, after: Schedule) -> list[str]:
    """Return who was checked in, in this step, into a session that waits for a review."""
    return [
        f"{session.session_id} is session {ordinal} and was checked in"
        for session in after.live
        if session.state == "checked_in"
        and getattr(before.sessions.get(session.session_id), "state", "") != "checked_in"
        for ordinal in [
            1 + sum(one.course_id == session.course_id and one.start_time < session.start_time for one in after.live)
        ]
        if ordinal >= after.hold_from(after.courses[session.course_id])
    ]
