"""The first part of the day: enrol, review, find slots, book a weekly series over a clock change, confirm."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from kat.scheduler.v1 import course_pb2, roster_pb2, session_pb2
from services.cli.demo.account import Account, expecting_refusal
from services.cli.demo.cast import Cast
from services.cli.demo.stage import DemoError, Stage
from services.runtime.fields import date_message, time_message

SESSIONS = 4
CONSENT_DAYS = 170


def first_session_date(now: datetime, zone: ZoneInfo) -> date:
    """Return the date of a first weekly session so that the clocks change before the last: a Tuesday, a week before.

    Raises:
        DemoError: the zone's clocks do not change within the year.
    """
    day = now.astimezone(zone).date() + timedelta(days=21)
    for change in (day + timedelta(days=offset) for offset in range(400)):
        if _offset(change, zone) != _offset(change + timedelta(days=1), zone):
            tuesday = change - timedelta(days=(change.weekday() - 1) % 7)
            return tuesday - timedelta(days=7) if tuesday - timedelta(days=7) >= day else tuesday
    raise DemoError(f"the clocks of {zone.key} do not change within the year; the demo needs a clinic where they do")


def _offset(day: date, zone: ZoneInfo) -> timedelta | None:
    return datetime.combine(day, time(12), tzinfo=zone).utcoffset()


async def enroll(
    stage: Stage, account: Account, cast: Cast, patient: roster_pb2.Patient, label: str
) -> course_pb2.Course:
    """Enrol a patient and have a supervisor review the screening."""
    consent_end = stage.now().astimezone(account.zone).date() + timedelta(days=CONSENT_DAYS)
    request = course_pb2.EnrollPatientRequest(
        patient=patient.name,
        protocol=cast.protocol.name,
        screening=course_pb2.Screening(
            prior_treatment_trials=3,
            consent_reference="consent-form-17",
            consent_expire_date=date_message(consent_end),
        ),
    )
    course: course_pb2.Course = await stage.call(stage.courses.EnrollPatient, request, cast.front_desk)
    account.done(stage.now(), f"{label} enrolled for {cast.protocol.title}", name=course.name, label=f"{label}: course")
    review = course_pb2.ReviewScreeningRequest(
        name=course.name, etag=course.etag, decision=course_pb2.ReviewScreeningRequest.DECISION_ACCEPT
    )
    course = await stage.call(stage.courses.ReviewScreening, review, cast.supervisor)
    account.done(stage.now(), f"screening reviewed and accepted by {cast.supervisor.printed_name}")
    return course


async def book_series(
    stage: Stage, account: Account, cast: Cast, course: course_pb2.Course, first: date
) -> list[session_pb2.Session]:
    """Find slots for the first date, and book a weekly series in the best one."""
    found = await stage.call(
        stage.sessions.FindSlots,
        session_pb2.FindSlotsRequest(
            course=course.name,
            clinics=[cast.clinic.name],
            start_date=date_message(first - timedelta(days=2)),
            end_date=date_message(first),
            earliest_time=time_message(time(10)),
            page_size=200,
        ),
        cast.front_desk,
    )
    slots = [slot for slot in found.slots if slot.interval.local_start_time.startswith(first.isoformat())]
    if not slots:
        raise DemoError(f"no free slot on {first}")
    account.done(stage.now(), f"{len(found.slots)} free slots found; days without one:")
    for missing in found.dates_without_slot:
        codes = ", ".join(session_pb2.BlockerCode.Name(code).removeprefix("BLOCKER_CODE_") for code in missing.codes)
        account.detail(f"{missing.date.year}-{missing.date.month:02}-{missing.date.day:02}: {codes}")
    request = session_pb2.BookSeriesRequest(
        first=session_pb2.Booking(
            course=course.name,
            room=slots[0].room,
            arrival=local_time(slots[0].interval.local_start_time),
            supervisor=slots[0].supervisor,
        ),
        interval_weeks=1,
        count=SESSIONS,
    )
    series = await stage.call(stage.sessions.BookSeries, request, cast.front_desk)
    account.done(stage.now(), f"a weekly series of {SESSIONS} booked, at the same local time over the clock change:")
    for session in series.sessions:
        account.detail(f"{session.interval.local_start_time}  {session.name}")
    return list(series.sessions)


def local_time(local_start_time: str, *, days_later: int = 0) -> session_pb2.LocalTime:
    """Return the local time in an ISO text, some days later."""
    moment = datetime.fromisoformat(local_start_time)
    return session_pb2.LocalTime(
        date=date_message(moment.date() + timedelta(days=days_later)), time=time_message(moment.time())
    )


async def confirm(stage: Stage, account: Account, cast: Cast, session: session_pb2.Session) -> session_pb2.Session:
    """Confirm a session for the patient."""
    request = session_pb2.ConfirmSessionRequest(name=session.name, etag=session.etag)
    confirmed: session_pb2.Session = await stage.call(stage.sessions.ConfirmSession, request, cast.front_desk)
    account.done(stage.now(), "the patient confirmed", name=session.name, label="session")
    return confirmed


async def refuse_six_days(
    stage: Stage, account: Account, cast: Cast, course: course_pb2.Course, last: session_pb2.Session
) -> None:
    """Try to book six days after the last session."""
    booking = session_pb2.Booking(
        course=course.name, room=last.room, arrival=local_time(last.interval.local_start_time, days_later=6)
    )
    with expecting_refusal(account, stage.now(), "a session six days after the last", "CADENCE"):
        await stage.call(stage.sessions.BookSession, session_pb2.BookSessionRequest(booking=booking), cast.front_desk)


async def refuse_second_in_room(
    stage: Stage, account: Account, cast: Cast, course: course_pb2.Course, taken: session_pb2.Session
) -> None:
    """Try to book another patient into the room at the same time."""
    booking = session_pb2.Booking(
        course=course.name, room=taken.room, arrival=local_time(taken.interval.local_start_time)
    )
    with expecting_refusal(account, stage.now(), "a second session in the room", "ROOM_BUSY", taken.name):
        await stage.call(stage.sessions.BookSession, session_pb2.BookSessionRequest(booking=booking), cast.front_desk)
