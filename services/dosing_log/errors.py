"""What the dosing log refuses."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.dosing_log.domain.records import Finding, Severity
from services.runtime.errors import (
    AbortedError,
    AlreadyExistsError,
    Blocker,
    FailedPreconditionError,
    FieldViolation,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)


class DoseRefusedError(FailedPreconditionError):
    """The rules refuse a dose. Every hard and soft finding is a blocker; `codes` lists theirs."""

    def __init__(self, session_id: UUID, findings: Sequence[Finding]) -> None:
        refusing = [finding for finding in findings if finding.severity != Severity.WARNING]
        hard = any(finding.severity == Severity.HARD for finding in refusing)
        message = (
            "The dose is refused; resolve each of these"
            if hard
            else "A second person's override, which is not part of this release, could allow this dose; until then "
            "resolve each of these"
        )
        super().__init__(
            message,
            reason="DOSE_REFUSED" if hard else "OVERRIDE_REQUIRED",
            blockers=[Blocker(f.code, f"sessions/{session_id}", _explain(f)) for f in refusing],
        )


def _explain(finding: Finding) -> str:
    parts = [finding.description]
    if finding.value:
        parts.append(f"found {finding.value}")
    if finding.limit:
        parts.append(f"limit {finding.limit}")
    return "; ".join([*parts, f"source: {finding.source}"])


class NotReadyForDischargeError(FailedPreconditionError):
    """Conditions of discharge are not met; each is a blocker."""

    def __init__(self, blockers: Sequence[Blocker]) -> None:
        super().__init__("Discharge still needs these", reason="NOT_READY_FOR_DISCHARGE", blockers=blockers)


class SessionUnknownError(UnavailableError):
    """No event of this session has arrived. A name that is right is known as soon as the scheduler is back."""

    def __init__(self) -> None:
        super().__init__(
            "This session is not known here; check its name, and try again in a moment if it is right",
            reason="SESSION_NOT_KNOWN_YET",
        )


class CourseUnknownError(UnavailableError):
    """The course or protocol of the session has not arrived, so that no permission can be given."""

    def __init__(self) -> None:
        super().__init__(
            "The session's course or protocol is not known here yet; try again in a moment",
            reason="COURSE_NOT_KNOWN_YET",
        )


class StaleRecordError(AbortedError):
    """The record has another version or signature since it was read."""

    def __init__(self) -> None:
        super().__init__("The record has changed since it was read; read it again", reason="ETAG_STALE")


class RecordNotFoundError(NotFoundError):
    """There is no such record, or none at that time."""

    def __init__(self, record_id: UUID) -> None:
        super().__init__(f"records/{record_id}")


class NotAmendableError(FailedPreconditionError):
    """A decision of the server is not amended: ask for a new one."""

    def __init__(self) -> None:
        super().__init__(
            "An authorization is not amended; ask for a new one", reason="AUTHORIZATION_FIXED", blockers=()
        )


class AmendmentDeniedError(PermissionDeniedError):
    """Orders and discharges are amended by those who may make them."""

    def __init__(self) -> None:
        super().__init__("Only a supervisor amends an order or a discharge", reason="AMENDMENT_DENIED")


class WastageMismatchError(FailedPreconditionError):
    """What was wasted is not what the administration left over, or was recorded before."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message, reason=reason)


class SignatureDeniedError(PermissionDeniedError):
    """This person may not sign this with this meaning."""

    def __init__(self, why: str) -> None:
        super().__init__(why, reason="SIGNATURE_DENIED")


class AlreadySignedError(AlreadyExistsError):
    """This person signed this version with this meaning before."""

    def __init__(self) -> None:
        super().__init__("You have signed this version with this meaning", reason="ALREADY_SIGNED")


class PinRefusedError(PermissionDeniedError):
    """The second component of a signature is missing, wrong or locked."""

    @classmethod
    def missing(cls) -> "PinRefusedError":
        """Return the error for a signature outside a continuous session."""
        return cls("Send your signing PIN", reason="PIN_REQUIRED")

    @classmethod
    def wrong(cls) -> "PinRefusedError":
        """Return the error for a wrong PIN."""
        return cls("The PIN is wrong; after five wrong ones it is locked for 15 minutes", reason="PIN_WRONG")

    @classmethod
    def locked(cls, until: datetime) -> "PinRefusedError":
        """Return the error for a PIN that is locked."""
        return cls(f"The PIN is locked until {until.isoformat(timespec='seconds')}", reason="PIN_LOCKED")


class PinNotSetError(FailedPreconditionError):
    """The signer has no PIN yet."""

    def __init__(self) -> None:
        super().__init__("Set a signing PIN first", reason="PIN_NOT_SET")


class LotExistsError(AlreadyExistsError):
    """The clinic has this lot of the product."""

    def __init__(self) -> None:
        super().__init__("The clinic has this lot number of this product already", reason="LOT_EXISTS")


def invalid(path: str, description: str) -> InvalidArgumentError:
    """Return the error for one field that only stored facts could show to be wrong."""
    return InvalidArgumentError([FieldViolation(path, description)])


class OpeningNotFoundError(NotFoundError):
    """No entry has this event id."""

    def __init__(self, event_id: UUID) -> None:
        super().__init__(f"ledgerOpenings/{event_id}")


class CheckpointNotFoundError(NotFoundError):
    """Nothing was signed yet."""

    def __init__(self) -> None:
        super().__init__("The first checkpoint")


class LotNotFoundError(NotFoundError):
    """There is no such lot."""

    def __init__(self, lot_id: UUID) -> None:
        super().__init__(f"lots/{lot_id}")
