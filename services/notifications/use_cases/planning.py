"""Planning what events ask for."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from services.notifications.domain.notification import (
    NO_REVISION,
    Notification,
    Reason,
    Session,
    SessionState,
    State,
    TaskCode,
)
from services.notifications.domain.people import Channel, Profile
from services.notifications.domain.planner import Plan, Spread, Subject, plan, refit
from services.notifications.domain.rules import ON_BOOKING, ON_CANCELLATION, ON_DISCHARGE, ON_MOVE, MessageRule
from services.notifications.ports import Composer, Lock, UnitOfWork
from services.runtime.clock import Clock
from services.runtime.identifiers import new_id


class SessionChange(StrEnum):
    """What happened to a session."""

    BOOKED = "booked"
    MOVED = "moved"
    CANCELLED = "cancelled"


_RULES: dict[SessionChange, tuple[MessageRule, ...]] = {
    SessionChange.BOOKED: ON_BOOKING,
    SessionChange.MOVED: ON_MOVE,
    SessionChange.CANCELLED: ON_CANCELLATION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSession:
    """A session as an event has it, after the change."""

    change: SessionChange
    session_id: UUID
    patient_id: UUID
    clinic_id: UUID
    revision: int
    start_time: datetime
    end_time: datetime
    time_zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteDeparture:
    """A patient left after a visit."""

    session_id: UUID
    patient_id: UUID
    clinic_id: UUID
    departure_time: datetime
    time_zone: str


@dataclass(frozen=True, slots=True)
class Planning:
    """What planning needs beside a unit of work."""

    clock: Clock
    composer: Composer
    spread: Spread


async def change_session(command: ChangeSession, unit: UnitOfWork, planning: Planning) -> None:
    """Take in a session's new revision: older work is cancelled, new work planned; a known revision changes nothing."""
    known = await unit.sessions.get(command.session_id, lock=Lock.UPDATE)
    if known is not None and known.revision >= command.revision:
        return
    profile = await _profile(command.patient_id, unit)
    cancelled = command.change is SessionChange.CANCELLED
    await unit.sessions.save(
        Session(
            session_id=command.session_id,
            patient_id=command.patient_id,
            clinic_id=command.clinic_id,
            revision=command.revision,
            state=SessionState.CANCELLED if cancelled else SessionState.BOOKED,
            start_time=command.start_time,
            end_time=command.end_time,
            time_zone=command.time_zone,
            calendar_uid=known.calendar_uid if known else str(uuid4()),
        )
    )
    await unit.notifications.cancel_planned(
        command.session_id,
        below_revision=command.revision,
        reason=Reason.SESSION_CHANGED,
        step=f"the session was {command.change}: revision {command.revision} is the newest",
    )
    subject = Subject(
        patient_id=command.patient_id,
        session_id=command.session_id,
        session_revision=command.revision,
        clinic_id=command.clinic_id,
        anchor=command.start_time,
        zone=command.time_zone,
    )
    await _plan(_RULES[command.change], subject, profile, unit, planning)


async def note_departure(command: NoteDeparture, unit: UnitOfWork, planning: Planning) -> None:
    """Plan aftercare; a second departure from the same session changes nothing."""
    subject = Subject(
        patient_id=command.patient_id,
        session_id=command.session_id,
        session_revision=NO_REVISION,
        clinic_id=command.clinic_id,
        anchor=command.departure_time,
        zone=command.time_zone,
    )
    await _plan(ON_DISCHARGE, subject, await _profile(command.patient_id, unit), unit, planning)


async def replan(before: dict[UUID, Profile], after: list[Profile], unit: UnitOfWork, planning: Planning) -> None:
    """Move what is planned for people whose zone or quiet hours changed."""
    changed = {p.patient_id: p for p in after if _hours(before.get(p.patient_id)) != _hours(p)}
    now = planning.clock.now()
    for notification in await unit.notifications.planned_for(changed):
        profile = changed[notification.patient_id]
        chosen = refit(
            notification.ideal_time,
            notification.expire_time,
            profile,
            profile.time_zone,
            now=now,
            spread=planning.spread,
        )
        if chosen is not None:  # else the check at its old time ends it, with its reason
            step = f"zone or quiet hours changed: {chosen.step}"
            await unit.notifications.move(notification.notification_id, due_time=chosen.due_time, step=step)


def _hours(profile: Profile | None) -> object:
    return profile and (profile.time_zone, profile.quiet_hours)


async def _profile(patient_id: UUID, unit: UnitOfWork) -> Profile | None:
    # Held until the plans are written. Locks are taken everywhere in this order: session, recipient, notification.
    return (await unit.recipients.profiles([patient_id], lock=Lock.SHARE)).get(patient_id)


async def _plan(
    rules: tuple[MessageRule, ...], subject: Subject, profile: Profile | None, unit: UnitOfWork, planning: Planning
) -> None:
    now = planning.clock.now()
    for planned in plan(rules, subject, profile=profile, now=now, spread=planning.spread):
        notification = _notification(planned, unit.organization_id, planning.composer, now)
        added = await unit.notifications.add(notification)
        if added and planned.rule.must_arrive and planned.state is not State.PLANNED:
            task = TaskCode.UNDELIVERABLE
            await unit.staff_tasks.open(task, subject.patient_id, notification.notification_id, now)


def _notification(planned: Plan, organization_id: UUID, composer: Composer, now: datetime) -> Notification:
    subject = planned.subject
    return Notification(
        notification_id=new_id(),
        organization_id=organization_id,
        patient_id=subject.patient_id,
        session_id=subject.session_id,
        session_revision=subject.session_revision,
        clinic_id=subject.clinic_id,
        template_code=planned.rule.template,
        template_version=composer.newest_version(planned.rule.template),
        rule_code=planned.rule.code,
        channel=Channel.EMAIL,
        state=planned.state,
        state_reason=planned.reason,
        ideal_time=planned.ideal_time,
        due_time=planned.due_time,
        expire_time=planned.expire_time,
        create_time=now,
        steps=planned.steps,
    )
