"""Sessions, supervision and doses in PostgreSQL."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, column, func, select, text, type_coerce, update, values
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.domain.booking import Assignment
from services.scheduler.domain.course import Course
from services.scheduler.domain.lanes import Occupied
from services.scheduler.domain.session import Plan, Session, SessionState
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.ports.roster import Place
from services.scheduler.ports.sessions import NewSession, SessionFilter
from services.scheduler.storage import tables
from services.scheduler.storage.session_rows import session
from services.scheduler.storage.statements import contested, listing, one
from services.scheduler.storage.surroundings import PostgresSurroundings
from services.scheduler.storage.tables import table_of

_SESSION = table_of(tables.Session)
_SUPERVISION = table_of(tables.Supervision)
_PRACTITIONER = table_of(tables.Practitioner)
_PROTOCOL = table_of(tables.Protocol)
_PATIENT = table_of(tables.Patient)
_DOSE = table_of(tables.Dose)

_PROMISES = frozenset(
    {
        "session_cadence",
        "session_patient",
        "session_room",
        "session_place",
        "session_course_cap",
        "session_dose_anchor",
        "supervision_ratio",
        "supervision_qualified",
    }
)
"""Constraints that refuse what was free a moment ago."""

_EARLIER = _SESSION.alias("earlier")
_ORDINAL = (
    select(func.count() + 1)
    .where(
        _EARLIER.c.course_id == _SESSION.c.course_id,
        _EARLIER.c.live,
        _EARLIER.c.start_time < _SESSION.c.start_time,
    )
    .scalar_subquery()
)
_SUPERVISIONS = (
    select(
        func.jsonb_agg(
            func.jsonb_build_array(
                _SUPERVISION.c.practitioner_id,
                _SUPERVISION.c.start_time,
                _SUPERVISION.c.end_time,
                func.coalesce(_PRACTITIONER.c.subject, ""),
            )
        )
    )
    .join_from(_SUPERVISION, _PRACTITIONER, _SUPERVISION.c.practitioner_id == _PRACTITIONER.c.practitioner_id)
    .where(_SUPERVISION.c.session_id == _SESSION.c.session_id)
    .scalar_subquery()
)
_SELECT = select(
    _SESSION,
    _ORDINAL.label("ordinal"),
    type_coerce(_SUPERVISIONS, JSONB).label("supervisions"),
    _PROTOCOL.c.limits["course.review_after"]["value"].astext.cast(Integer).label("review_after"),
).join_from(_SESSION, _PROTOCOL, _SESSION.c.protocol_id == _PROTOCOL.c.protocol_id)


class PostgresSessions(PostgresSurroundings):
    """`SessionRepository` on one connection of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        super().__init__(connection)
        self._organization_id = organization_id

    async def get(self, session_id: UUID) -> Session:
        """See the port."""
        statement = _SELECT.where(_SESSION.c.session_id == session_id)
        return session(await one(self._connection, statement, "sessions", session_id))

    async def lock(self, session_id: UUID) -> Session:
        """See the port."""
        patient = select(_SESSION.c.patient_id).where(_SESSION.c.session_id == session_id).scalar_subquery()
        locked = select(_PATIENT.c.patient_id).where(_PATIENT.c.patient_id == patient)
        await self._connection.execute(locked.with_for_update(key_share=True))
        return await self.get(session_id)

    async def page(self, page: Page, wanted: SessionFilter) -> Listing[Session]:
        """See the port."""
        statement = _SELECT.where(*_conditions(wanted))
        return await listing(self._connection, statement, (_SESSION.c.start_time, _SESSION.c.session_id), page, session)

    async def standing(self, session_ids: Collection[UUID]) -> list[Session]:
        """See the port."""
        rows = await self._connection.execute(_SELECT.where(_SESSION.c.session_id.in_(session_ids)))
        return [session(row) for row in rows]

    async def lock_days(self, days: Sequence[tuple[UUID, date]]) -> None:
        """See the port.

        The constraints would hold without these locks. With them, bookers of one clinic and date come one after the
        other, so that the later one sees what the earlier one took instead of colliding with it.
        """
        for clinic_id, day in sorted(days):
            lock = text("select pg_advisory_xact_lock(hashtextextended(:key, 0))")
            await self._connection.execute(lock, {"key": f"{clinic_id} {day}"})

    async def add(self, new: NewSession) -> None:
        """See the port."""
        course, placement = new.course, new.assignment.placement
        await self._deal(new.assignment.practitioner_id, placement.moves)
        added = insert(_SESSION).values(
            organization_id=self._organization_id,
            session_id=new.session_id,
            course_id=course.course_id,
            patient_id=course.patient_id,
            protocol_id=course.protocol_id,
            interval_days=course.interval_days,
            session_cap=course.session_cap,
            place=_free_place(course),
            state=SessionState.BOOKED,
            create_time=new.create_time,
            update_time=new.create_time,
            **_stands(new.place, new.plan),
        )
        await contested(self._connection, added, _PROMISES)
        supervised = insert(_SUPERVISION).values(
            organization_id=self._organization_id,
            session_id=new.session_id,
            practitioner_id=new.assignment.practitioner_id,
            lane=placement.lane,
            start_time=new.plan.start_time,
            end_time=new.plan.end_time,
            live=True,
        )
        await contested(self._connection, supervised, _PROMISES)

    async def move(self, session: Session, assignment: Assignment) -> None:
        """See the port."""
        place = Place(session.room_id, session.clinic_id, session.time_zone)
        moved = update(_SESSION).where(_SESSION.c.session_id == session.session_id)
        await contested(self._connection, moved.values(**_stands(place, session.plan), **_state(session)), _PROMISES)
        own = Occupied(session.session_id, assignment.placement.lane, session.plan.interval)
        await self._deal(assignment.practitioner_id, (*assignment.placement.moves, own))

    async def save_state(self, session: Session) -> None:
        """See the port."""
        statement = update(_SESSION).where(_SESSION.c.session_id == session.session_id)
        await self._connection.execute(statement.values(**_state(session)))

    async def add_dose(self, administration_id: UUID, session: Session, given: datetime, interval_days: int) -> None:
        """See the port."""
        told = {"dose_time": given, "dose_date": given.astimezone(session.zone).date(), "interval_days": interval_days}
        statement = insert(_DOSE).values(
            organization_id=self._organization_id,
            administration_id=administration_id,
            session_id=session.session_id,
            patient_id=session.patient_id,
            **told,
        )
        # The dose log tells it again where the record's start was amended.
        amended = statement.on_conflict_do_update(index_elements=["organization_id", "administration_id"], set_=told)
        await self._connection.execute(amended)

    async def _deal(self, practitioner_id: UUID, dealt: Sequence[Occupied]) -> None:
        """Give sessions to a supervisor in these lanes, in one statement, since lanes may be exchanged."""
        if not dealt:
            return
        columns = [column(name, _SUPERVISION.c[name].type) for name in ("session_id", "lane", "start_time", "end_time")]
        rows = [(one.session_id, one.lane, one.interval.start, one.interval.end) for one in dealt]
        given = values(*columns, name="given").data(rows)
        statement = (
            update(_SUPERVISION)
            .where(_SUPERVISION.c.session_id == given.c.session_id)
            .values(
                practitioner_id=practitioner_id,
                lane=given.c.lane,
                start_time=given.c.start_time,
                end_time=given.c.end_time,
            )
        )
        await contested(self._connection, statement, _PROMISES)


