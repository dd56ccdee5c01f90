"""One supervisor for each cluster, and a postmaster.pid that is believed only once it is checked."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from services.runtime.embedded_postgres.errors import DataFolderInUseError, EmbeddedPostgresError

_FAST_SHUTDOWN_SECONDS = 60.0
_IMMEDIATE_SHUTDOWN_SECONDS = 10.0


def hold(lock: Path) -> IO[str]:
    """Take `lock` until the returned file is closed; the system lets go of it when the process ends, however it ends.

    Raises:
        DataFolderInUseError: another process holds it.
    """
    file = os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = file.read().strip() or "a process that is just starting"
        file.close()
        raise DataFolderInUseError(
            f"The database in {lock.parent} is already run by {holder}: stop that one, or name another data folder."
        ) from None
    file.truncate(0)
    file.write(f"process {os.getpid()} ({Path(sys.argv[0]).name})")
    file.flush()
    return file


def end_orphan(cluster: Path) -> None:
    """Stop a postmaster that outlived its supervisor, and make what is left of a dead one harmless.

    Call it holding the cluster's lock: then a live postmaster has no supervisor any more.

    Raises:
        EmbeddedPostgresError: the postmaster does not end.
    """
    pid_file = cluster / "postmaster.pid"
    try:
        lines = pid_file.read_text().splitlines(keepends=True)
        pid = int(lines[0])
    except FileNotFoundError:
        return
    except (ValueError, IndexError):  # cut off by a power loss; PostgreSQL would refuse to start
        pid_file.unlink()
        return
    if not _serves(pid, cluster):
        # The number may belong to some other process by now, which PostgreSQL would take for a live server. Its own
        # parent it disregards, and still looks for surviving children of the dead server, as it must.
        pid_file.write_text("".join([f"{os.getpid()}\n", *lines[1:]]))
        return
    for request, patience in (
        (signal.SIGINT, _FAST_SHUTDOWN_SECONDS),
        (signal.SIGQUIT, _IMMEDIATE_SHUTDOWN_SECONDS),
    ):
        os.kill(pid, request)
        if _comes_true(lambda: not _serves(pid, cluster), patience):
            return
    raise EmbeddedPostgresError(f"The database server left behind in {cluster} (process {pid}) does not end: end it.")


def _serves(pid: int, cluster: Path) -> bool:
    """Whether `pid` is a live postmaster of `cluster`: by its command line, which a zombie has not."""
    if sys.platform == "linux":
        try:
            return os.fsencode(cluster) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
    listed = subprocess.run(  # noqa: S603 - a number is the only argument
        ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, check=False
    )
    return os.fsencode(cluster) in listed.stdout


def _comes_true(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
