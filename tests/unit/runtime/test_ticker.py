"""The ticker: jobs go on after errors, never run twice at once, and are waited for."""

import asyncio
import time

import pytest

from services.runtime import ticker as module
from services.runtime.metrics import Metrics
from services.runtime.ticker import Ticker


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def runs(metrics: Metrics, result: str) -> float:
    return metrics.registry.get_sample_value("kat_job_runs_total", {"job": "job", "result": result}) or 0


async def test_a_job_runs_at_once_and_goes_on_after_an_error_which_is_counted(metrics):
    third = asyncio.Event()
    count = 0

    async def job() -> None:
        nonlocal count
        count += 1
        if count == 3:
            third.set()
        if count == 1:
            raise ZeroDivisionError("boom")

    ticker = Ticker(metrics)
    ticker.every(0.01, "job", job)
    ticker.start()
    await asyncio.wait_for(third.wait(), 5)
    await ticker.stop(1)
    assert runs(metrics, "error") == 1
    assert runs(metrics, "ok") == count - 1


async def test_a_job_never_runs_twice_at_once(metrics):
    running = most = done = 0
    enough = asyncio.Event()

    async def job() -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.03)
        running -= 1
        done += 1
        if done == 3:
            enough.set()

    ticker = Ticker(metrics)
    ticker.every(0.005, "job", job)
    ticker.start()
    await asyncio.wait_for(enough.wait(), 5)
    await ticker.stop(1)
    assert most == 1


async def test_one_slow_job_does_not_hold_up_another(metrics):
    ticked = asyncio.Event()

    async def stuck() -> None:
        await asyncio.Event().wait()

    async def quick() -> None:
        ticked.set()

    ticker = Ticker(metrics)
    ticker.every(0.01, "stuck", stuck)
    ticker.every(0.01, "quick", quick)
    ticker.start()
    await asyncio.wait_for(ticked.wait(), 5)
    await ticker.stop(0)


async def test_stop_waits_for_the_run_under_way_and_starts_no_other(metrics):
    begun, go_on = asyncio.Event(), asyncio.Event()
    count = 0

    async def job() -> None:
        nonlocal count
        count += 1
        begun.set()
        await go_on.wait()

    ticker = Ticker(metrics)
    ticker.every(0.01, "job", job)
    ticker.start()
    await asyncio.wait_for(begun.wait(), 5)
    stopping = asyncio.create_task(ticker.stop(5))
    await asyncio.sleep(0.05)
    assert not stopping.done()
    go_on.set()
    await asyncio.wait_for(stopping, 1)
    assert (count, runs(metrics, "ok")) == (1, 1)


async def test_stop_ends_a_run_that_takes_longer_than_its_grace(metrics):
    begun, ended = asyncio.Event(), asyncio.Event()

    async def job() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    ticker = Ticker(metrics)
    ticker.every(1, "job", job)
    ticker.start()
    await asyncio.wait_for(begun.wait(), 5)
    await ticker.stop(0.01)
    await asyncio.wait_for(ended.wait(), 1)


async def test_a_job_that_does_not_come_to_an_end_is_a_standstill(metrics):
    begun = asyncio.Event()

    async def job() -> None:
        begun.set()
        await asyncio.Event().wait()

    ticker = Ticker(metrics)
    ticker.every(0.01, "job", job)
    ticker.start()
    await asyncio.wait_for(begun.wait(), 5)
    assert not ticker.stands_still()
    ticker._last_run["job"] = time.monotonic() - module.STANDSTILL_SECONDS - 1.01
    assert ticker.stands_still()
    await ticker.stop(0)


async def test_a_job_that_is_rarely_due_does_not_stand_still_between_its_runs(metrics):
    ticker = Ticker(metrics)
    ticker.every(600, "job", asyncio.Event().wait)
    ticker._last_run["job"] = time.monotonic() - 600 - module.STANDSTILL_SECONDS + 1
    assert not ticker.stands_still()
    ticker._last_run["job"] -= 2
    assert ticker.stands_still()


async def test_a_ticker_can_be_stopped_before_it_was_started(metrics):
    ticker = Ticker(metrics)
    ticker.every(1, "job", asyncio.Event().wait)
    await ticker.stop(0)
