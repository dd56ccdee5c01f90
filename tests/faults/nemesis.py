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
        everything: whether `kat up` itself is killed too, and started again.
    """

    def __init__(self, world: World, seed: int, *, stops: tuple[float, ...], everything: bool) -> None:
        self._world = world
        self._generator = random.Random(seed)  # noqa: S311 - repeatable by its seed
        self._stops = stops
        self._faults = [
            self._kill_service,
            self._stop_service,
            self._end_connections,
            self._kill_backend,
            self._move_clock,
            self._kill_database,
            *([self._kill_everything] if everything else []),
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

    async def _kill_database(self) -> str:
        for process in self._world.suite.processes():
            with suppress(psutil.Error):
                if "-D" in process.cmdline() and "postgres" in process.name():
                    process.kill()
        return "killed PostgreSQL"

    async def _kill_everything(self) -> str:
        """`kat up` itself, with which all else ends."""
        left = self._world.suite.processes()
        await asyncio.to_thread(self._world.suite.kill)
        _, alive = await asyncio.to_thread(psutil.wait_procs, left, timeout=30)
        seconds = await asyncio.to_thread(self._world.suite.start)
        await self._world.reopen()
        return f"killed kat up, {len(alive)} processes outlived it, started it again in {seconds:.1f} s"
