"""What the demo plays on: the running suite, a clock that it moves, people with tokens, and the mail that arrived."""

import asyncio
import email
import email.policy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any, TypeVar

import grpc

from kat.dosing_log.v1 import dosing_log_pb2_grpc as dosing_log_grpc
from kat.notifications.v1 import notifications_pb2
from kat.notifications.v1 import notifications_pb2_grpc as notifications_grpc
from kat.notifications.v1.notifications_pb2 import Notification
from kat.scheduler.v1 import calendar_pb2_grpc, course_pb2_grpc, roster_pb2_grpc, session_pb2_grpc
from services.cli.clients import issue_token
from services.cli.data_folder import DataFolder
from services.runtime.channel import bearer
from services.runtime.clock import OffsetClock, move_offset_clock
from services.runtime.identifiers import new_id

T = TypeVar("T")

CALL_SECONDS = 15.0
WAIT_SECONDS = 45.0
_AWAY = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})


class DemoError(Exception):
    """The day did not go as it must; the text says what was waited for or found."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts: a token of their own."""

    subject: str
    printed_name: str
    token: str


class Stage:
    """Calls with the right token, deadline and retries; moves the clock; waits for what comes by itself."""

    def __init__(self, data: DataFolder, channels: dict[str, grpc.aio.Channel]) -> None:
        self._data = data
        self.channels = channels
        self._clock = OffsetClock(data.clock_offset)
        scheduler, dosing_log = channels["scheduler"], channels["dosing_log"]
        self.roster = roster_pb2_grpc.RosterServiceStub(scheduler)
        self.protocols = course_pb2_grpc.ProtocolServiceStub(scheduler)
        self.courses = course_pb2_grpc.CourseServiceStub(scheduler)
        self.sessions = session_pb2_grpc.SessionServiceStub(scheduler)
        self.calendars = calendar_pb2_grpc.CalendarServiceStub(scheduler)
        self.doses = dosing_log_grpc.DoseServiceStub(dosing_log)
        self.inventory = dosing_log_grpc.InventoryServiceStub(dosing_log)
        self.records = dosing_log_grpc.RecordServiceStub(dosing_log)
        self.audit = dosing_log_grpc.AuditServiceStub(dosing_log)
        self.recipients = notifications_grpc.RecipientServiceStub(channels["notifications"])
        self.notifications = notifications_grpc.NotificationServiceStub(channels["notifications"])

    def person(self, subject: str, printed_name: str, *roles: str, credential: str = "") -> Person:
        """Give somebody a token of the embedded issuer."""
        token = issue_token(self._data, subject=subject, roles=roles, name=printed_name, credential=credential)
        return Person(subject, printed_name, token)

    def now(self) -> datetime:
        """Return the time on the services' clock."""
        return self._clock.now()

    def move_to(self, instant: datetime) -> None:
        """Move the services' clock forward.

        Raises:
            DemoError: it would go back.
        """
        if instant < self.now() - timedelta(seconds=1):
            raise DemoError(f"the demo's clock may not go back, from {self.now()} to {instant}")
        move_offset_clock(self._data.clock_offset, instant)

    async def call(self, method: Callable[..., Any], request: Any, person: Person) -> Any:
        """Call as a person; a write keeps its request id while it is tried again, so that it happens once.

        A service that is away, or has not heard yet of what another knows, answers UNAVAILABLE and is waited for.

        Raises:
            grpc.aio.AioRpcError: it was refused.
        """
        if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
            request.request_id = str(new_id())
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while True:
            try:
                return await method(request, timeout=CALL_SECONDS, metadata=bearer(person.token))
            except grpc.aio.AioRpcError as error:
                if error.code() not in _AWAY or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(0.1)

    async def until(self, what: str, look: Callable[[], Awaitable[T | None]]) -> T:
        """Wait until `look` finds something, and return it.

        Raises:
            DemoError: it did not come in time.
        """
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while (found := await look()) is None:
            if asyncio.get_running_loop().time() > deadline:
                raise DemoError(f"waited {WAIT_SECONDS:.0f} s for {what}")
            await asyncio.sleep(0.1)
        return found

    def mails(self) -> list[EmailMessage]:
        """Return every e-mail that the local sink took, oldest first."""
        files = sorted(self._data.mail.glob("*.eml"), key=lambda file: file.stat().st_mtime_ns)
        return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]

    async def message_settled(self, patient: str, session: str, rule: str, person: Person) -> Notification:
        """Wait until the message that a rule plans for a session, by e-mail, came to its end, and return it."""
        request = notifications_pb2.ListNotificationsRequest(patient=patient, session=session, page_size=1000)

        async def look() -> Notification | None:
            found = (await self.call(self.notifications.ListNotifications, request, person)).notifications
            return next((each for each in found if each.rule == rule and each.state not in _UNSETTLED), None)

        return await self.until(f"the message {rule} about {session}", look)

    def mail_of(self, notification: Notification) -> EmailMessage | None:
        """Return the e-mail that the local sink took of a notification."""
        sent = {attempt.message_id.strip("<>") for attempt in notification.attempts}
        return next((mail for mail in self.mails() if str(mail["Message-ID"]).strip("<>") in sent), None)


_UNSETTLED = frozenset({Notification.STATE_PLANNED, Notification.STATE_SENDING})
