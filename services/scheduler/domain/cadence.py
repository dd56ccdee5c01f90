"""The cadence floor: how many clinic-local dates lie between the sessions of one patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from services.scheduler.domain.interval import Interval

MINIMUM_INTERVAL_DAYS = 7
"""No protocol can set less (clinical reference 0.5: calendar days, not 168 hours)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """A date on which the patient has a live session, or was given a dose, and the days that it keeps free after it.

    `interval` is from arrival to discharge, for a session.
    """

    session_id: UUID
    day: date
    interval_days: int
    interval: Interval | None = None

    @property
    def next_date(self) -> date:
        """The first date that may follow."""
        return self.day + timedelta(days=self.interval_days)


def too_close(day: date, interval_days: int, commitments: Sequence[Commitment]) -> list[Commitment]:
    """Return the commitments that a session on `day`, keeping `interval_days` free after it, would be too close to."""
    free_again = day + timedelta(days=interval_days)
    return [held for held in commitments if day < held.next_date and held.day < free_again]


def earliest_date(day: date, interval_days: int, commitments: Sequence[Commitment]) -> date:
    """Return the first date, not before `day`, that is not too close to any commitment."""
    while conflicts := too_close(day, interval_days, commitments):
        day = max(held.next_date for held in conflicts)
    return day


def clashing(moved: Sequence[Commitment], others: Sequence[Commitment]) -> list[Commitment]:
    """Return those of `moved` that stand too close to another of them or to one of `others`."""
    return [
        one
        for number, one in enumerate(moved)
        if too_close(one.day, one.interval_days, (*moved[:number], *moved[number + 1 :], *others))
    ]
