"""What breaks things: a seeded sequence of faults, said aloud as it goes."""

import asyncio
import os
import random
import signal
from contextlib import suppress
from datetime import timedelta

import psutil

from services.cli.data_folder import SERVICES
from tests.faults.world import World

_KILLED = (*SERVICES, "notifications.mail_sink")
_CONNECTIONS = "select pid from pg_stat_activity where application_name like 'kat_%' and pid <> pg_backend_pid()"


class Nemesis:
    """Breaks one thing after the other until it is cancelled, each as the seed says.

    Args:
        stops: for how many seconds a service is stopped by SIGSTOP, one of these.
        postmaster: whether PostgreSQL itself is killed too; the suite is then ended and started again.
    """

    def __init__(self, world: World, seed: int, *, stops: tuple[float, ...], postmaster: bool) -> None:
        self._world = world
        self._generator = random.Random(seed)  # noqa: S311 - repeatable by its seed
        self._stops = stops
        self._faults = [
            self._kill_service,
            self._stop_service,
            self._end_connections,
            self._kill_backend,
            self._move_clock,
            *([self._kill_postmaster] if postmaster else []),
        ]
        self.done: list[str] = []

    async def run(self, seconds: float) -> None:
        """Do every fault in a random order, again and again, and leave nothing stopped."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            for fault in self._generator.sample(self._faults, len(self._faults)):
                await asyncio.sleep(self._generator.uniform(0.2, 1.0))
                if asyncio.get_running_loop().time() > end:
                    return
                self.done.append(await fault())
                print(f"    {self.done[-1]}", flush=True)  # noqa: T201 - a run is repeated from what it says

    async def _kill_service(self) -> str:
        service = self._generator.choice(_KILLED)
        pid = await asyncio.to_thread(self._world.suite.kill_service, service)
        return f"killed {service}, pid {pid}"

    async def _stop_service(self) -> str:
        service, seconds = self._generator.choice(SERVICES), self._generator.choice(self._stops)
        pid = self._world.suite.pid_of(service)
        if pid is None:
            return f"{service} was not there to be stopped"
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(seconds)
            os.kill(pid, signal.SIGCONT)
        return f"stopped {service} for {seconds} s"

    async def _end_connections(self) -> str:
        found = [row["pid"] for row in await self._world.query("scheduler", _CONNECTIONS)]
        ended = self._generator.sample(found, min(len(found), 5))
        await self._world.query("scheduler", "select pg_terminate_backend(pid) from unnest($1::int[]) pid", ended)
        return f"ended {len(ended)} of {len(found)} connections"

    async def _kill_backend(self) -> str:
        found = [row["pid"] for row in await self._world.query("scheduler", _CONNECTIONS)]
        if found:
            with suppress(ProcessLookupError):
                os.kill(self._generator.choice(found), signal.SIGKILL)
        return "killed a backend: PostgreSQL ends all others and recovers from its log"

    async def _move_clock(self) -> str:
        days = self._generator.choice((1, 2))
        self._world.stage.move_to(self._world.stage.now() + timedelta(days=days))
        return f"moved the clock {days} days on"

    async def _kill_postmaster(self) -> str:
        for process in self._world.suite.processes():
            with suppress(psutil.Error):
                if "-D" in process.cmdline() and "postgres" in process.name():
                    process.kill()
        await asyncio.sleep(self._generator.uniform(0.2, 2))
        await asyncio.to_thread(self._world.suite.stop)
        await asyncio.to_thread(self._world.suite.start)
        await self._world.reopen()
        return "killed PostgreSQL, ended the suite and started it again"
