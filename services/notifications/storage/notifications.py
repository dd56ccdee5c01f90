"""Notifications and their attempts."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, func, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.domain.notification import Attempt, Notification, State
from services.notifications.ports import NotificationFilter
from services.notifications.storage.queries import one_of
from services.notifications.storage.tables import ATTEMPT, ATTEMPT_OUTCOME, NOTIFICATION
from services.notifications.storage.work import WorkQueue, notification_of

CUT_OFF = "CUT_OFF"
"""Outcome of an attempt whose worker died: nobody knows."""

_WENT_OUT = (State.SENDING, State.ACCEPTED, State.AMBIGUOUS)


class StoredNotifications:
    """`ports.Notifications` on PostgreSQL."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID, queue: WorkQueue) -> None:
        self._connection = connection
        self._organization_id = organization_id
        self._queue = queue

    async def add(self, notification: Notification) -> bool:
        """Add one; False where its key is taken, and nothing was added."""
        statement = insert(NOTIFICATION).values(_values(notification))
        added = await self._connection.execute(statement.on_conflict_do_nothing(constraint="notification_once"))
        return added.rowcount == 1

    async def cancel_planned(self, session_id: UUID, *, below_revision: int, reason: str, step: str) -> None:
        """Cancel what is planned about older revisions of a session."""
        revision = NOTIFICATION.c.session_revision
        await self._connection.execute(
            update(NOTIFICATION)
            .where(NOTIFICATION.c.session_id == session_id, NOTIFICATION.c.state == State.PLANNED)
            .where(revision > 0, revision < below_revision)
            .values(state=State.CANCELLED, state_reason=reason, steps=_with(step))
        )

    async def planned_for(self, patient_ids: Collection[UUID]) -> Sequence[Notification]:
        """Return what is planned for these people, locked."""
        asked = (
            select(NOTIFICATION)
            .where(NOTIFICATION.c.patient_id == one_of(patient_ids), NOTIFICATION.c.state == State.PLANNED)
            .order_by(NOTIFICATION.c.notification_id)
            .with_for_update()
        )
        return [notification_of(row) for row in await self._connection.execute(asked)]

    async def move(self, notification_id: UUID, *, due_time: datetime, step: str) -> None:
        """Change when a planned one is due."""
        await self._connection.execute(
            update(NOTIFICATION)
            .where(NOTIFICATION.c.notification_id == notification_id)
            .values(due_time=due_time, steps=_with(step))
        )

    async def hold(self, claimed: Notification) -> Notification | None:
        """Lock a claimed one and return it as it is now; None where the claim is lost or it is not open any more."""
        if not await self._queue.hold(self._connection, claimed):
            return None
        now = await self.get(claimed.notification_id)
        return now if now is not None and now.state in {State.PLANNED, State.SENDING} else None

    async def sent_since(self, patient_id: UUID, since: datetime, *, apart_from: UUID) -> int:
        """Return how many other messages went, or are going, to a person since then."""
        columns = NOTIFICATION.c
        counted = select(func.count()).where(
            columns.patient_id == patient_id,
            columns.state.in_(_WENT_OUT),
            columns.send_time > since,
            columns.notification_id != apart_from,
        )
        return int((await self._connection.execute(counted)).scalar_one())

    async def start_attempt(self, held: Notification, attempt: Attempt) -> None:
        """Note that sending begins: from the commit on it may have been sent."""
        await self._connection.execute(
            insert(ATTEMPT).values(
                organization_id=self._organization_id,
                attempt_id=attempt.attempt_id,
                notification_id=held.notification_id,
                start_time=attempt.start_time,
                message_id=attempt.message_id,
            )
        )
        sending = {"state": State.SENDING, "message_id": attempt.message_id, "send_time": attempt.start_time}
        mine = NOTIFICATION.c.notification_id == held.notification_id
        await self._connection.execute(update(NOTIFICATION).where(mine).values(sending))

    async def end_attempt(self, attempt_id: UUID, outcome: str, at: datetime) -> None:
        """Note how an attempt ended, unless that is known."""
        ended = insert(ATTEMPT_OUTCOME).values(
            organization_id=self._organization_id, attempt_id=attempt_id, outcome=outcome, end_time=at
        )
        await self._connection.execute(ended.on_conflict_do_nothing())

    async def cut_off_attempts(self, held: Notification) -> None:
        """Note of attempts without an end that nobody knows it."""
        begun = select(ATTEMPT.c.organization_id, ATTEMPT.c.attempt_id, literal(CUT_OFF, Text)).where(
            ATTEMPT.c.notification_id == held.notification_id
        )
        cut_off = insert(ATTEMPT_OUTCOME).from_select(["organization_id", "attempt_id", "outcome"], begun)
        await self._connection.execute(cut_off.on_conflict_do_nothing())

    async def end(self, held: Notification, state: State, reason: str, step: str) -> None:
        """Write a final state and let go of the claim."""
        await self._queue.finish(self._connection, held, state=state, state_reason=reason, steps=_with(step))

    async def defer(
        self, held: Notification, until: datetime, reason: str, step: str, *, may_have_been_sent: bool
    ) -> None:
        """Give a claimed one back, planned for later."""
        await self._queue.release(
            self._connection,
            held,
            due_time=until,
            state=State.PLANNED,
            state_reason=reason,
            steps=_with(step),
            may_have_been_sent=may_have_been_sent,
        )

    async def get(self, notification_id: UUID) -> Notification | None:
        """Return one."""
        asked = select(NOTIFICATION).where(NOTIFICATION.c.notification_id == notification_id)
        row = (await self._connection.execute(asked)).one_or_none()
        return notification_of(row) if row is not None else None

    async def page(self, asked: NotificationFilter, limit: int) -> Sequence[Notification]:
        """Return those asked for, by due time."""
        columns = NOTIFICATION.c
        position = (columns.due_time, columns.notification_id)
        statement = select(NOTIFICATION).order_by(*position).limit(limit)
        if asked.patient_id is not None:
            statement = statement.where(columns.patient_id == asked.patient_id)
        if asked.session_id is not None:
            statement = statement.where(columns.session_id == asked.session_id)
        if asked.states:
            statement = statement.where(columns.state.in_(asked.states))
        if asked.after is not None:
            statement = statement.where(tuple_(*position) > asked.after)
        return [notification_of(row) for row in await self._connection.execute(statement)]

    async def attempts(self, notification_ids: Collection[UUID]) -> Mapping[UUID, Sequence[Attempt]]:
        """Return every attempt of these, the first first."""
        ended = ATTEMPT_OUTCOME.c
        asked = (
            select(ATTEMPT, ended.outcome, ended.end_time)
            .join_from(ATTEMPT, ATTEMPT_OUTCOME, ATTEMPT.c.attempt_id == ended.attempt_id, isouter=True)
            .where(ATTEMPT.c.notification_id == one_of(notification_ids))
            .order_by(ATTEMPT.c.attempt_id)
        )
        found: dict[UUID, list[Attempt]] = defaultdict(list)
        for row in await self._connection.execute(asked):
            found[row.notification_id].append(
                Attempt(
                    attempt_id=row.attempt_id,
                    start_time=row.start_time,
                    message_id=row.message_id,
                    end_time=row.end_time,
                    outcome=row.outcome or "",
                )
            )
        return found


def _with(step: str) -> ColumnElement[Any]:
    return func.array_append(NOTIFICATION.c.steps, step)


def _values(notification: Notification) -> dict[str, object]:
    return {
        "organization_id": notification.organization_id,
        "notification_id": notification.notification_id,
        "patient_id": notification.patient_id,
        "session_id": notification.session_id,
        "session_revision": notification.session_revision,
        "clinic_id": notification.clinic_id,
        "template_code": notification.template_code,
        "template_version": notification.template_version,
        "rule": notification.rule_code,
        "channel": notification.channel,
        "state": notification.state,
        "state_reason": notification.state_reason,
        "ideal_time": notification.ideal_time,
        "due_time": notification.due_time,
        "expire_time": notification.expire_time,
        "create_time": notification.create_time,
        "message_id": notification.message_id,
        "may_have_been_sent": notification.may_have_been_sent,
        "steps": list(notification.steps),
        "fence": 0,
        "attempts": 0,
    }
