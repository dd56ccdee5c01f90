"""What people have to do since no message could."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.domain.notification import StaffTask, TaskCode
from services.notifications.ports import Lock
from services.notifications.storage.queries import locked
from services.notifications.storage.tables import STAFF_TASK
from services.runtime.identifiers import new_id


class StoredStaffTasks:
    """`ports.StaffTasks` on PostgreSQL."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        self._connection = connection
        self._organization_id = organization_id

    async def open(self, code: TaskCode, patient_id: UUID, notification_id: UUID | None, at: datetime) -> None:
        """Open a task, unless the same is open."""
        statement = insert(STAFF_TASK).values(
            organization_id=self._organization_id,
            task_id=new_id(),
            code=code,
            patient_id=patient_id,
            notification_id=notification_id,
            create_time=at,
            resolution="",
            resolved_by="",
        )
        await self._connection.execute(statement.on_conflict_do_nothing())

    async def get(self, task_id: UUID, *, lock: Lock = Lock.NONE) -> StaffTask | None:
        """Return one."""
        asked = locked(select(STAFF_TASK).where(STAFF_TASK.c.task_id == task_id), lock)
        row = (await self._connection.execute(asked)).one_or_none()
        return _task(row) if row is not None else None

    async def resolve(self, task_id: UUID, *, at: datetime, resolution: str, subject: str) -> None:
        """Close one."""
        closed = {"resolve_time": at, "resolution": resolution, "resolved_by": subject}
        await self._connection.execute(update(STAFF_TASK).where(STAFF_TASK.c.task_id == task_id).values(closed))

    async def page(
        self, *, include_resolved: bool, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[StaffTask]:
        """Return tasks, the oldest first."""
        position = (STAFF_TASK.c.create_time, STAFF_TASK.c.task_id)
        asked = select(STAFF_TASK).order_by(*position).limit(limit)
        if not include_resolved:
            asked = asked.where(STAFF_TASK.c.resolve_time.is_(None))
        if after is not None:
            asked = asked.where(tuple_(*position) > after)
        return [_task(row) for row in await self._connection.execute(asked)]


def _task(row: Row[Any]) -> StaffTask:
    return StaffTask(
        task_id=row.task_id,
        code=TaskCode(row.code),
        patient_id=row.patient_id,
        notification_id=row.notification_id,
        create_time=row.create_time,
        resolve_time=row.resolve_time,
        resolution=row.resolution,
    )
