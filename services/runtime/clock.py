"""The clock that is passed in, so that tests and the demo can say what time it is.

Security (tokens, certificates) and leases never use it: they go by the machine's and the database's clock.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC)


class OffsetClock:
    """The machine's clock moved by the number of seconds that a file holds; the demo and the tests move it.

    All processes that read the same file agree on the time. A missing file means no offset.
    """

    def __init__(self, offset_file: Path) -> None:
        self._offset_file = offset_file
        self._offset = timedelta()
        self._read_at_mtime = -1

    def now(self) -> datetime:
        """Return the moved instant, aware, in UTC."""
        try:
            mtime = self._offset_file.stat().st_mtime_ns
        except FileNotFoundError:
            return datetime.now(UTC)
        if mtime != self._read_at_mtime:
            self._offset = timedelta(seconds=float(self._offset_file.read_text(encoding="ascii")))
            self._read_at_mtime = mtime
        return datetime.now(UTC) + self._offset


def move_offset_clock(offset_file: Path, to: datetime) -> None:
    """Make every `OffsetClock` on this file show `to` (aware) now."""
    offset = (to - datetime.now(UTC)).total_seconds()
    written = offset_file.with_suffix(".new")
    written.write_text(f"{offset:.6f}", encoding="ascii")
    written.replace(offset_file)  # readers see the old number or the new one, never half of it
