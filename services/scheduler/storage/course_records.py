"""What is recorded of courses: signed reviews, changes, and the scores that the dose log reports."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.domain.course_change import CourseChange, Renewal
from services.scheduler.domain.review import Assessment, CourseReview
from services.scheduler.domain.session import Session
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.storage import tables
from services.scheduler.storage.course_rows import change, review, score_values
from services.scheduler.storage.statements import contested, listing, one
from services.scheduler.storage.tables import table_of

_REVIEW = table_of(tables.CourseReview)
_CHANGE = table_of(tables.CourseChange)
_ASSESSMENT = table_of(tables.Assessment)


class PostgresCourseRecords:
    """`CourseRecords` on one connection of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        self._connection = connection
        self._organization_id = organization_id

    async def add_review(self, review: CourseReview) -> None:
        """See the port."""
        statement = insert(_REVIEW).values(
            organization_id=self._organization_id,
            review_id=review.review_id,
            course_id=review.course_id,
            number=_next_number(_REVIEW, review.course_id),
            decision=review.decision,
            reason=review.reason,
            reviewer=asdict(review.reviewer),
            meaning="reviewed",
            sign_time=review.sign_time,
            auth_time=review.auth_time,
            session_count=review.session_count,
            scores=[score_values(score) for score in review.scores],
        )
        await contested(self._connection, statement, frozenset({"course_review_number"}))

    async def review(self, review_id: UUID) -> CourseReview:
        """See the port."""
        statement = select(_REVIEW).where(_REVIEW.c.review_id == review_id)
        return review(await one(self._connection, statement, "courseReviews", review_id))

    async def newest_review(self, course_id: UUID) -> CourseReview | None:
        """See the port."""
        found = await self.reviews(Page(1), course_id=course_id)
        return found.items[0] if found.items else None

    async def reviews(self, page: Page, *, course_id: UUID) -> Listing[CourseReview]:
        """See the port."""
        statement = select(_REVIEW).where(_REVIEW.c.course_id == course_id)
        return await listing(self._connection, statement, (_REVIEW.c.number,), page, review, descending=True)

    async def add_change(self, change: CourseChange) -> None:
        """See the port."""
        statement = insert(_CHANGE).values(
            organization_id=self._organization_id,
            change_id=change.change_id,
            course_id=change.course_id,
            number=_next_number(_CHANGE, change.course_id),
            kind=change.kind,
            actor=asdict(change.actor),
            reason=change.reason,
            change_time=change.change_time,
            protocol_id=change.protocol_id,
            session_cap=change.session_cap,
            review_id=change.review_id,
            **_consents(change.renewal),
        )
        await contested(self._connection, statement, frozenset({"course_change_number"}))

    async def changes(self, page: Page, *, course_id: UUID) -> Listing[CourseChange]:
        """See the port."""
        statement = select(_CHANGE).where(_CHANGE.c.course_id == course_id)
        return await listing(self._connection, statement, (_CHANGE.c.number,), page, change, descending=True)

    async def put_assessment(self, assessment: Assessment, session: Session) -> None:
        """See the port."""
        told: dict[str, Any] = {
            "session_id": session.session_id,
            "patient_id": session.patient_id,
            "course_id": session.course_id,
            "instrument": assessment.instrument,
            "total": assessment.total,
            "version": assessment.version,
            "observe_time": assessment.observe_time,
        }
        statement = insert(_ASSESSMENT).values(
            organization_id=self._organization_id, assessment_id=assessment.assessment_id, **told
        )
        newest = statement.on_conflict_do_update(
            index_elements=["organization_id", "assessment_id"],
            set_=told,
            where=_ASSESSMENT.c.version < assessment.version,
        )
        await self._connection.execute(newest)


def _consents(renewal: Renewal | None) -> dict[str, object]:
    if renewal is None:
        return {}
    return {
        "consent_reference": renewal.consent.reference,
        "consent_expire_date": renewal.consent.expire_date,
        "previous_consent_reference": renewal.previous.reference,
        "previous_consent_expire_date": renewal.previous.expire_date,
    }


def _next_number(table: Table, course_id: UUID) -> ColumnElement[int]:
    """The number of the next record of a course in a table that numbers them from 1."""
    newest = select(func.max(table.c.number)).where(table.c.course_id == course_id).scalar_subquery()
    return func.coalesce(newest, 0) + 1
