"""The files of a roster: from folders, zip archives and single paths."""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from services.cli.roster.faults import Fault, FaultLog

SIZE_LIMIT = 100 * 1024 * 1024
"""Bytes of one file, unpacked; a roster is far smaller, an archive made to fill the memory is not."""

_SUFFIXES = {".csv", ".json"}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file. `origin` is the folder or archive it came in; `label` names it in faults."""

    origin: Path
    name: str
    label: str
    data: bytes


def gather(paths: Sequence[Path], log: FaultLog) -> list[SourceFile]:
    """Every CSV and JSON file of the paths, each once, by path and name; other files are left alone."""
    found: dict[tuple[Path, str], SourceFile] = {}
    for path in paths:
        prefix = f"{path.name}/" if len(paths) > 1 else ""
        try:
            if path.is_dir():
                files = [_from_disk(member, f"{prefix}{member.name}", log) for member in sorted(path.iterdir())]
            elif path.suffix.lower() == ".zip":
                files = _from_zip(path, prefix, log)
            else:
                files = [_from_disk(path, path.name, log)]
        except (OSError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            log.add(Fault(path.name, "", f"cannot be read ({type(error).__name__}); check the path and the file"))
            continue
        taken = [file for file in files if file is not None]
        if not taken:
            log.add(Fault(path.name, "", "holds no .csv and no .json file"))
        found |= {(file.origin, file.name): file for file in taken}
    return list(found.values())


def _from_disk(path: Path, label: str, log: FaultLog) -> SourceFile | None:
    if path.suffix.lower() not in _SUFFIXES or path.is_dir() or path.name.startswith("."):
        return None
    if path.stat().st_size > SIZE_LIMIT:
        log.add(Fault(label, "", f"is larger than {SIZE_LIMIT} bytes"))
        return None
    return SourceFile(path.parent.resolve(), path.name, label, path.read_bytes())


def _from_zip(path: Path, prefix: str, log: FaultLog) -> list[SourceFile | None]:
    files: list[SourceFile | None] = []
    with zipfile.ZipFile(path) as archive:
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            member = PurePosixPath(info.filename)
            # macOS adds a shadow of each file, "__MACOSX/._name".
            if member.suffix.lower() not in _SUFFIXES or member.name.startswith("."):
                continue
            if info.file_size > SIZE_LIMIT:
                log.add(Fault(f"{prefix}{member.name}", "", f"is larger than {SIZE_LIMIT} bytes"))
                continue
            origin = path.resolve() / member.parent
            files.append(SourceFile(origin, member.name, f"{prefix}{member.name}", archive.read(info)))
    return files
