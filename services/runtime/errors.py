"""Every error that may leave a service, and the one table that says with which status it does.

Standard library only, so that domain rules may raise these. A message tells the user what to do and carries no
personal data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from types import MappingProxyType


class StatusCode(IntEnum):
    """Status codes as google.rpc.Code numbers them."""

    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One fault of a request: the path of the field (`amounts[2].value`) and what to write instead."""

    path: str
    description: str


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that stands in the way: a stable code, the resource or field concerned, and what would resolve it."""

    code: str
    subject: str
    description: str


class DomainError(Exception):
    """Base of all errors that callers see. `reason` is stable and machine-readable."""

    def __init__(self, message: str, *, reason: str, metadata: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata = metadata


class InvalidArgumentError(DomainError):
    """The request is malformed; every fault at once."""

    def __init__(self, violations: Sequence[FieldViolation], *, reason: str = "INVALID_FIELDS") -> None:
        listed = "; ".join(f"{v.path}: {v.description}" for v in violations)
        super().__init__(f"Correct these fields: {listed}", reason=reason)
        self.violations = tuple(violations)


class NotFoundError(DomainError):
    """The resource is not there, or belongs to another organization, which a caller cannot tell apart."""

    def __init__(self, resource_name: str, *, reason: str = "NOT_FOUND") -> None:
        super().__init__(f"{resource_name} was not found; check its name", reason=reason)
        self.resource_name = resource_name


class AlreadyExistsError(DomainError):
    """Something else already holds that identity."""


class FailedPreconditionError(DomainError):
    """A rule refuses it; every blocker at once."""

    def __init__(self, message: str, *, reason: str, blockers: Sequence[Blocker] = ()) -> None:
        super().__init__(message, reason=reason)
        self.blockers = tuple(blockers)


class AbortedError(DomainError):
    """A race was lost or the caller's view is stale: read again, then decide again."""


class PermissionDeniedError(DomainError):
    """The caller is known and may not."""


class UnauthenticatedError(DomainError):
    """The caller is not known."""


class ResourceExhaustedError(DomainError):
    """Too much at once; `retry_after` says when to come back."""

    def __init__(self, message: str, *, reason: str, retry_after: timedelta = timedelta(seconds=1)) -> None:
        super().__init__(message, reason=reason)
        self.retry_after = retry_after


class UnavailableError(DomainError):
    """Something that is needed is away for the moment; the same call may be tried again."""


STATUS_OF: Mapping[type[DomainError], StatusCode] = MappingProxyType(
    {
        InvalidArgumentError: StatusCode.INVALID_ARGUMENT,
        NotFoundError: StatusCode.NOT_FOUND,
        AlreadyExistsError: StatusCode.ALREADY_EXISTS,
        FailedPreconditionError: StatusCode.FAILED_PRECONDITION,
        AbortedError: StatusCode.ABORTED,
        PermissionDeniedError: StatusCode.PERMISSION_DENIED,
        UnauthenticatedError: StatusCode.UNAUTHENTICATED,
        ResourceExhaustedError: StatusCode.RESOURCE_EXHAUSTED,
        UnavailableError: StatusCode.UNAVAILABLE,
    }
)


def status_of(error: DomainError) -> StatusCode:
    """Return the status of an error: that of its nearest class in the table."""
    for cls in type(error).__mro__:
        if cls in STATUS_OF:
            return STATUS_OF[cls]
    return StatusCode.INTERNAL
