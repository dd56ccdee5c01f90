"""The supervisor of the embedded PostgreSQL server."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from sqlalchemy import URL

from services.runtime.embedded_files import private_folder, write_private
from services.runtime.embedded_postgres import launch
from services.runtime.embedded_postgres.errors import EmbeddedPostgresError
from services.runtime.embedded_postgres.lock import end_orphan, hold
from services.runtime.embedded_postgres.placement import (
    Placement,
    chown_tree,
    initdb_user,
    place,
    prepare_socket_folder,
    remember,
    socket_folder,
)

_SUPERUSER = "postgres"
_START_SECONDS = 600.0  # crash recovery replays up to max_wal_size, longer than pg_ctl's ten seconds on a slow disk
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.005
_OLD_CHILDREN_SECONDS = 30.0
_OLD_CHILDREN_LEFT = "pre-existing shared memory block"

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The log tells about the server, never about a statement: those carry health data. `log` leaves out the errors of
    # statements, whose text may quote a value; `terse` leaves out the details and contexts of what remains.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
}
_INITDB_OPTIONS = (
    f"--username={_SUPERUSER}",
    "--auth=scram-sha-256",
    "--data-checksums",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)


class EmbeddedPostgres:
    """One PostgreSQL server for one data folder, on a Unix socket only; a context manager that starts and stops it.

    The cluster, the log (`postgres.log`) and the superuser's password (`secrets/`) are kept in the data folder; where
    root runs it and the server's user cannot enter that folder, `postgres.location` there names the cluster's place.

    Args:
        data_folder: where all of it is kept.
        shutdown_seconds: how long a shutdown may take before the server is ended as if by a crash, which loses nothing.
    """

    def __init__(self, data_folder: Path, *, shutdown_seconds: float = 10.0) -> None:
        self._data_folder = data_folder.resolve()
        self._shutdown_seconds = shutdown_seconds
        self._log = self._data_folder / "postgres.log"
        self._password_file = self._data_folder / "secrets" / "postgres_superuser"
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.socket_folder = socket_folder(self._data_folder)

    def start(self) -> None:
        """Start the server, after initdb the first time, and return once it answers.

        Recovery after a crash is waited for. On Linux the server ends with the thread that called this, so that must
        be the main thread.

        Raises:
            DataFolderInUseError: another process runs the server of this data folder.
            EmbeddedPostgresError: it cannot run; the message quotes the server's log.
        """
        if threading.current_thread() is not threading.main_thread():
            raise EmbeddedPostgresError("Start the database from the main thread: it ends with the thread.")
        self._data_folder.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        placement = place(self._data_folder)
        self._lock = hold(placement.cluster.with_name("postgres.lock"))
        try:
            end_orphan(placement.cluster)
            prepare_socket_folder(self.socket_folder, placement.uid, placement.gid)
            if not placement.cluster.exists():
                self._initialise(placement)
            remember(self._data_folder, placement)
            self._run(placement)
        except BaseException:
            self.stop()
            raise

    @property
    def runs(self) -> bool:
        """Whether the server's process runs; it may have been killed."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Shut the server down, ending its connections, and let go of the data folder; harmless when not started."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(self._shutdown_seconds)
            except subprocess.TimeoutExpired:
                # Asked to shut down while it recovers from a crash, PostgreSQL 18 never ends. This does so at once, and
                # the next start recovers.
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(_STOP_SECONDS)
            self._process = None
            shutil.rmtree(self.socket_folder, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def superuser_url(self, database: str = "postgres") -> str:
        """SQLAlchemy URL (asyncpg) of `database` as superuser, password included: for provisioning alone.

        Raises:
            EmbeddedPostgresError: the data folder was never started, or its password file is gone.
        """
        try:
            password = self._password_file.read_text()
        except FileNotFoundError:
            raise EmbeddedPostgresError(
                f"{self._password_file} is missing: start the database first, or bring the file back from a backup."
            ) from None
        return URL.create(
            "postgresql+asyncpg",
            username=_SUPERUSER,
            password=password,
            database=database,
            query={"host": str(self.socket_folder)},
        ).render_as_string(hide_password=False)

    def _initialise(self, placement: Placement) -> None:
        """Make the cluster in a folder beside its place and move it there: an interrupted initdb leaves none."""
        private_folder(self._password_file.parent)
        if not self._password_file.exists():
            write_private(self._password_file, secrets.token_urlsafe(32).encode())
        workshop = placement.cluster.with_name("postgres.unfinished")
        shutil.rmtree(workshop, ignore_errors=True)
        workshop.mkdir(mode=0o700)
        cluster, password = workshop / "cluster", workshop / "password"
        write_private(password, self._password_file.read_bytes())
        uid, gid = initdb_user(placement)
        chown_tree(workshop, uid, gid)
        command = ["initdb", f"--pgdata={cluster}", f"--pwfile={password}", *_INITDB_OPTIONS]
        self._process = self._launch(placement, command, uid, gid)
        if self._process.wait() != 0:
            raise EmbeddedPostgresError(f"The database cannot be made. {self._end_of_log()}")
        chown_tree(cluster, placement.uid, placement.gid)
        cluster.rename(placement.cluster)
        shutil.rmtree(workshop)

    def _run(self, placement: Placement) -> None:
        settings = _SETTINGS | {"unix_socket_directories": str(self.socket_folder)}
        command = ["postgres", "-D", str(placement.cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        began = time.monotonic()
        while not self._becomes_ready(command, placement):
            # After kill -9 of a postmaster its children need a moment to notice, and PostgreSQL waits for none.
            if _OLD_CHILDREN_LEFT not in self._end_of_log() or time.monotonic() > began + _OLD_CHILDREN_SECONDS:
                raise EmbeddedPostgresError(f"The database ended while it was starting. {self._end_of_log()}")

    def _becomes_ready(self, command: list[str], placement: Placement) -> bool:
        """Start the server; False when it ended instead of answering."""
        self._process = self._launch(placement, command, placement.uid, placement.gid)
        deadline = time.monotonic() + _START_SECONDS
        while self._process.poll() is None:
            if _answers(self.socket_folder):
                return True
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"The database is not ready after {_START_SECONDS} s. {self._end_of_log()}")
            time.sleep(_POLL_SECONDS)
        return False

    def _launch(self, placement: Placement, command: list[str], uid: int, gid: int) -> subprocess.Popen[bytes]:
        """Run a PostgreSQL program as `uid`, bound to this process's life and out of reach of the terminal's Ctrl-C."""
        switch = (uid, gid) if os.geteuid() == 0 else (-1, -1)
        prefix = [sys.executable, "-I", "-S", launch.__file__, *map(str, (os.getpid(), *switch))]
        with os.fdopen(os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as log:
            return subprocess.Popen(  # noqa: S603 - every part is ours
                [*prefix, str(placement.programs / command[0]), *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"},
                start_new_session=True,
            )

    def _end_of_log(self) -> str:
        return f"The end of {self._log}: " + " | ".join(self._log.read_text(errors="replace").splitlines()[-5:])


def _answers(folder: Path) -> bool:
    """Whether the server asks a client for its password: one that is starting or recovering sends an error instead."""
    parameters = f"user\0{_SUPERUSER}\0database\0{_SUPERUSER}\0\0".encode()
    protocol_3 = 3 << 16
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_STOP_SECONDS)
        connection.connect(str(folder / ".s.PGSQL.5432"))
        connection.sendall(struct.pack("!ii", 8 + len(parameters), protocol_3) + parameters)
        return connection.recv(1024).startswith(b"R")
    return False
