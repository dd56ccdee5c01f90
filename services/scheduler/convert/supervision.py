"""Hand-overs from messages."""

from kat.scheduler.v1 import session_pb2
from services.runtime.fields import Fields
from services.scheduler.convert.common import optional_instant
from services.scheduler.use_cases.supervising import HandOver


def hand_over(request: session_pb2.HandOverSupervisionRequest) -> HandOver:
    """Read which session is handed over, to whom, and when.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    command = HandOver(
        session_id=fields.name("name", request.name, "sessions"),
        etag=fields.text("etag", request.etag, maximum=100),
        hand_over_time=optional_instant(fields, "hand_over_time", request),
        supervisor_id=fields.optional_name("supervisor", request.supervisor, "practitioners"),
    )
    fields.check()
    return command
