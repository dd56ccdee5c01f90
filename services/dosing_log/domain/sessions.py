"""What this service knows of sessions and courses: a projection of the scheduler's events, and no more."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.dosing_log.domain.protocols import Protocol
from services.dosing_log.domain.values import local_date


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session as the scheduler last told it. `ordinal` is its place in the course, from 1."""

    session_id: UUID
    patient_id: UUID
    course_id: UUID
    protocol_id: UUID
    clinic_id: UUID
    revision: int
    ordinal: int
    start_time: datetime
    end_time: datetime
    time_zone: str
    supervisor_subjects: tuple[str, ...]
    cancelled: bool = False

    def local_date(self, instant: datetime) -> date:
        """Return the date at the session's clinic at an instant."""
        return local_date(instant, self.time_zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A course as the scheduler last told it.

    Attributes:
        adult_date: the date on which the patient turns 18.
        consent_expire_date: the last date on which the consent is valid.
        contraindications: those that a second person accepted, named as the contract names them.
    """

    course_id: UUID
    patient_id: UUID
    protocol_id: UUID
    adult_date: date
    consent_expire_date: date
    contraindications: tuple[str, ...]

    def age_on(self, day: date) -> int:
        """Return the patient's age in whole years."""
        birthday_to_come = (day.month, day.day) < (self.adult_date.month, self.adult_date.day)
        return 18 + day.year - self.adult_date.year - birthday_to_come


@dataclass(frozen=True, slots=True)
class Planned:
    """A session with its course and protocol, as far as they have arrived."""

    session: Session
    course: Course | None
    protocol: Protocol | None
