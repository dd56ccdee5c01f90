"""Notifications as work items: claimed with lease and fence, fairly between organizations."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.domain.notification import Notification, State
from services.notifications.domain.people import Channel
from services.notifications.storage.tables import NOTIFICATION
from services.runtime.claims import ClaimQueue

LEASE = timedelta(seconds=90)
"""Three times as long as one notification takes with a provider that answers as late as it may."""

IS_OPEN = NOTIFICATION.c.state.in_([State.PLANNED, State.SENDING])


class WorkQueue:
    """The sender's side of the notification table."""

    def __init__(self, lease: timedelta = LEASE) -> None:
        self._queue = ClaimQueue(NOTIFICATION, ("organization_id", "notification_id"), claimable=IS_OPEN, lease=lease)

    def due(self, now: datetime) -> Select[Any]:
        """Return the query for how many notifications are due and not yet sent."""
        return select(func.count()).select_from(NOTIFICATION).where(IS_OPEN, NOTIFICATION.c.due_time <= now)

    async def claim(self, connection: AsyncConnection, *, now: datetime, limit: int) -> Sequence[Notification]:
        """Take at most `limit` due notifications, of each organization no more than its share while others wait."""
        organization = NOTIFICATION.c.organization_id
        due = select(organization).where(IS_OPEN, NOTIFICATION.c.due_time <= now).group_by(organization)
        organizations = (await connection.execute(due.order_by(func.random()).limit(limit))).scalars().all()
        claimed: list[Row[Any]] = []
        for turn, organization_id in enumerate(organizations):
            share = -(-(limit - len(claimed)) // (len(organizations) - turn))
            mine = NOTIFICATION.c.organization_id == organization_id
            claimed += await self._queue.claim(connection, now=now, limit=share, only=mine)
        return [notification_of(row) for row in claimed]

    async def hold(self, connection: AsyncConnection, claimed: Notification) -> bool:
        """Lock a claimed notification and say whether it is still this worker's."""
        return await self._queue.hold(connection, _row(claimed))

    async def finish(self, connection: AsyncConnection, held: Notification, **values: object) -> None:
        """Write an outcome and let go."""
        await self._queue.finish(connection, _row(held), **values)

    async def release(
        self, connection: AsyncConnection, held: Notification, *, due_time: datetime, **values: object
    ) -> None:
        """Give it back for later."""
        await self._queue.release(connection, _row(held), due_time=due_time, **values)


def _row(notification: Notification) -> Row[Any]:
    # The queue reads the key and the fence of what it gets, which a notification has under the same names.
    return cast("Row[Any]", notification)


def notification_of(row: Row[Any]) -> Notification:
    """Return the notification of a row."""
    return Notification(
        notification_id=row.notification_id,
        organization_id=row.organization_id,
        patient_id=row.patient_id,
        session_id=row.session_id,
        session_revision=row.session_revision,
        clinic_id=row.clinic_id,
        template_code=row.template_code,
        template_version=row.template_version,
        rule_code=row.rule,
        channel=Channel(row.channel),
        state=State(row.state),
        state_reason=row.state_reason,
        ideal_time=row.ideal_time,
        due_time=row.due_time,
        expire_time=row.expire_time,
        create_time=row.create_time,
        message_id=row.message_id,
        may_have_been_sent=row.may_have_been_sent,
        attempts=row.attempts,
        fence=row.fence,
        steps=tuple(row.steps),
    )
