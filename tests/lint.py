"""`python -m tests.lint`: every check of the source, all failures in one run."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.docs import stale
from tests.support.contracts import PROTOS, ROOT, drift

BIN = Path(sys.executable).parent
LONGEST_FILE = 400
_LEFTOVER = re.compile(
    r"\b(TODO|FIXME|XXX|NotImplementedError|importorskip|xfail|skipif)\b|\b(pytest|mark|unittest)\.skip\b"
)
_FLOAT = re.compile(r"^\s*(repeated |optional )?(float|double)\b")


def _tool(*command: str) -> Callable[[], list[str]]:
    def run() -> list[str]:
        done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
        return [] if done.returncode == 0 else [(done.stdout + done.stderr).strip()]

    return run


def _sources(*suffixes: str) -> Iterator[Path]:
    """Files that people write."""
    for folder in ("services", "protos", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and "_pb2" not in path.name and "__pycache__" not in path.parts:
                yield path


def _matches(pattern: re.Pattern[str], *suffixes: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in _sources(*suffixes)
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def _too_long() -> list[str]:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in _sources(".py")}
    return [
        f"{path.relative_to(ROOT)}: {length} lines, {LONGEST_FILE} at most"
        for path, length in lengths.items()
        if length > LONGEST_FILE and path.parent.name != "versions"
    ]


def _drift() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        return [f"{PROTOS.name}/{name} is not what `make protos` makes" for name in drift(Path(folder))]


def _stale_pages() -> list[str]:
    return [f"{path.relative_to(ROOT)} is not what `make docs` makes" for path in stale()]


CHECKS: dict[str, Callable[[], list[str]]] = {
    "style": _tool("ruff", "check", "."),
    "format": _tool("ruff", "format", "--check", "."),
    "types": _tool("mypy"),
    "import rules": _tool("lint-imports", "--no-cache"),
    "generated code": _drift,
    "tables in docs": _stale_pages,
    "leftovers": lambda: _matches(_LEFTOVER, ".py", ".proto"),
    "file length": _too_long,
    "floats in contracts": lambda: _matches(_FLOAT, ".proto"),
}


def main() -> int:
    """Run every check; print what each found."""
    failed = []
    for name, check in CHECKS.items():
        found = check()
        sys.stdout.write(f"{'FAILED' if found else 'ok':7}{name}\n" + "".join(f"{line}\n" for line in found))
        sys.stdout.flush()
        if found:
            failed.append(name)
    sys.stdout.write(f"Mend: {', '.join(failed)}.\n" if failed else "All checks passed.\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
