"""Courses in PostgreSQL."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.actor import Actor
from services.scheduler.domain.course import Contraindication, Course, CourseState, Screening
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.storage import tables
from services.scheduler.storage.statements import contested, listing, one
from services.scheduler.storage.tables import table_of

_COURSE = table_of(tables.Course)
_SESSION = table_of(tables.Session)
_DOSE = table_of(tables.Dose)
_PATIENT = table_of(tables.Patient)

_SELECT = select(
    _COURSE,
    select(func.count())
    .where(_SESSION.c.course_id == _COURSE.c.course_id, _SESSION.c.counted)
    .scalar_subquery()
    .label("session_count"),
    select(func.max(_DOSE.c.dose_date + _DOSE.c.interval_days))
    .where(_DOSE.c.patient_id == _COURSE.c.patient_id)
    .scalar_subquery()
    .label("next_eligible_date"),
)


class PostgresCourses:
    """`CourseRepository` on one connection of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        self._connection = connection
        self._organization_id = organization_id

    async def get(self, course_id: UUID) -> Course:
        """See the port."""
        statement = _SELECT.where(_COURSE.c.course_id == course_id)
        return _course(await one(self._connection, statement, "courses", course_id))

    async def lock(self, course_id: UUID) -> Course:
        """See the port."""
        patient = select(_COURSE.c.patient_id).where(_COURSE.c.course_id == course_id).scalar_subquery()
        locked = select(_PATIENT.c.patient_id).where(_PATIENT.c.patient_id == patient)
        await self._connection.execute(locked.with_for_update(key_share=True))
        return await self.get(course_id)

    async def page(self, page: Page, *, patient_id: UUID | None = None) -> Listing[Course]:
        """See the port."""
        statement = _SELECT if patient_id is None else _SELECT.where(_COURSE.c.patient_id == patient_id)
        return await listing(self._connection, statement, (_COURSE.c.course_id,), page, _course, descending=True)

    async def open_course(self, patient_id: UUID, protocol_code: str) -> UUID | None:
        """See the port."""
        statement = select(_COURSE.c.course_id).where(
            _COURSE.c.patient_id == patient_id,
            _COURSE.c.protocol_code == protocol_code,
            _COURSE.c.state.in_([CourseState.DRAFT, CourseState.ACTIVE]),
        )
        found: UUID | None = (await self._connection.execute(statement)).scalar_one_or_none()
        return found

    async def add(self, course: Course) -> None:
        """See the port."""
        screening = course.screening
        statement = insert(_COURSE).values(
            organization_id=self._organization_id,
            course_id=course.course_id,
            patient_id=course.patient_id,
            protocol_id=course.protocol_id,
            protocol_code=course.protocol_code,
            interval_days=course.interval_days,
            session_cap=course.session_cap,
            contraindications=list(screening.contraindications),
            prior_treatment_trials=screening.prior_treatment_trials,
            consent_reference=screening.consent_reference,
            consent_expire_date=screening.consent_expire_date,
            enroller=asdict(course.enroller),
            create_time=course.create_time,
            **_review(course),
        )
        await contested(self._connection, statement, frozenset({"course_open"}))

    async def save_review(self, course: Course) -> None:
        """See the port."""
        statement = update(_COURSE).where(_COURSE.c.course_id == course.course_id)
        await self._connection.execute(statement.values(**_review(course)))


def _review(course: Course) -> dict[str, object]:
    return {
        "state": course.state,
        "reviewer": asdict(course.reviewer) if course.reviewer else None,
        "review_reason": course.review_reason,
        "revision": course.revision,
    }


def _course(row: Row[Any]) -> Course:
    return Course(
        course_id=row.course_id,
        patient_id=row.patient_id,
        protocol_id=row.protocol_id,
        protocol_code=row.protocol_code,
        interval_days=row.interval_days,
        session_cap=row.session_cap,
        screening=Screening(
            contraindications=tuple(Contraindication(one) for one in row.contraindications),
            prior_treatment_trials=row.prior_treatment_trials,
            consent_reference=row.consent_reference,
            consent_expire_date=row.consent_expire_date,
        ),
        state=CourseState(row.state),
        session_count=row.session_count,
        next_eligible_date=row.next_eligible_date,
        enroller=_actor(row.enroller),
        reviewer=_actor(row.reviewer) if row.reviewer else None,
        review_reason=row.review_reason,
        revision=row.revision,
        create_time=row.create_time,
    )


def _actor(stored: dict[str, Any]) -> Actor:
    return Actor(**{**stored, "roles": tuple(stored["roles"])})
