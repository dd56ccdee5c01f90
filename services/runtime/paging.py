"""Pages: sizes, and tokens that continue exactly the question that they came from."""

import base64
import binascii
import hashlib
import json

from google.protobuf.message import Message

from services.runtime.errors import FieldViolation, InvalidArgumentError

DEFAULT_PAGE_SIZE = 50
MAXIMUM_PAGE_SIZE = 1_000


def page_size(requested: int, *, default: int = DEFAULT_PAGE_SIZE, maximum: int = MAXIMUM_PAGE_SIZE) -> int:
    """Return how many rows to answer with.

    Raises:
        InvalidArgumentError: a negative size was asked for.
    """
    if requested < 0:
        raise InvalidArgumentError([FieldViolation("page_size", "write 0 or more")])
    return min(requested or default, maximum)


def encode_token(request: Message, *position: str) -> str:
    """Return the token that continues `request` after the row at `position` (its sort key, as text)."""
    content = json.dumps([_question(request), *position], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def decode_token(request: Message) -> tuple[str, ...] | None:
    """Return the position that the request's `page_token` continues after, or None for the first page.

    Raises:
        InvalidArgumentError: the token is not one of ours or belongs to another question.
    """
    token: str = request.page_token  # type: ignore[attr-defined]  # every list request has it, by contract test
    if not token:
        return None
    try:
        question, *position = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, binascii.Error, TypeError, RecursionError):
        question, position = "", []
    if question != _question(request) or not all(isinstance(part, str) for part in position):
        fault = "send the next_page_token of the page before, with the same filters, or nothing"
        raise InvalidArgumentError([FieldViolation("page_token", fault)])
    return tuple(position)


def _question(request: Message) -> str:
    asked = type(request)()
    asked.CopyFrom(request)
    asked.ClearField("page_token")
    asked.ClearField("page_size")
    content = type(request).DESCRIPTOR.full_name.encode() + b"\0" + asked.SerializeToString(deterministic=True)
    return hashlib.sha256(content).hexdigest()[:16]
