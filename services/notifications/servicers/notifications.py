"""NotificationService."""

# ruff: noqa: N802 - the contract's names

from sqlalchemy.ext.asyncio import AsyncConnection

from kat.notifications.v1 import notifications_pb2 as pb
from kat.notifications.v1.notifications_pb2_grpc import NotificationServiceServicer
from services.notifications.convert import notifications as convert
from services.notifications.units import Units
from services.notifications.use_cases import staff_tasks as use_cases
from services.runtime.auth import current_caller
from services.runtime.clock import Clock
from services.runtime.errors import NotFoundError
from services.runtime.paging import page_size
from services.runtime.writes import Writer


class NotificationServicer(NotificationServiceServicer):
    """Serves NotificationService."""

    def __init__(self, writer: Writer, units: Units, clock: Clock) -> None:
        self._writer = writer
        self._units = units
        self._clock = clock

    async def GetNotification(self, request: pb.GetNotificationRequest, _context: object) -> pb.Notification:
        """Return one notification."""
        notification_id = convert.get_notification(request)
        async with self._units.transaction(current_caller().organization) as unit:
            notification = await unit.notifications.get(notification_id)
            if notification is None:
                raise NotFoundError(request.name)
            attempts = await unit.notifications.attempts([notification_id])
        return convert.notification_message(notification, attempts.get(notification_id, ()))

    async def ListNotifications(
        self, request: pb.ListNotificationsRequest, _context: object
    ) -> pb.ListNotificationsResponse:
        """List notifications by due time."""
        asked, size = convert.list_notifications(request), page_size(request.page_size)
        async with self._units.transaction(current_caller().organization) as unit:
            found = await unit.notifications.page(asked, size + 1)
            attempts = await unit.notifications.attempts([item.notification_id for item in found[:size]])
        return convert.notifications_page(request, found, attempts, size)

    async def ListStaffTasks(self, request: pb.ListStaffTasksRequest, _context: object) -> pb.ListStaffTasksResponse:
        """List tasks, the oldest first."""
        after, size = convert.list_staff_tasks(request), page_size(request.page_size)
        async with self._units.transaction(current_caller().organization) as unit:
            found = await unit.staff_tasks.page(include_resolved=request.include_resolved, after=after, limit=size + 1)
        return convert.staff_tasks_page(request, found, size)

    async def ResolveStaffTask(self, request: pb.ResolveStaffTaskRequest, _context: object) -> pb.StaffTask:
        """Close a task."""
        command = convert.resolve_staff_task(request)

        async def work(connection: AsyncConnection) -> pb.StaffTask:
            caller = current_caller()
            unit = self._units.on(connection, caller.organization)
            task = await use_cases.resolve_staff_task(command, unit, self._clock, caller.actor)
            return convert.staff_task_message(task)

        return await self._writer.once(request, pb.StaffTask, work)
