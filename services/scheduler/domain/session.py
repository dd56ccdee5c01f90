"""Sessions and the states that they go through."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from services.scheduler.domain.interval import Interval
from services.scheduler.domain.protocol import Phases


class SessionState(StrEnum):
    """held → booked → checked_in → in_progress → fulfilled; else cancelled, no_show or entered_in_error.

    FHIR R4 Appointment.status in the contract.
    """

    HELD = "held"
    BOOKED = "booked"
    CHECKED_IN = "checked_in"
    IN_PROGRESS = "in_progress"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"
    ENTERED_IN_ERROR = "entered_in_error"


LIVE = frozenset(
    {
        SessionState.HELD,
        SessionState.BOOKED,
        SessionState.CHECKED_IN,
        SessionState.IN_PROGRESS,
        SessionState.FULFILLED,
    }
)
"""States in which a session occupies its patient, room and supervisors."""

ATTENDED = frozenset({SessionState.BOOKED, SessionState.CHECKED_IN, SessionState.IN_PROGRESS})
"""States in which a patient is expected or there: supervision can be handed over, the end can move."""

HOLD_EXPIRED = "hold expired"
"""Why a session that was held for too long is cancelled."""

OPEN = frozenset({SessionState.HELD, SessionState.BOOKED})
"""States of a session that stands and has not begun."""
UNDER_WAY = frozenset({SessionState.CHECKED_IN, SessionState.IN_PROGRESS})
"""States in which the patient is there."""
TAKEN = frozenset({SessionState.IN_PROGRESS, SessionState.FULFILLED})
"""States of a session that took place, or does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    """Who supervises from when until when. `subject` is the `sub` of their token, where known."""

    practitioner_id: UUID
    interval: Interval
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """When a session's phases are, in UTC, and on which date on the clinic's clock."""

    local_date: date
    start_time: datetime
    dose_time: datetime
    end_time: datetime
    release_time: datetime

    @property
    def interval(self) -> Interval:
        """From arrival to discharge: the patient's and the supervisor's time."""
        return Interval(self.start_time, self.end_time)


def plan(arrival: datetime, phases: Phases, zone: ZoneInfo) -> Plan:
    """Lay out a session's phases from the patient's arrival."""
    dose_time = arrival + phases.preparation
    end_time = dose_time + phases.observation
    return Plan(
        local_date=arrival.astimezone(zone).date(),
        start_time=arrival,
        dose_time=dose_time,
        end_time=end_time,
        release_time=end_time + phases.turnover,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session of treatment.

    Attributes:
        time_zone: IANA zone of the clinic.
        ordinal: place in the course by date, from 1, among its live sessions.
        review_after: sessions of the course after which the next review is due, counted from its first.
        revision: rises with every move and with cancellation.
        version: rises with every change.
        too_early: a dose given before leaves less than the interval; the session has to be moved.
        hold_expire_time: until when a held session keeps its slot.
        counted: it takes one of its course's places; a no-show does where the protocol says so.
        update_time: when a caller or an event last changed it.
    """

    session_id: UUID
    patient_id: UUID
    course_id: UUID
    protocol_id: UUID
    clinic_id: UUID
    room_id: UUID
    time_zone: str
    plan: Plan
    supervisions: tuple[Supervision, ...]
    ordinal: int
    review_after: int
    state: SessionState
    revision: int
    version: int
    too_early: bool
    confirm_time: datetime | None
    check_in_time: datetime | None
    cancel_reason: str
    hold_expire_time: datetime | None
    counted: bool
    create_time: datetime
    update_time: datetime

    @property
    def etag(self) -> str:
        """Changes with every change of the session."""
        return f"v{self.version}"

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"sessions/{self.session_id}"

    def changed(self, now: datetime, **changes: Any) -> "Session":
        """Return the session as it is after a change at that instant."""
        return replace(self, version=self.version + 1, update_time=now, **changes)

    def hold_expired(self, now: datetime) -> bool:
        """Say whether it is held no longer."""
        return self.state is SessionState.HELD and self.hold_expire_time is not None and self.hold_expire_time <= now

    @property
    def tentative(self) -> bool:
        """Whether it stands past a review point whose review is not recorded."""
        return self.state is SessionState.BOOKED and self.ordinal > self.review_after

    @property
    def zone(self) -> ZoneInfo:
        """The clinic's zone."""
        return ZoneInfo(self.time_zone)
