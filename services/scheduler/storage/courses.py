"""Courses in PostgreSQL."""

from collections.abc import Collection
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Numeric, Select, bindparam, func, select, type_coerce, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.domain.course import NOT_ENDED, RUNNING, Course
from services.scheduler.domain.protocol import LimitCode
from services.scheduler.domain.session import TAKEN
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.storage import tables
from services.scheduler.storage.course_rows import course
from services.scheduler.storage.statements import contested, listing, one, patient_lock
from services.scheduler.storage.tables import table_of

_COURSE = table_of(tables.Course)
_PROTOCOL = table_of(tables.Protocol)
_SESSION = table_of(tables.Session)
_DOSE = table_of(tables.Dose)
_ASSESSMENT = table_of(tables.Assessment)
_ORGANIZATION = table_of(tables.Organization)
_PATIENT = table_of(tables.Patient)


def whole_limit(code: LimitCode) -> Any:
    """Return the expression for a whole number among a protocol's limits."""
    return _PROTOCOL.c.limits[code.value]["value"].astext.cast(Numeric).cast(Integer)


_TAKEN_COUNT = (
    select(func.count())
    .where(
        _SESSION.c.course_id == _COURSE.c.course_id,
        _SESSION.c.live,
        _SESSION.c.counted,  # as every live one is: the index on places has them
        _SESSION.c.state.in_(TAKEN),
    )
    .scalar_subquery()
)
_OBSERVATIONS = (
    select(
        func.jsonb_agg(
            func.jsonb_build_array(_ASSESSMENT.c.instrument, _ASSESSMENT.c.total, _ASSESSMENT.c.observe_time)
        )
    )
    .where(_ASSESSMENT.c.course_id == _COURSE.c.course_id)
    .scalar_subquery()
)
_SELECT = (
    select(
        _COURSE,
        _PATIENT.c.birth_date,
        whole_limit(LimitCode.AGE_MINIMUM).label("minimum_age"),
        select(func.count())
        .where(_SESSION.c.course_id == _COURSE.c.course_id, _SESSION.c.counted)
        .scalar_subquery()
        .label("session_count"),
        _TAKEN_COUNT.label("taken_count"),
        type_coerce(_OBSERVATIONS, JSONB).label("observations"),
        whole_limit(LimitCode.REVIEW_AFTER).label("review_after"),
        whole_limit(LimitCode.HOLD_BEFORE).label("hold_before"),
        select(func.max(_DOSE.c.dose_date + _DOSE.c.interval_days))
        .where(_DOSE.c.patient_id == _COURSE.c.patient_id)
        .scalar_subquery()
        .label("next_eligible_date"),
    )
    .join_from(_COURSE, _PROTOCOL, _COURSE.c.protocol_id == _PROTOCOL.c.protocol_id)
    .join(_PATIENT, _COURSE.c.patient_id == _PATIENT.c.patient_id)
)


_THIS = _SELECT.where(_COURSE.c.course_id == bindparam("this_course_id"))
_PATIENT_OF_THIS = (
    select(_COURSE.c.patient_id).where(_COURSE.c.course_id == bindparam("this_course_id")).scalar_subquery()
)
_LOCK = patient_lock(_PATIENT_OF_THIS)


class PostgresCourses:
    """`CourseRepository` on one connection of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        self._connection = connection
        self._organization_id = organization_id

    async def get(self, course_id: UUID) -> Course:
        """See the port."""
        return course(await one(self._connection, _THIS, "courses", course_id, {"this_course_id": course_id}))

    async def lock(self, course_id: UUID) -> Course:
        """See the port."""
        await self._connection.execute(_LOCK, {"this_course_id": course_id})
        return await self.get(course_id)

    async def page(self, page: Page, *, patient_id: UUID | None = None) -> Listing[Course]:
        """See the port."""
        statement = _SELECT if patient_id is None else _SELECT.where(_COURSE.c.patient_id == patient_id)
        return await listing(self._connection, statement, (_COURSE.c.course_id,), page, course, descending=True)

    async def running(self, patient_ids: Collection[UUID]) -> list[Course]:
        """See the port."""
        statement = _SELECT.where(_COURSE.c.patient_id.in_(patient_ids), _COURSE.c.state.in_(RUNNING))
        return [course(row) for row in await self._connection.execute(statement.order_by(_COURSE.c.course_id))]

    async def open_course(self, patient_id: UUID, protocol_code: str) -> UUID | None:
        """See the port."""
        statement = select(_COURSE.c.course_id).where(
            _COURSE.c.patient_id == patient_id,
            _COURSE.c.protocol_code == protocol_code,
            _COURSE.c.state.in_(NOT_ENDED),
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
            protocol_code=course.protocol_code,
            contraindications=list(screening.contraindications),
            prior_treatment_trials=screening.prior_treatment_trials,
            screening_checks=list(screening.checks),
            induction_documented=screening.induction_documented,
            enroller=asdict(course.enroller),
            create_time=course.create_time,
            **_present(course),
        )
        await contested(self._connection, statement, frozenset({"course_open"}))

    async def save(self, course: Course) -> None:
        """See the port."""
        statement = update(_COURSE).where(_COURSE.c.course_id == course.course_id)
        await self._connection.execute(statement.values(**_present(course)))

    async def clinic_of_last_session(self, course_id: UUID) -> UUID:
        """See the port."""
        statement = (
            select(_SESSION.c.clinic_id)
            .where(_SESSION.c.course_id == course_id, _SESSION.c.live, _SESSION.c.state.in_(TAKEN))
            .order_by(_SESSION.c.start_time.desc())
            .limit(1)
        )
        found: UUID = (await self._connection.execute(statement)).scalar_one()
        return found

    async def reviews_to_tell(self) -> list[UUID]:
        """See the port."""
        statement = (
            select(_COURSE.c.course_id)
            .join_from(_COURSE, _PROTOCOL, _COURSE.c.protocol_id == _PROTOCOL.c.protocol_id)
            .where(
                ~_COURSE.c.review_told,
                _COURSE.c.state.in_(RUNNING),
                _COURSE.c.review_base + whole_limit(LimitCode.REVIEW_AFTER) <= _TAKEN_COUNT,
            )
            .order_by(_COURSE.c.course_id)
        )
        return list((await self._connection.execute(statement)).scalars().all())


async def organizations(connection: AsyncConnection) -> list[UUID]:
    """Return every organization, in a transaction of a worker."""
    statement: Select[Any] = select(_ORGANIZATION.c.organization_id).order_by(_ORGANIZATION.c.organization_id)
    return list((await connection.execute(statement)).scalars().all())


def _present(course: Course) -> dict[str, object]:
    """What changes about a course."""
    return {
        "protocol_id": course.protocol_id,
        "interval_days": course.interval_days,
        "session_cap": course.session_cap,
        "session_maximum": course.session_maximum,
        "state": course.state,
        "hold_reason": course.hold_reason,
        "consent_reference": course.screening.consent.reference,
        "consent_expire_date": course.screening.consent.expire_date,
        "reviewer": asdict(course.reviewer) if course.reviewer else None,
        "review_reason": course.review_reason,
        "review_base": course.review_base,
        "review_told": course.review_told,
        "revision": course.revision,
    }
