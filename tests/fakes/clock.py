"""A clock that stands until it is moved."""

from datetime import datetime, timedelta


class ManualClock:
    """Shows what it was set to."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def set(self, now: datetime) -> None:
        self._now = now

    def advance(self, **by: float) -> None:
        self._now += timedelta(**by)
