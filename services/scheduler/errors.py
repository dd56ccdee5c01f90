"""What the scheduler refuses, and what the caller can do about it."""

from collections.abc import Sequence
from uuid import UUID

from services.runtime.errors import AbortedError, AlreadyExistsError, FailedPreconditionError, ResourceExhaustedError
from services.runtime.errors import Blocker as StatusBlocker
from services.scheduler.domain.blockers import Blocker


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


class ScreeningRefusedError(FailedPreconditionError):
    """A screening cannot be accepted: every blocker."""

    def __init__(self, blockers: Sequence[StatusBlocker]) -> None:
        listed = "; ".join(blocker.description for blocker in blockers)
        super().__init__(
            f"The screening cannot be accepted: {listed}", reason="SCREENING_REFUSED", blockers=tuple(blockers)
        )


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


def _described(blockers: Sequence[Blocker]) -> list[str]:
    return list(dict.fromkeys(f"{blocker.code}: {blocker.description}" for blocker in blockers))


def _for_status(blockers: Sequence[Blocker], subject: str) -> list[StatusBlocker]:
    return [
        StatusBlocker(blocker.code, name, blocker.description)
        for blocker in blockers
        for name in [f"sessions/{session}" for session in blocker.sessions] or [subject]
    ]
