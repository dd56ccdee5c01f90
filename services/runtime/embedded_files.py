"""Files of the embedded default: written whole or not at all, and secrets readable by their owner alone."""

import os
import tempfile
from pathlib import Path

_PRIVATE = 0o600
_PUBLIC = 0o644


def private_folder(folder: Path) -> Path:
    """Make `folder` and its parents where absent, itself with mode 0700; an existing folder stays as it is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` atomically and durably by a file of mode 0600."""
    _write(path, content, _PRIVATE)


def write_public(path: Path, content: bytes) -> None:
    """Replace `path` atomically and durably by a file of mode 0644."""
    _write(path, content, _PUBLIC)


def _write(path: Path, content: bytes, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
