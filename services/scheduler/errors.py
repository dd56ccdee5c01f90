"""What the scheduler refuses, and what the caller can do about it."""

from collections.abc import Sequence
from uuid import UUID
from zoneinfo import ZoneInfo

from services.runtime.errors import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    PermissionDeniedError,
    ResourceExhaustedError,
)
from services.runtime.errors import Blocker as StatusBlocker
from services.scheduler.domain.blockers import Blocker
from services.scheduler.domain.extension import Hit


class BookingRefusedError(FailedPreconditionError):
    """A booking breaks promises: every blocker, one for each session in the way.

    Args:
        subject: the resource that a blocker concerns where no session is in the way, such as "courses/…".
    """

    def __init__(self, blockers: Sequence[Blocker], subject: str) -> None:
        self.named = tuple(blockers)
        super().__init__(
            "This cannot be booked; resolve every blocker: " + "; ".join(_described(blockers)),
            reason="BOOKING_REFUSED",
            blockers=_for_status(blockers, subject),
        )


class ExtensionRefusedError(FailedPreconditionError):
    """A session cannot end later while others stand in the way: each, with a proposed move."""

    def __init__(self, hits: Sequence[Hit], subject: str) -> None:
        self.hits = tuple(hits)
        super().__init__(
            f"{subject} would run into {len(hits)} sessions; send a move for each, such as the one proposed",
            reason="EXTENSION_REFUSED",
            blockers=[StatusBlocker(hit.code, hit.session.name, _proposal(hit)) for hit in hits],
        )


class ScreeningRefusedError(FailedPreconditionError):
    """A screening cannot be accepted: every blocker."""

    def __init__(self, blockers: Sequence[StatusBlocker]) -> None:
        listed = "; ".join(blocker.description for blocker in blockers)
        super().__init__(
            f"The screening cannot be accepted: {listed}", reason="SCREENING_REFUSED", blockers=tuple(blockers)
        )


class CourseChangeRefusedError(FailedPreconditionError):
    """A course cannot be changed like this: every blocker."""

    def __init__(self, blockers: Sequence[StatusBlocker]) -> None:
        listed = "; ".join(f"{blocker.code}: {blocker.description}" for blocker in blockers)
        super().__init__(
            f"The course cannot be changed like this; resolve every blocker: {listed}",
            reason="COURSE_CHANGE_REFUSED",
            blockers=tuple(blockers),
        )


class SignInNotRecentError(PermissionDeniedError):
    """Who signs proved who they are too long ago."""

    def __init__(self) -> None:
        super().__init__("Sign in again and sign within 15 minutes of it", reason="SIGN_IN_NOT_RECENT")


class CheckInRefusedError(FailedPreconditionError):
    """The patient of a session cannot be checked in now."""

    def __init__(self, blockers: Sequence[StatusBlocker]) -> None:
        listed = "; ".join(blocker.description for blocker in blockers)
        super().__init__(
            f"The patient cannot be checked in: {listed}", reason="CHECK_IN_REFUSED", blockers=tuple(blockers)
        )


class WrongStateError(FailedPreconditionError):
    """The resource is not in a state in which this can be done."""

    def __init__(self, name: str, state: str, needed: str) -> None:
        super().__init__(f"{name} is {state}; this can be done only while it is {needed}", reason="WRONG_STATE")


class NotYetDueError(FailedPreconditionError):
    """A session has not begun, so nobody can have missed it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has not begun; a no-show is recorded after its start", reason="NOT_YET_DUE")


class DoseRecordedError(FailedPreconditionError):
    """A dose was given in the session, so it took place."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A dose was given in {name}, so it took place; amend the dose record first", reason="DOSE_RECORDED"
        )


class StaleEtagError(AbortedError):
    """The resource was changed since the caller read it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was changed since you read it; read it again, then decide", reason="STALE_ETAG")


class RaceLostError(AbortedError):
    """Another change took a place at the same moment; looking again shows what stands in the way."""

    def __init__(self) -> None:
        super().__init__("Another change came in between; read again and retry", reason="RACE_LOST")


class PositionExpiredError(FailedPreconditionError):
    """What came after a position cannot be told any more: it is too old, or of a database with another past."""

    def __init__(self) -> None:
        super().__init__(
            "What changed since this position is not known here any more; list anew, and watch without a position",
            reason="POSITION_EXPIRED",
        )


class TooManyWatchersError(ResourceExhaustedError):
    """As many watch as this replica bears."""

    def __init__(self) -> None:
        super().__init__(
            "Too many watch here already; try again shortly, or at another replica", reason="TOO_MANY_WATCHERS"
        )


class CourseOpenError(AlreadyExistsError):
    """The patient already has an open course of that protocol."""

    def __init__(self, course_id: UUID) -> None:
        name = f"courses/{course_id}"
        super().__init__(
            f"{name} of that protocol is open; use it, or end it first", reason="COURSE_OPEN", metadata={"course": name}
        )


class WaitingAlreadyError(AlreadyExistsError):
    """The course is on the waiting list already."""

    def __init__(self, waitlist_entry_id: UUID) -> None:
        name = f"waitlistEntries/{waitlist_entry_id}"
        super().__init__(
            f"The course waits already, as {name}; leave the list first to wait for something else",
            reason="WAITING_ALREADY",
            metadata={"waitlist_entry": name},
        )


class IdentifierTakenError(AlreadyExistsError):
    """Another resource of the kind already has the external identifier."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} already has that identifier; update it, or give another identifier",
            reason="IDENTIFIER_TAKEN",
            metadata={"resource": name},
        )


class NotYourFeedError(PermissionDeniedError):
    """The caller handles the calendar feeds of their own schedule alone."""

    def __init__(self) -> None:
        super().__init__(
            "Your role handles feeds of your own schedule alone: of the practitioner whose `subject` is your `sub`",
            reason="NOT_YOUR_FEED",
        )


class CalendarFeedsOffError(FailedPreconditionError):
    """Calendar feeds are not set up."""

    def __init__(self) -> None:
        super().__init__(
            "Calendar feeds are not set up here; whoever operates the scheduler can set calendar_base_url and "
            "calendar_secret_file",
            reason="CALENDAR_FEEDS_OFF",
        )


def _described(blockers: Sequence[Blocker]) -> list[str]:
    return list(dict.fromkeys(f"{blocker.code}: {blocker.description}" for blocker in blockers))


def _for_status(blockers: Sequence[Blocker], subject: str) -> list[StatusBlocker]:
    return [
        StatusBlocker(blocker.code, name, blocker.description)
        for blocker in blockers
        for name in [f"sessions/{session}" for session in blocker.sessions] or [subject]
    ]


def _proposal(hit: Hit) -> str:
    slot = hit.proposal
    if slot is None:
        return "no free slot is near; cancel it, or choose another clinic or date"
    local = slot.interval.start.astimezone(ZoneInfo(slot.time_zone))
    return f"could stand on {local:%Y-%m-%d} at {local:%H:%M} in rooms/{slot.room_id}"
