"""The whole day, in its order."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.cli.demo import afterwards, booking, cast, treatment
from services.cli.demo.account import Account
from services.cli.demo.stage import Stage

BOOKED_AHEAD_DAYS = 8  # a Monday, since the first session is on a Tuesday
# Rules that remind, and how long before the session's start each is due at the latest.
REMINDERS = {
    "7d_before": timedelta(days=7),
    "48h_before": timedelta(hours=48),
    "24h_before": timedelta(hours=24),
    "2h_before": timedelta(hours=2),
}


async def run_day(stage: Stage, account: Account | None = None) -> Account:
    """Run one clinic day and tell it, in the account that is given or a new one.

    Raises:
        DemoError, NotRefusedError, LedgerFaultError: the day did not go as it must.
        grpc.aio.AioRpcError: something was refused that should not have been.
    """
    account = account or Account(ZoneInfo("UTC"))
    account.chapter("The clinics")
    people = await cast.gather(stage, account)
    account.zone = zone = ZoneInfo(people.clinic.time_zone)
    patient, other_patient = await cast.new_patients(stage, people, 2)
    account.names["patient"] = patient.name

    account.chapter("Plan", f"Times are on the clinic's clock, {zone.key}; the demo moves it forward.")
    first = booking.first_session_date(stage.now(), zone)
    _move_to_local(stage, first - timedelta(days=BOOKED_AHEAD_DAYS), time(9, 30), zone)
    course = await booking.enroll(stage, account, people, patient, "patient")
    series = await booking.book_series(stage, account, people, course, first)
    session = await booking.confirm(stage, account, people, series[0])
    for booked in series:
        await afterwards.tell_message(stage, account, people, booked, "booked")
    await booking.refuse_six_days(stage, account, people, course, series[-1])
    other_course = await booking.enroll(stage, account, people, other_patient, "another patient")
    await booking.refuse_second_in_room(stage, account, people, other_course, session)

    account.chapter("Tell")
    start = session.interval.start_time.ToDatetime(tzinfo=UTC)
    for rule, before in REMINDERS.items():
        stage.move_to(max(stage.now(), start - before + timedelta(minutes=1)))
        await afterwards.tell_message(stage, account, people, session, rule, show=rule == "2h_before")

    account.chapter("Give")
    treated = await treatment.treat(stage, account, people, course, session)

    account.chapter("Afterwards")
    await afterwards.tell_message(stage, account, people, session, "after_visit", show=True)
    await afterwards.amend(stage, account, people, treated)
    await afterwards.check_audit_trail(stage, account, people, treated)
    await afterwards.tell_stock_and_access(stage, account, people, treated, patient)
    account.table("Names, to look things up by", ["what", "name"], [[key, name] for key, name in account.names.items()])
    return account


def _move_to_local(stage: Stage, day: date, at: time, zone: ZoneInfo) -> None:
    stage.move_to(datetime.combine(day, at, tzinfo=zone).astimezone(UTC))
