"""Child processes of `kat up`: started together, started again when they end, and ended with us."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from services.runtime.embedded_postgres import launch

_STOP_SECONDS = 20.0
_SHORTEST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 10.0
_HEALTHY_AFTER_SECONDS = 10.0
_LOG = structlog.get_logger()


class Child:
    """One process that is kept running.

    Args:
        name: what it is called, also its log file's name.
        arguments: of the Python interpreter.
        environment: added to ours.
        log: where its standard output and error go.
    """

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._arguments = tuple(arguments)
        self._environment = dict(environment)
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it and keep it running until `stop`. Call it in the main thread."""
        self._process = await self._spawn()
        self._keeper = asyncio.create_task(self._keep(self._process))

    async def _spawn(self) -> asyncio.subprocess.Process:
        # It ends with us, even when we are killed: the launcher asks the kernel for that.
        arguments = ["-I", "-S", launch.__file__, str(os.getpid()), "-1", "-1", sys.executable, *self._arguments]
        with self._log.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                env={**os.environ, **self._environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; we end the children in order
            )

    async def _keep(self, process: asyncio.subprocess.Process) -> None:
        wait = _SHORTEST_WAIT_SECONDS
        while True:
            started = asyncio.get_running_loop().time()
            code = await process.wait()
            lived = asyncio.get_running_loop().time() - started
            wait = _SHORTEST_WAIT_SECONDS if lived > _HEALTHY_AFTER_SECONDS else min(wait * 2, _LONGEST_WAIT_SECONDS)
            _LOG.warning("process_ended", job=self.name, code=code, seconds=round(lived, 1))
            await asyncio.sleep(wait)
            self._process = process = await self._spawn()

    async def stop(self) -> None:
        """End it by SIGTERM; by SIGKILL when it does not end in time."""
        if self._keeper is not None:
            self._keeper.cancel()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
