"""What people have to do since no message could."""

from dataclasses import dataclass
from uuid import UUID

from services.notifications.domain.notification import StaffTask
from services.notifications.errors import StaleTaskError, TaskResolvedError
from services.notifications.ports import Lock, UnitOfWork
from services.runtime.actor import Actor
from services.runtime.clock import Clock
from services.runtime.errors import NotFoundError
from services.runtime.names import etag_of, format_name


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveStaffTask:
    """Close a task that was read with this etag."""

    task_id: UUID
    etag: str
    resolution: str


def task_etag(task: StaffTask) -> str:
    """Return the etag of a task."""
    return etag_of(task.task_id, task.resolve_time)


async def resolve_staff_task(command: ResolveStaffTask, unit: UnitOfWork, clock: Clock, actor: Actor) -> StaffTask:
    """Close a task.

    Raises:
        NotFoundError: it is not there.
        StaleTaskError: it changed since it was read.
        TaskResolvedError: it is closed.
    """
    task = await _get(command.task_id, unit, Lock.UPDATE)
    if task_etag(task) != command.etag:
        raise StaleTaskError(command.task_id)
    if task.resolve_time is not None:
        raise TaskResolvedError(command.task_id)
    await unit.staff_tasks.resolve(
        command.task_id, at=clock.now(), resolution=command.resolution, subject=actor.subject
    )
    return await _get(command.task_id, unit, Lock.NONE)


async def _get(task_id: UUID, unit: UnitOfWork, lock: Lock) -> StaffTask:
    task = await unit.staff_tasks.get(task_id, lock=lock)
    if task is None:
        raise NotFoundError(format_name("staffTasks", task_id))
    return task