def _conditions(wanted: SessionFilter) -> list[ColumnElement[bool]]:
    equal = (
        (_SESSION.c.patient_id, wanted.patient_id),
        (_SESSION.c.course_id, wanted.course_id),
        (_SESSION.c.clinic_id, wanted.clinic_id),
    )
    conditions = [column == value for column, value in equal if value is not None]
    if wanted.ends_after is not None:
        conditions.append(_SESSION.c.end_time > wanted.ends_after)
        # Sessions are within a day: lets the index on the start do the work.
        conditions.append(_SESSION.c.start_time > wanted.ends_after - timedelta(days=1))
    if wanted.starts_before is not None:
        conditions.append(_SESSION.c.start_time < wanted.starts_before)
    if wanted.states:
        conditions.append(_SESSION.c.state.in_(wanted.states))
    return conditions


def _free_place(course: Course) -> ColumnElement[int]:
    """The lowest place that no live session of the course has; past the cap, which a constraint refuses, if none."""
    place = func.generate_series(1, course.session_cap + 1).column_valued("n")
    taken = select(_SESSION.c.place).where(_SESSION.c.course_id == course.course_id, _SESSION.c.live)
    return select(func.min(place)).where(place.not_in(taken)).scalar_subquery()


def _stands(place: Place, plan: Plan) -> dict[str, object]:
    return {
        "clinic_id": place.clinic_id,
        "room_id": place.room_id,
        "time_zone": place.time_zone,
        "start_time": plan.start_time,
        "dose_time": plan.dose_time,
        "end_time": plan.end_time,
        "release_time": plan.release_time,
    }


def _state(session: Session) -> dict[str, object]:
    return {
        "state": session.state,
        "too_early": session.too_early,
        "revision": session.revision,
        "version": session.version,
        "confirm_time": session.confirm_time,
        "check_in_time": session.check_in_time,
        "cancel_reason": session.cancel_reason,
        "update_time": session.update_time,
    }
