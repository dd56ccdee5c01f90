"""Random verbs, one after the other, around clock changes: after each of them everything that is promised holds.

`KAT_HYPOTHESIS_EXAMPLES=500 pytest -s <this file>` runs longer, on other examples each time, and counts what it did.
A failure prints the steps that led to it, and a line that repeats them.
"""

import asyncio
import os
from collections import Counter
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from services.runtime.database import Database
from services.runtime.migrations import migrate
from tests.integration.scheduler.schedule_verbs import Verbs
from tests.integration.scheduler.schedule_world import ATTENDED, Setting, World
from tests.support.services import app_role_of

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.external_postgres

LONG = int(os.environ.get("KAT_HYPOTHESIS_EXAMPLES", "0"))
STEPS = 30
STARTS = (
    date(2026, 3, 2),  # New York changes its clocks on the 8th, Berlin on the 29th
    date(2026, 3, 24),
    date(2026, 9, 22),  # Chatham on the 27th, Lord Howe on 4 October
    date(2026, 10, 20),  # Berlin on the 25th, New York on 1 November
    date(2026, 12, 22),
    date(2028, 2, 21),
)
NORTH = ("America/New_York", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu")
SOUTH = ("Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Apia", "America/Santiago")
HOURS = (("00:00", "23:59"), ("00:00", "12:00"), ("08:00", "18:00"), ("16:00", "23:59"))
TIMES = [time(0, 15), time(1, 30), time(2), time(2, 15), time(2, 45), time(3), time(9), time(9), time(11, 15), time(16)]
TIMES += [time(11, 30), time(20), time(21, 29)]

ROSTER = ("close room", "close clinic", "absence", "extra", "open again", "open again", "depart", "ratio", "ratio")

ARRIVALS = ("ConfirmSession", "CheckInSession", "CheckInSession", "MarkNoShow")

numbers = st.integers(0, 11)
days = st.sampled_from([0, 1, 1, 2, 5, 6, 7, 7, 8, 12, 14, 15, 21])
places = st.fixed_dictionaries(
    {
        "course": numbers,
        "room": numbers,
        "days": days,
        "at": st.sampled_from(TIMES),
        "supervisor": st.none() | numbers,
        "second": st.none() | st.booleans(),
    }
)
settings_of_examples = st.builds(
    Setting,
    start=st.sampled_from(STARTS),
    zones=st.tuples(st.sampled_from(NORTH), st.sampled_from(SOUTH)),
    hours=st.tuples(st.sampled_from(HOURS), st.sampled_from(HOURS)),
    ratios=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    shared=st.booleans(),
)


def where(*states: str) -> Any:
    """Only where there is a session in one of these states."""
    return precondition(lambda machine: machine.world.sessions(*states))


class Machine(RuleBasedStateMachine):
    """Draws what is done; `Verbs` does it, and `World` checks after each."""

    def __init__(self, runner: asyncio.Runner, database: Database, counts: Counter[str]) -> None:
        super().__init__()
        self.run: Callable[..., Any] = runner.run
        self.database = database
        self.counts = counts

    @initialize(setting=settings_of_examples)
    def begin(self, setting: Setting) -> None:
        self.world = World(self.database, setting, self.counts)
        self.run(self.world.open())
        self.verbs = Verbs(self.world)

    @rule(place=places)
    def book(self, place) -> None:
        self.run(self.verbs.book(place))

    @rule(place=places)
    def book_another(self, place) -> None:
        self.run(self.verbs.book(place))

    @where("booked", "held")
    @rule(place=places, n=numbers, minutes=st.sampled_from([-165, -150, -60, 0, 0, 0, 60, 150, 165]))
    def book_beside(self, place, n, minutes) -> None:
        self.run(self.verbs.book_beside(place, n, minutes))

    @where("booked", "held")
    @rule(place=places, n=numbers, hold=st.booleans())
    def book_at_once(self, place, n, hold) -> None:
        self.run(self.verbs.book_beside(place, n, 0, hold=hold))

    @rule(place=places)
    def hold(self, place) -> None:
        self.run(self.verbs.hold(place))

    @where("held")
    @rule(n=numbers)
    def book_held(self, n) -> None:
        self.run(self.verbs.book_held(n))

    @rule(place=places, weeks=st.integers(1, 2), count=st.integers(1, 4))
    def book_series(self, place, weeks, count) -> None:
        self.run(self.verbs.book_series(place, weeks, count))

    @where("booked")
    @rule(n=numbers, place=places)
    def move(self, n, place) -> None:
        self.run(self.verbs.move(n, place))

    @where("booked")
    @rule(n=numbers, place=places)
    def move_series(self, n, place) -> None:
        self.run(self.verbs.move_series(n, place))

    @where("booked", "held")
    @rule(n=numbers, verb=st.sampled_from(["CancelSession", "CancelSession", "CancelSeries"]))
    def cancel(self, n, verb) -> None:
        self.run(self.verbs.change(verb, n, "booked", "held", reason="asked for"))

    @where("booked", "no_show")
    @rule(n=numbers, verb=st.sampled_from(ARRIVALS), minutes=st.integers(0, 99))
    def come(self, n, verb, minutes) -> None:
        self.run(self.verbs.come(n, verb, timedelta(minutes=minutes)))

    @rule(n=numbers)
    def withdraw(self, n) -> None:
        self.run(self.verbs.withdraw(n))

    @where(*ATTENDED)
    @rule(n=numbers, minutes=st.sampled_from([15, 60, 150, 400]), accept=st.booleans())
    def extend(self, n, minutes, accept) -> None:
        self.run(self.verbs.extend(n, timedelta(minutes=minutes), accept=accept))

    @where(*ATTENDED)
    @rule(n=numbers, minutes=st.integers(0, 160), to=st.none() | numbers)
    def hand_over(self, n, minutes, to) -> None:
        self.run(self.verbs.hand_over(n, timedelta(minutes=minutes), to))

    @rule(n=numbers, late=st.sampled_from([30, 30, 45, 24 * 60, 72 * 60]))
    def give_dose(self, n, late) -> None:
        self.run(self.verbs.give_dose(n, timedelta(minutes=late)))

    @rule(n=numbers, hours=st.sampled_from([-96, -24, 0, 24, 48]))
    def tell_dose_again(self, n, hours) -> None:
        self.run(self.verbs.tell_dose_again(n, timedelta(hours=hours)))

    @where("in_progress", "checked_in")
    @rule(n=numbers)
    def discharge(self, n) -> None:
        self.run(self.verbs.discharge(n))

    @rule(n=numbers, weeks=st.integers(1, 4))
    def treat_weekly(self, n, weeks) -> None:
        self.run(self.verbs.treat_weekly(n, weeks))

    @rule(n=numbers, verb=st.sampled_from(["Pause", "Resume", "Resume", "Complete"]), cancel=st.booleans())
    def change_course(self, n, verb, cancel) -> None:
        self.run(self.verbs.change_course(n, verb, cancel=cancel))

    @rule(n=numbers, stop=st.sampled_from([False, False, False, True]), sessions=st.integers(0, 7))
    def review(self, n, stop, sessions) -> None:
        self.run(self.verbs.review(n, sessions, stop=stop))

    @rule(verb=st.sampled_from(ROSTER), place=places, n=numbers, hours=st.integers(1, 30))
    def change_roster(self, verb, place, n, hours) -> None:
        self.run(self.verbs.change_roster(verb, place, n, hours))

    @rule(place=places, last=st.integers(0, 20), notice=st.sampled_from([0, 120]))
    def join(self, place, last, notice) -> None:
        self.run(self.verbs.join(place, last, notice))

    @precondition(lambda machine: machine.world.schedule.rows["waitlist_entry"])
    @rule(n=numbers, verb=st.sampled_from(["AcceptOffer", "AcceptOffer", "DeclineOffer", "LeaveWaitlist"]))
    def answer_offer(self, n, verb) -> None:
        self.run(self.verbs.answer_offer(n, verb))

    @rule(minutes=st.sampled_from([1, 10, 59, 4 * 60, 24 * 60, 7 * 24 * 60]))
    def wait(self, minutes) -> None:
        self.run(self.world.pass_time(self.world.clock.now() + timedelta(minutes=minutes)))

    @rule(sweep=st.booleans())
    def jobs(self, sweep) -> None:
        if sweep:
            self.run(self.world.do("sweep", self.world.upkeep.sweep_waitlist()))
        self.run(self.world.settle())

    def teardown(self) -> None:
        if hasattr(self, "verbs"):
            self.run(self.world.settle())


def test_every_promise_holds_after_every_step(service_database) -> None:
    urls = service_database("scheduler")
    counts: Counter[str] = Counter()
    with asyncio.Runner() as runner:
        runner.run(migrate("scheduler", urls.owner_url, app_role_of(urls)))
        database = Database(urls.app_url)
        try:
            run_state_machine_as_test(partial(Machine, runner, database, counts), settings=profile())
        finally:
            runner.run(database.close())
    if LONG:
        print(f"{datetime.now().astimezone():%H:%M} {sum(counts.values())} steps", *sorted(counts.items()), sep="\n")  # noqa: T201 - the long profile's report
    assert counts["book: done"]
    assert counts["book: BOOKING_REFUSED"]


def profile() -> settings:
    return settings(
        max_examples=LONG or 12,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=not LONG,
        print_blob=True,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes seconds: too long to shrink
        suppress_health_check=list(HealthCheck),
    )
