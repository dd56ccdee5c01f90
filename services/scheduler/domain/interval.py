"""Half-open intervals of time."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """From `start` until just before `end`; aware datetimes in UTC."""

    start: datetime
    end: datetime

    def overlaps(self, other: "Interval") -> bool:
        """Say whether the two share an instant."""
        return self.start < other.end and other.start < self.end

    def contains(self, other: "Interval") -> bool:
        """Say whether the other lies within this one."""
        return self.start <= other.start and other.end <= self.end
