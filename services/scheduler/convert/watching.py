"""Watching: what is asked for, and what is told."""

import base64
import binascii
import json
from uuid import UUID

from kat.scheduler.v1 import session_pb2
from services.runtime.fields import Fields
from services.scheduler.convert.session import session_message
from services.scheduler.domain.changes import Position, Watched
from services.scheduler.domain.session import Session

_MAXIMUM_CLINICS = 100
_LARGEST = 2**63 - 1


def watched(request: session_pb2.WatchSessionsRequest) -> tuple[Watched, Position | None]:
    """Read which sessions are to be watched, and from which position on; None where it is from now on.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    if len(request.clinics) > _MAXIMUM_CLINICS:
        fields.fault("clinics", f"name at most {_MAXIMUM_CLINICS}, or none for all")
    clinics = [fields.name(f"clinics[{n}]", name, "clinics") for n, name in enumerate(request.clinics)]
    wanted = Watched(
        clinic_ids=frozenset(clinics),
        patient_id=fields.optional_name("patient", request.patient, "patients"),
        course_id=fields.optional_name("course", request.course, "courses"),
    )
    position = _position(request.position) if request.position else None
    if request.position and position is None:
        fields.fault("position", "send the last position that was read, or nothing")
    fields.check()
    return wanted, position


def watch_message(position: Position, session: Session | None) -> session_pb2.WatchSessionsResponse:
    """Return what a watcher is told."""
    return session_pb2.WatchSessionsResponse(
        session=session_message(session) if session else None, position=_position_text(position)
    )


def _position_text(position: Position) -> str:
    parts = [str(position.feed_id), position.transaction_id, position.change_id, position.microsecond]
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def _position(text: str) -> Position | None:
    """Return the position that a text says, or None where it says none of ours."""
    try:
        feed_id, *numbers = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        transaction_id, change_id, microsecond = numbers
        position = Position(UUID(feed_id), transaction_id, change_id, microsecond)
    except (ValueError, binascii.Error, TypeError, AttributeError, RecursionError):
        return None
    sound = all(type(number) is int and 0 <= number <= _LARGEST for number in numbers)
    # One spelling alone, so that a position can be compared by its text.
    return position if sound and _position_text(position) == text else None
