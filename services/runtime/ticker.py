"""The clock in each replica: APScheduler runs jobs at intervals and keeps no state. Jobs are safe on all replicas."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from services.runtime.metrics import Metrics

Job = Callable[[], Awaitable[object]]

STANDSTILL_SECONDS = 60.0
_LOG = structlog.get_logger()


class Ticker:
    """Runs jobs at intervals: never twice at once in this process, never in a burst after a pause."""

    def __init__(self, metrics: Metrics) -> None:
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self._metrics = metrics
        self._last_run: dict[str, float] = {}
        self._every: dict[str, float] = {}
        self._running: set[asyncio.Future[object]] = set()

    def every(self, seconds: float, name: str, job: Job) -> None:
        """Run `job` every so many seconds, beginning at once; an error is counted and logged, and the job goes on."""

        async def run() -> None:
            work = asyncio.ensure_future(job())
            self._running.add(work)
            try:
                await asyncio.shield(work)
                self._metrics.jobs.labels(name, "ok").inc()
            except asyncio.CancelledError:  # the process ends
                self._metrics.jobs.labels(name, "cancelled").inc()
            except Exception:  # noqa: BLE001 - one failed run must not end the job
                self._metrics.jobs.labels(name, "error").inc()
                _LOG.warning("job_failed", job=name, exc_info=True)
            finally:
                self._running.discard(work)
                self._last_run[name] = time.monotonic()

        self._last_run[name] = time.monotonic()
        self._every[name] = seconds
        self._scheduler.add_job(run, IntervalTrigger(seconds=seconds, timezone=UTC), next_run_time=datetime.now(UTC))

    def start(self) -> None:
        """Begin; call it in the event loop."""
        self._scheduler.start()

    def stands_still(self) -> bool:
        """Say whether a job is so much overdue that this replica should take no work."""
        now = time.monotonic()
        return any(now - last > self._every[name] + STANDSTILL_SECONDS for name, last in self._last_run.items())

    async def stop(self, grace_seconds: float) -> None:
        """Start no further run, and wait for those under way; cancel those that take longer."""
        if not self._scheduler.running:
            return
        self._scheduler.pause()
        if self._running:
            _, late = await asyncio.wait(set(self._running), timeout=grace_seconds)
            for work in late:
                work.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._scheduler.shutdown(wait=False)
