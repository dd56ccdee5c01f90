"""What the use cases need of the world, for one organization and inside one transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from services.notifications.domain.delivery import SendOutcome
from services.notifications.domain.notification import Attempt, Notification, Session, StaffTask, State, TaskCode
from services.notifications.domain.people import (
    Channel,
    Consent,
    ContactPoint,
    Profile,
    Recipient,
    SenderProfile,
    VerifySource,
)


class Lock(StrEnum):
    """How a row is held until the transaction ends: against changes, or against everybody."""

    NONE = "none"
    SHARE = "share"
    UPDATE = "update"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Who says that a contact point is the person's, and when."""

    time: datetime
    source: VerifySource
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewContactPoint:
    """A contact point to be kept; `verification` where somebody vouches for it."""

    patient_id: UUID
    channel: Channel
    value: str = field(repr=False)
    verification: Verification | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConsent:
    """A decision to be added to the history, and who recorded it."""

    patient_id: UUID
    consent: Consent
    recorded_by: str


class Recipients(Protocol):
    """People, their contact points and their consents."""

    async def get(self, patient_id: UUID, *, lock: Lock = Lock.NONE) -> Recipient | None:
        """Return a person as they stand now."""
        ...

    async def profiles(self, patient_ids: Collection[UUID], *, lock: Lock = Lock.NONE) -> Mapping[UUID, Profile]:
        """Return the profiles of those who are known."""
        ...

    async def save_profiles(self, profiles: Sequence[Profile]) -> None:
        """Add or change people."""
        ...

    async def add_contact_points(self, points: Sequence[NewContactPoint]) -> None:
        """Add contact points; one that the person has only becomes verified, where it was not."""
        ...

    async def verify_contact_point(
        self, patient_id: UUID, contact_point_id: UUID, verification: Verification
    ) -> ContactPoint | None:
        """Note a verification, unless there is one, and return the contact point; None where it is not the person's."""
        ...

    async def record_consents(self, consents: Sequence[NewConsent]) -> None:
        """Add decisions to the history; one that is in it already is not added twice."""
        ...

    async def touch(self, patient_id: UUID) -> None:
        """Note that something of a person changed, so that their etag does."""
        ...

    async def sender_profile(self, clinic_id: UUID) -> SenderProfile | None:
        """Return how a clinic names itself."""
        ...

    async def save_sender_profiles(self, profiles: Sequence[SenderProfile]) -> None:
        """Add or change sender profiles."""
        ...


class Sessions(Protocol):
    """What is known of sessions."""

    async def get(self, session_id: UUID, *, lock: Lock = Lock.NONE) -> Session | None:
        """Return a session."""
        ...

    async def save(self, session: Session) -> None:
        """Add a session or its newer revision."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationFilter:
    """Which notifications are asked for; an empty field asks for all. `after` is (due time, id) of the last seen."""

    patient_id: UUID | None = None
    session_id: UUID | None = None
    states: Collection[State] = ()
    after: tuple[datetime, UUID] | None = None


class Notifications(Protocol):
    """The notifications, each also a work item."""

    async def add(self, notification: Notification) -> bool:
        """Add one; False where its key is taken, and nothing was added."""
        ...

    async def cancel_planned(self, session_id: UUID, *, below_revision: int, reason: str, step: str) -> None:
        """Cancel what is planned about older revisions of a session."""
        ...

    async def planned_for(self, patient_ids: Collection[UUID]) -> Sequence[Notification]:
        """Return what is planned for these people, locked."""
        ...

    async def move(self, notification_id: UUID, *, due_time: datetime, step: str) -> None:
        """Change when a planned one is due."""
        ...

    async def hold(self, claimed: Notification) -> Notification | None:
        """Lock a claimed one and return it as it is now; None where the claim is lost or it is not open any more."""
        ...

    async def sent_since(self, patient_id: UUID, since: datetime, *, apart_from: UUID) -> int:
        """Return how many other messages went, or are going, to a person since then."""
        ...

    async def start_attempt(self, held: Notification, attempt: Attempt) -> None:
        """Note that sending begins: from the commit on it may have been sent."""
        ...

    async def end_attempt(self, attempt_id: UUID, outcome: str, at: datetime) -> None:
        """Note how an attempt ended, unless that is known."""
        ...

    async def cut_off_attempts(self, held: Notification) -> None:
        """Note of attempts without an end that nobody knows it."""
        ...

    async def end(self, held: Notification, state: State, reason: str, step: str) -> None:
        """Write a final state and let go of the claim."""
        ...

    async def defer(
        self, held: Notification, until: datetime, reason: str, step: str, *, may_have_been_sent: bool
    ) -> None:
        """Give a claimed one back, planned for later."""
        ...

    async def get(self, notification_id: UUID) -> Notification | None:
        """Return one."""
        ...

    async def page(self, asked: NotificationFilter, limit: int) -> Sequence[Notification]:
        """Return those asked for, by due time."""
        ...

    async def attempts(self, notification_ids: Collection[UUID]) -> Mapping[UUID, Sequence[Attempt]]:
        """Return every attempt of these, the first first."""
        ...


class StaffTasks(Protocol):
    """What people have to do."""

    async def open(self, code: TaskCode, patient_id: UUID, notification_id: UUID | None, at: datetime) -> None:
        """Open a task, unless the same is open."""
        ...

    async def get(self, task_id: UUID, *, lock: Lock = Lock.NONE) -> StaffTask | None:
        """Return one."""
        ...

    async def resolve(self, task_id: UUID, *, at: datetime, resolution: str, subject: str) -> None:
        """Close one."""
        ...

    async def page(
        self, *, include_resolved: bool, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[StaffTask]:
        """Return tasks, the oldest first."""
        ...


class UnitOfWork(Protocol):
    """All of one organization's, in one transaction."""

    @property
    def organization_id(self) -> UUID:
        """The organization."""
        ...

    @property
    def recipients(self) -> Recipients:
        """People."""
        ...

    @property
    def sessions(self) -> Sessions:
        """Sessions."""
        ...

    @property
    def notifications(self) -> Notifications:
        """Notifications."""
        ...

    @property
    def staff_tasks(self) -> StaffTasks:
        """Tasks."""
        ...


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message ready to be written to a provider."""

    to: str = field(repr=False)
    content: bytes = field(repr=False)


class Composer(Protocol):
    """Turns a notification into a message."""

    def newest_version(self, template: str) -> int:
        """Return the version of a template that new notifications get."""
        ...

    def new_message_id(self) -> str:
        """Return a Message-ID that means nothing."""
        ...

    def compose(
        self,
        notification: Notification,
        *,
        message_id: str,
        to: ContactPoint,
        profile: Profile,
        sender: SenderProfile,
        session: Session | None,
        now: datetime,
    ) -> Envelope:
        """Return the message.

        Raises:
            BlockedTermError: it would say what may not leave.
        """
        ...


class LastCheck(Protocol):
    """Asked just before a message is written."""

    async def __call__(self) -> bool:
        """Say whether it may still go out."""
        ...


class Mailer(Protocol):
    """A provider of e-mail."""

    async def send(self, envelope: Envelope, *, last_check: LastCheck) -> SendOutcome:
        """Hand a message over and say what became of it; never raises for what a provider does."""
        ...
