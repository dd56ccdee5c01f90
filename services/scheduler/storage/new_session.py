"""Storing a new session with who supervises it, in one statement."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, Row, TextClause, bindparam, func, insert, select, text

from services.scheduler.domain.session import Plan, Session, SessionState, Supervision
from services.scheduler.ports.roster import Place
from services.scheduler.ports.sessions import NewSession
from services.scheduler.storage import tables
from services.scheduler.storage.tables import table_of

_SESSION = table_of(tables.Session)
_SUPERVISION = table_of(tables.Supervision)
_PRACTITIONER = table_of(tables.Practitioner)

FREE_PLACE: TextClause = text(
    """
    (select min(free.place) from (
         select 1 as place
         union all
         select taken.place + 1 from session taken where taken.course_id = :of_course and taken.counted) free
     where not exists (
         select from session taken
         where taken.course_id = :of_course and taken.counted and taken.place = free.place))
    """
)
"""The lowest place that no counted session of the course has; past the cap, which a constraint refuses, if none."""

_GIVEN = (
    "organization_id",
    "session_id",
    "course_id",
    "patient_id",
    "protocol_id",
    "interval_days",
    "session_cap",
    "clinic_id",
    "room_id",
    "time_zone",
    "start_time",
    "dose_time",
    "end_time",
    "release_time",
    "state",
    "hold_expire_time",
    "create_time",
    "update_time",
)
_COMPUTED = ("local_date", "revision", "version", "too_early", "counted")


def _add() -> Executable:
    given = {name: bindparam(name, type_=_SESSION.c[name].type) for name in _GIVEN}
    added = (
        insert(_SESSION)
        .values(given | {"place": FREE_PLACE})
        .returning(*(_SESSION.c[name] for name in _COMPUTED))
        .cte("added")
    )
    supervised = insert(_SUPERVISION).values(
        **{name: given[name] for name in ("organization_id", "session_id", "start_time", "end_time")},
        practitioner_id=bindparam("practitioner_id", type_=_SUPERVISION.c.practitioner_id.type),
        lane=bindparam("lane", type_=_SUPERVISION.c.lane.type),
        live=True,
    )
    earlier = select(func.count() + 1).where(
        _SESSION.c.course_id == given["course_id"],
        _SESSION.c.live,
        _SESSION.c.counted,
        _SESSION.c.start_time < given["start_time"],
    )
    subject = select(_PRACTITIONER.c.subject).where(_PRACTITIONER.c.practitioner_id == bindparam("practitioner_id"))
    returned = select(added, earlier.scalar_subquery().label("ordinal"), subject.scalar_subquery().label("subject"))
    return returned.add_cte(supervised.cte("supervised"))


ADD = _add()
"""Adds the session and its supervision, and returns what `stored` needs."""


def values(new: NewSession, organization_id: UUID) -> dict[str, object]:
    """Return what `ADD` is executed with."""
    course, assignment = new.course, new.assignment
    return {
        "organization_id": organization_id,
        "session_id": new.session_id,
        "course_id": course.course_id,
        "of_course": course.course_id,
        "patient_id": course.patient_id,
        "protocol_id": course.protocol_id,
        "interval_days": course.interval_days,
        "session_cap": course.session_cap,
        "state": _state(new),
        "hold_expire_time": new.hold_expire_time,
        "create_time": new.create_time,
        "update_time": new.create_time,
        "practitioner_id": assignment.practitioner_id,
        "lane": assignment.placement.lane,
        **stands(new.place, new.plan),
    }


def stored(new: NewSession, row: Row[Any]) -> Session:
    """Return a session as it was added, from the row that `ADD` returned."""
    course, place, plan = new.course, new.place, new.plan
    supervision = Supervision(
        practitioner_id=new.assignment.practitioner_id, interval=plan.interval, subject=row.subject or ""
    )
    return Session(
        session_id=new.session_id,
        patient_id=course.patient_id,
        course_id=course.course_id,
        protocol_id=course.protocol_id,
        clinic_id=place.clinic_id,
        room_id=place.room_id,
        time_zone=place.time_zone,
        plan=replace(plan, local_date=row.local_date),
        supervisions=(supervision,),
        ordinal=row.ordinal,
        review_after=course.review_point,
        state=_state(new),
        revision=row.revision,
        version=row.version,
        too_early=row.too_early,
        confirm_time=None,
        check_in_time=None,
        cancel_reason="",
        hold_expire_time=new.hold_expire_time,
        counted=row.counted,
        create_time=new.create_time,
        update_time=new.create_time,
    )


def stands(place: Place, plan: Plan) -> dict[str, object]:
    """Return the columns of where and when a session stands."""
    return {
        "clinic_id": place.clinic_id,
        "room_id": place.room_id,
        "time_zone": place.time_zone,
        "start_time": plan.start_time,
        "dose_time": plan.dose_time,
        "end_time": plan.end_time,
        "release_time": plan.release_time,
    }


def _state(new: NewSession) -> SessionState:
    return SessionState.HELD if new.hold_expire_time else SessionState.BOOKED
