"""Notifications and staff tasks."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from kat.notifications.v1 import notifications_pb2 as pb
from services.notifications.convert.recipients import CHANNEL_NUMBERS
from services.notifications.domain.notification import (
    TASK_DESCRIPTIONS,
    Attempt,
    Notification,
    StaffTask,
    State,
)
from services.notifications.ports import NotificationFilter
from services.notifications.use_cases.staff_tasks import ResolveStaffTask, task_etag
from services.runtime.errors import FieldViolation, InvalidArgumentError
from services.runtime.fields import Fields, timestamp
from services.runtime.names import format_name
from services.runtime.paging import decode_token, encode_token

_STATE_NUMBERS = {
    State.PLANNED: pb.Notification.STATE_PLANNED,
    State.SENDING: pb.Notification.STATE_SENDING,
    State.ACCEPTED: pb.Notification.STATE_ACCEPTED,
    State.FAILED: pb.Notification.STATE_FAILED,
    State.EXPIRED: pb.Notification.STATE_EXPIRED,
    State.CANCELLED: pb.Notification.STATE_CANCELLED,
    State.SUPPRESSED: pb.Notification.STATE_SUPPRESSED,
    State.AMBIGUOUS: pb.Notification.STATE_AMBIGUOUS,
}
_STATES: Mapping[int, State] = {number: state for state, number in _STATE_NUMBERS.items()}

# What looks like an e-mail address or a phone number, dates apart.
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_CONTACT_DATA = re.compile(r"\S@\S|(?:\d[\s()-]{0,2}){9}")


def get_notification(request: pb.GetNotificationRequest) -> UUID:
    """Read which notification is asked for.

    Raises:
        InvalidArgumentError: the name is none.
    """
    fields = Fields()
    notification_id = fields.name("name", request.name, "notifications")
    fields.check()
    return notification_id


def list_notifications(request: pb.ListNotificationsRequest) -> NotificationFilter:
    """Read which notifications are asked for.

    Raises:
        InvalidArgumentError: with every fault.
    """
    fields = Fields()
    asked = NotificationFilter(
        patient_id=fields.optional_name("patient", request.patient, "patients"),
        session_id=fields.optional_name("session", request.session, "sessions"),
        states=[fields.enum(f"states[{index}]", state, _STATES) for index, state in enumerate(request.states)],
        after=_position(request),
    )
    fields.check()
    return asked


def list_staff_tasks(request: pb.ListStaffTasksRequest) -> tuple[datetime, UUID] | None:
    """Read after which task the page begins; None for the first.

    Raises:
        InvalidArgumentError: the token is not one of ours.
    """
    return _position(request)


def resolve_staff_task(request: pb.ResolveStaffTaskRequest) -> ResolveStaffTask:
    """Read which task is closed.

    Raises:
        InvalidArgumentError: with every fault.
    """
    fields = Fields()
    fields.request_id(request.request_id)
    command = ResolveStaffTask(
        task_id=fields.name("name", request.name, "staffTasks"),
        etag=fields.text("etag", request.etag, maximum=100),
        resolution=fields.text("resolution", request.resolution, maximum=500),
    )
    if _CONTACT_DATA.search(_DATE.sub("", command.resolution)):
        fields.fault("resolution", "write what was done without an e-mail address or phone number")
    fields.check()
    return command


def notification_message(notification: Notification, attempts: Sequence[Attempt]) -> pb.Notification:
    """Return the contract's notification."""
    return pb.Notification(
        name=format_name("notifications", notification.notification_id),
        patient=format_name("patients", notification.patient_id),
        session=format_name("sessions", notification.session_id),
        session_revision=notification.session_revision,
        template_code=notification.template_code,
        template_version=notification.template_version,
        rule=notification.rule_code,
        channel=CHANNEL_NUMBERS[notification.channel],
        state=_STATE_NUMBERS[notification.state],
        state_reason=notification.state_reason,
        due_time=timestamp(notification.due_time),
        expire_time=timestamp(notification.expire_time),
        attempts=[_attempt_message(attempt) for attempt in attempts],
        explanation=notification.steps,
        create_time=timestamp(notification.create_time),
    )


def notifications_page(
    request: pb.ListNotificationsRequest,
    found: Sequence[Notification],
    attempts: Mapping[UUID, Sequence[Attempt]],
    size: int,
) -> pb.ListNotificationsResponse:
    """Return a page; `found` is one longer than `size` where there is another."""
    response = pb.ListNotificationsResponse(
        notifications=[notification_message(item, attempts.get(item.notification_id, ())) for item in found[:size]]
    )
    if len(found) > size:
        last = found[size - 1]
        response.next_page_token = encode_token(request, last.due_time.isoformat(), str(last.notification_id))
    return response


def staff_task_message(task: StaffTask) -> pb.StaffTask:
    """Return the contract's task."""
    message = pb.StaffTask(
        name=format_name("staffTasks", task.task_id),
        code=task.code,
        description=TASK_DESCRIPTIONS[task.code],
        patient=format_name("patients", task.patient_id),
        create_time=timestamp(task.create_time),
        resolution=task.resolution,
        etag=task_etag(task),
    )
    if task.notification_id is not None:
        message.notification = format_name("notifications", task.notification_id)
    if task.resolve_time is not None:
        message.resolve_time.FromDatetime(task.resolve_time)
    return message


def staff_tasks_page(
    request: pb.ListStaffTasksRequest, found: Sequence[StaffTask], size: int
) -> pb.ListStaffTasksResponse:
    """Return a page; `found` is one longer than `size` where there is another."""
    response = pb.ListStaffTasksResponse(staff_tasks=[staff_task_message(task) for task in found[:size]])
    if len(found) > size:
        last = found[size - 1]
        response.next_page_token = encode_token(request, last.create_time.isoformat(), str(last.task_id))
    return response


def _attempt_message(attempt: Attempt) -> pb.Notification.Attempt:
    return pb.Notification.Attempt(
        start_time=timestamp(attempt.start_time),
        end_time=timestamp(attempt.end_time) if attempt.end_time is not None else None,
        message_id=attempt.message_id,
        outcome=attempt.outcome,
    )


def _position(request: pb.ListNotificationsRequest | pb.ListStaffTasksRequest) -> tuple[datetime, UUID] | None:
    position = decode_token(request)
    if position is None:
        return None
    try:
        instant, identifier = position
        return datetime.fromisoformat(instant), UUID(identifier)
    except ValueError:
        fault = "send the next_page_token of the page before, with the same filters, or nothing"
        raise InvalidArgumentError([FieldViolation("page_token", fault)]) from None
