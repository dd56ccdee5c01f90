"""The waiting list: what suits a course that waits, and what is offered to it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.scheduler.domain.slots import Slot, Wishes

_WESTERNMOST = timedelta(hours=12)


class WaitlistState(StrEnum):
    """waiting ⇄ offered → booked; else left, or expired with its last date."""

    WAITING = "waiting"
    OFFERED = "offered"
    BOOKED = "booked"
    LEFT = "left"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a course waits for, and how long before its start a slot has to be offered."""

    course_id: UUID
    suits: Wishes
    notice: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitlistEntry:
    """A course that waits.

    Attributes:
        offered_session_id: the held session that is offered, or was accepted.
        offer_expire_time: until when the offer stands.
    """

    waitlist_entry_id: UUID
    patient_id: UUID
    wish: Wish
    state: WaitlistState
    offered_session_id: UUID | None
    offer_expire_time: datetime | None
    version: int
    create_time: datetime
    update_time: datetime

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"waitlistEntries/{self.waitlist_entry_id}"

    @property
    def etag(self) -> str:
        """Changes with every change of the entry."""
        return f"v{self.version}"

    def past(self, now: datetime) -> bool:
        """Say whether its last date is over, wherever on earth a clinic is."""
        return self.wish.suits.end_date < (now - _WESTERNMOST).date()

    def changed(self, now: datetime, **changes: Any) -> "WaitlistEntry":
        """Return the entry as it is after a change at that instant."""
        return replace(self, version=self.version + 1, update_time=now, **changes)

    def waiting(self, now: datetime) -> "WaitlistEntry":
        """Return the entry as it is once its offer ended."""
        return self.changed(now, state=WaitlistState.WAITING, offered_session_id=None, offer_expire_time=None)


@dataclass(frozen=True, slots=True)
class Round:
    """A look at all who wait at a clinic, the longest waiting first, that is not over.

    Attributes:
        vacancies: what had become free when it began.
        last_entry_id: the entry that was looked at last.
    """

    vacancies: frozenset[UUID]
    last_entry_id: UUID

    def goes_on(self, vacancies: frozenset[UUID]) -> bool:
        """Say whether it goes on after its last entry: what became free since belongs to who waits the longest."""
        return vacancies <= self.vacancies


@dataclass(frozen=True, slots=True)
class RefusedSlot:
    """A start at a clinic that was offered and not taken."""

    clinic_id: UUID
    start_time: datetime

    @classmethod
    def of(cls, slot: Slot) -> "RefusedSlot":
        """Return what a refusal of a slot is kept as."""
        return cls(slot.clinic_id, slot.interval.start)
