"""Errors as they leave in a gRPC status, with google.rpc details, and as a client reads them back."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from services.runtime.errors import (
    DomainError,
    FailedPreconditionError,
    InvalidArgumentError,
    ResourceExhaustedError,
    StatusCode,
    status_of,
)

DOMAIN = "kat"
DETAILS_KEY = "grpc-status-details-bin"
GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}
# A client takes 8 KiB of trailing metadata by default. The message goes out twice, once percent-encoded (three bytes
# for one at worst), and the details in base64.
MAXIMUM_MESSAGE_BYTES = 600
MAXIMUM_DETAIL_BYTES = 3_500
Violation = TypeVar("Violation", bound=Message)


def status_message(error: DomainError) -> status_pb2.Status:
    """Return the google.rpc.Status of an error: code, message, ErrorInfo and violations or blockers, as many as fit."""
    message = error.message.encode()[:MAXIMUM_MESSAGE_BYTES].decode(errors="ignore")
    status = status_pb2.Status(code=int(status_of(error)), message=message)
    for detail in _details(error):
        status.details.add().Pack(detail)
    return status


def internal_status(correlation_id: str) -> status_pb2.Status:
    """Return the status of a defect of ours: nothing but an id that the log line carries too."""
    status = status_pb2.Status(code=int(StatusCode.INTERNAL), message=f"Internal error; report the id {correlation_id}")
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN, metadata={"correlation_id": correlation_id})
    status.details.add().Pack(info)
    return status


def _details(error: DomainError) -> Iterator[Message]:
    yield error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=dict(error.metadata))
    match error:
        case InvalidArgumentError():
            field = error_details_pb2.BadRequest.FieldViolation
            faults = [field(field=found.path, description=found.description) for found in error.violations]
            yield error_details_pb2.BadRequest(field_violations=_fitting(faults, field))
        case FailedPreconditionError() if error.blockers:
            rule = error_details_pb2.PreconditionFailure.Violation
            broken = [rule(type=b.code, subject=b.subject, description=b.description) for b in error.blockers]
            yield error_details_pb2.PreconditionFailure(violations=_fitting(broken, rule))
        case ResourceExhaustedError():
            info = error_details_pb2.RetryInfo()
            info.retry_delay.FromTimedelta(error.retry_after)
            yield info


def _fitting(violations: Sequence[Violation], kind: Callable[..., Violation]) -> list[Violation]:
    """Return the violations; where they are too many for a client, the first ones and how many more there are."""
    size = 0
    for count, violation in enumerate(violations):
        size += violation.ByteSize() + 4
        if size > MAXIMUM_DETAIL_BYTES:
            return [*violations[:count], kind(description=f"and {len(violations) - count} more")]
    return list(violations)


def status_from(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """Return the google.rpc.Status that a call failed with, as far as the server sent one."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status(code=error.code().value[0], message=error.details() or "")


def reason_of(status: status_pb2.Status) -> str:
    """Return the stable reason of a status, or "" where it has none."""
    info = error_details_pb2.ErrorInfo()
    return next((info.reason for detail in status.details if detail.Unpack(info)), "")


def violations_of(status: status_pb2.Status) -> list[tuple[str, str, str]]:
    """Return every (code or "FIELD", subject or path, description) of a status."""
    request, precondition = error_details_pb2.BadRequest(), error_details_pb2.PreconditionFailure()
    found: list[tuple[str, str, str]] = []
    for detail in status.details:
        if detail.Unpack(request):
            found += [("FIELD", v.field, v.description) for v in request.field_violations]
        elif detail.Unpack(precondition):
            found += [(v.type, v.subject, v.description) for v in precondition.violations]
    return found
