"""Sessions, supervision and doses in PostgreSQL."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Date, bindparam, exists, func, select, text, type_coerce, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.domain.booking import Assignment
from services.scheduler.domain.course import Course
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.protocol import LimitCode
from services.scheduler.domain.session import HOLD_EXPIRED, Session, SessionState, Supervision
from services.scheduler.errors import RaceLostError
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.ports.roster import Place
from services.scheduler.ports.sessions import NewSession, SessionFilter
from services.scheduler.storage import new_session, session_rows, supervision, tables
from services.scheduler.storage.courses import whole_limit
from services.scheduler.storage.statements import contested, listing, one, patient_lock
from services.scheduler.storage.surroundings import PostgresSurroundings
from services.scheduler.storage.tables import table_of

_SESSION = table_of(tables.Session)
_SUPERVISION = table_of(tables.Supervision)
_PRACTITIONER = table_of(tables.Practitioner)
_CLINIC = table_of(tables.Clinic)
_ROOM = table_of(tables.Room)
_COURSE = table_of(tables.Course)
_PROTOCOL = table_of(tables.Protocol)
_DOSE = table_of(tables.Dose)

_PROMISES = (
    frozenset(
        {
            "session_cadence",
            "session_patient",
            "session_room",
            "session_place",
            "session_course_cap",
            "session_dose_anchor",
            "session_closure",
            "session_course_active",
            "session_course_protocol",
            "session_review_gate",
        }
    )
    | supervision.PROMISES
)
"""Constraints that refuse what was free a moment ago."""

# Computed in one place: whoever waits for a clinic's date and whoever does not must mean the same lock.
_DAY_LOCK = func.hashtextextended(
    func.concat(_CLINIC.c.clinic_id, " ", func.to_char(bindparam("day", type_=Date), "YYYY-MM-DD")), 0
)
_LOCK_DAY = select(func.pg_advisory_xact_lock(_DAY_LOCK)).where(_CLINIC.c.clinic_id == bindparam("this_clinic_id"))
_TRY_LOCK_DAY = (
    select(_CLINIC.c.clinic_id, _CLINIC.c.time_zone, func.pg_try_advisory_xact_lock(_DAY_LOCK).label("locked"))
    .join_from(_CLINIC, _ROOM, _CLINIC.c.clinic_id == _ROOM.c.clinic_id)
    .where(_ROOM.c.room_id == bindparam("this_room_id"))
)
_EXPIRE_HOLDS = text(
    """
    update session s
    set state = 'cancelled', cancel_reason = :reason, revision = s.revision + 1, version = s.version + 1,
        update_time = :now
    where s.state = 'held' and s.hold_expire_time <= :now
      and (s.patient_id = :patient_id
           or (s.clinic_id, s.local_date) in (select * from unnest(cast(:clinic_ids as uuid[]), cast(:days as date[])))
           or s.session_id = any(cast(:session_ids as uuid[])))
    """
)
_EARLIER = _SESSION.alias("earlier")
_ORDINAL = (
    select(func.count() + 1)
    .where(
        _EARLIER.c.course_id == _SESSION.c.course_id,
        _EARLIER.c.live,
        _EARLIER.c.counted,  # as every live one is: the index on places has them
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
    (_COURSE.c.review_base + whole_limit(LimitCode.REVIEW_AFTER)).label("review_after"),
).select_from(
    _SESSION.join(_COURSE, _SESSION.c.course_id == _COURSE.c.course_id).join(
        _PROTOCOL, _COURSE.c.protocol_id == _PROTOCOL.c.protocol_id
    )
)


_THIS = _SELECT.where(_SESSION.c.session_id == bindparam("this_session_id"))
_PATIENT_OF_THIS = (
    select(_SESSION.c.patient_id).where(_SESSION.c.session_id == bindparam("this_session_id")).scalar_subquery()
)
_LOCK = patient_lock(_PATIENT_OF_THIS)


class PostgresSessions(PostgresSurroundings):
    """`SessionRepository` on one connection of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        super().__init__(connection)
        self._organization_id = organization_id
        self._supervision = supervision.SupervisionTable(connection, organization_id)

    async def get(self, session_id: UUID) -> Session:
        """See the port."""
        this = {"this_session_id": session_id}
        return session_rows.session(await one(self._connection, _THIS, "sessions", session_id, this))

    async def lock(self, session_id: UUID) -> Session:
        """See the port."""
        await self._connection.execute(_LOCK, {"this_session_id": session_id})
        return await self.get(session_id)

    async def page(self, page: Page, wanted: SessionFilter) -> Listing[Session]:
        """See the port."""
        statement = _SELECT.where(*_conditions(wanted))
        return await listing(
            self._connection, statement, (_SESSION.c.start_time, _SESSION.c.session_id), page, session_rows.session
        )

    async def standing(self, session_ids: Collection[UUID]) -> list[Session]:
        """See the port."""
        rows = await self._connection.execute(_SELECT.where(_SESSION.c.session_id.in_(session_ids)))
        return [session_rows.session(row) for row in rows]

    async def lock_days(self, days: Sequence[tuple[UUID, date]]) -> None:
        """See the port.

        The constraints would hold without these locks. With them, bookers of one clinic and date come one after the
        other, so that the later one sees what the earlier one took instead of colliding with it.
        """
        for clinic_id, day in sorted(days):
            await self._connection.execute(_LOCK_DAY, {"this_clinic_id": clinic_id, "day": day})

    async def try_lock_day(self, room_id: UUID, day: date) -> tuple[Place, bool]:
        """See the port."""
        row = await one(self._connection, _TRY_LOCK_DAY, "rooms", room_id, {"this_room_id": room_id, "day": day})
        return Place(room_id, row.clinic_id, row.time_zone), row.locked

    async def add(self, new: NewSession) -> Session:
        """See the port."""
        await self._supervision.deal(new.assignment)
        values = new_session.values(new, self._organization_id)
        added = await contested(self._connection, new_session.ADD, _PROMISES, values)
        return new_session.stored(new, added.one())

    async def move(self, session: Session, assignment: Assignment) -> None:
        """See the port."""
        place = Place(session.room_id, session.clinic_id, session.time_zone)
        # First, since a session that becomes live again would take its old supervision with it.
        await self._supervision.clear(session.session_id)
        await self._update(session, **new_session.stands(place, session.plan), **_state(session))
        await self._supervision.add(session.session_id, session.plan.interval, assignment)

    async def restore(self, session: Session, assignment: Assignment) -> bool:
        """See the port."""
        free_place = new_session.FREE_PLACE.bindparams(of_course=session.course_id)
        place = _SESSION.c.place if session.counted else free_place
        try:
            async with self._connection.begin_nested():
                await self._supervision.clear(session.session_id)
                await self._update(session, place=place, **_state(session))
                await self._supervision.add(session.session_id, session.plan.interval, assignment)
        except RaceLostError:
            return False
        return True

    async def prolong(self, session: Session) -> None:
        """See the port."""
        plan = session.plan
        await self._update(session, end_time=plan.end_time, release_time=plan.release_time, **_state(session))

    async def supervise(self, session: Session, since: datetime, interval: Interval, assignment: Assignment) -> None:
        """See the port."""
        await self._supervision.end(session.session_id, since)
        await self._supervision.add(session.session_id, interval, assignment)

    async def reassign(self, session: Session, period: Supervision, assignment: Assignment) -> None:
        """See the port."""
        await self._supervision.reassign(session.session_id, period.interval.start, assignment)

    async def lift(self, session_ids: Sequence[UUID]) -> None:
        """See the port."""
        statement = update(_SESSION).where(_SESSION.c.session_id.in_(session_ids))
        await self._connection.execute(statement.values(state=SessionState.CANCELLED))

    async def following(self, session: Session) -> list[Session]:
        """See the port."""
        statement = _SELECT.where(
            _SESSION.c.course_id == session.course_id,
            _SESSION.c.start_time >= session.plan.start_time,
            _SESSION.c.state == SessionState.BOOKED,
        )
        found = await self._connection.execute(statement.order_by(_SESSION.c.start_time))
        return [session_rows.session(row) for row in found]

    async def expire_holds(
        self, now: datetime, patient_id: UUID, days: Sequence[tuple[UUID, date]], sessions: Sequence[UUID] = ()
    ) -> int:
        """See the port."""
        asked = {
            "now": now,
            "patient_id": patient_id,
            "clinic_ids": [clinic_id for clinic_id, _ in days],
            "days": [day for _, day in days],
            "session_ids": list(sessions),
            "reason": HOLD_EXPIRED,
        }
        return (await self._connection.execute(_EXPIRE_HOLDS, asked)).rowcount

    async def has_dose(self, session_id: UUID) -> bool:
        """See the port."""
        found = select(exists().where(_DOSE.c.session_id == session_id))
        return bool((await self._connection.execute(found)).scalar_one())

    async def save_state(self, session: Session) -> None:
        """See the port."""
        await self._update(session, **_state(session))

    async def follow_protocol(self, course: Course, states: Collection[SessionState], now: datetime) -> None:
        """See the port."""
        statement = update(_SESSION).where(_SESSION.c.course_id == course.course_id, _SESSION.c.state.in_(states))
        followed = statement.values(
            protocol_id=course.protocol_id,
            interval_days=course.interval_days,
            version=_SESSION.c.version + 1,
            update_time=now,
        )
        await contested(self._connection, followed, _PROMISES)

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

    async def _update(self, session: Session, **changes: object) -> None:
        statement = update(_SESSION).where(_SESSION.c.session_id == session.session_id)
        await contested(self._connection, statement.values(**changes), _PROMISES)


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


def _state(session: Session) -> dict[str, object]:
    return {
        "state": session.state,
        "too_early": session.too_early,
        "revision": session.revision,
        "version": session.version,
        "confirm_time": session.confirm_time,
        "check_in_time": session.check_in_time,
        "cancel_reason": session.cancel_reason,
        "hold_expire_time": session.hold_expire_time,
        "update_time": session.update_time,
    }
