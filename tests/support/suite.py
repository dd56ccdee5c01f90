"""`kat up` as a real process, and its children, to be looked at and killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from services.cli.data_folder import DataFolder

START_SECONDS = 60.0


class SuiteProcess:
    """One `kat up`."""

    def __init__(self, data: DataFolder) -> None:
        self.data = data
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> float:
        """Start it; return how many seconds it took until every service served."""
        started = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "up", "--data", str(self.data.root), "--movable-clock"],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self._process.stdout is not None
        said = ""
        for line in self._process.stdout:
            said += line
            if line.startswith("Ready"):
                return time.monotonic() - started
        raise AssertionError(f"kat up ended with {self._process.wait()}:\n{said}\n{self.logs()[-4000:]}")

    def stop(self) -> int:
        """End it as Ctrl-C does; return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(timeout=60)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def kill(self) -> None:
        """Kill it without a word."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def pid_of(self, service: str) -> int | None:
        """Return the process id of a service that runs."""
        for process in self.processes():
            try:
                if f"services.{service}" in process.cmdline():
                    return process.pid
            except psutil.Error:
                continue
        return None

    def processes(self) -> list[psutil.Process]:
        """Return every process below it."""
        assert self._process is not None
        return psutil.Process(self._process.pid).children(recursive=True)

    def kill_service(self, service: str) -> int:
        """Kill a service with SIGKILL; `kat up` starts it again."""
        deadline = time.monotonic() + START_SECONDS
        while (pid := self.pid_of(service)) is None:
            assert time.monotonic() < deadline, f"{service} does not run"
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        return pid

    def logs(self) -> str:
        """Return what every process logged."""
        return "".join(file.read_text(encoding="utf-8") for file in sorted(self.data.logs.glob("*.log")))
