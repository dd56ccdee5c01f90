"""What the jobs need: what is due in an organization."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol as Port
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Ids of what is due; each is looked at again, under its lock, before anything is done.

    Attributes:
        lapsed_holds: sessions that are held for too long.
        missed_sessions: sessions that began and to which nobody came.
    """

    lapsed_holds: Sequence[UUID] = ()
    missed_sessions: Sequence[UUID] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DueOffers:
    """Ids of what is due on the waiting list; each is looked at again, under its lock, before anything is done.

    Attributes:
        ended_offers: entries whose offer has expired, or whose offered session is not held any more.
        vacant_clinics: clinics at which a place became free while somebody waits, that of the soonest place first.
    """

    ended_offers: Sequence[UUID] = ()
    vacant_clinics: Sequence[UUID] = ()


class DueRepository(Port):
    """Looks for what is due."""

    async def find(self, now: datetime, *, started_before: datetime) -> Due:
        """Return what is due, at most so much of each kind that it is done soon; missed sessions began until then."""
        ...

    async def find_offers(self, now: datetime, *, clinics: int) -> DueOffers:
        """Return what is due on the waiting list, at most so much that it is done soon, and at most so many clinics."""
        ...
