"""The scheduler's events out of messages. A malformed one is a ValueError: it can never be applied."""

from decimal import Decimal, InvalidOperation
from typing import Any

from kat.common.v1.protocol_pb2 import Protocol as ProtocolMessage
from kat.events.v1 import events_pb2
from services.dosing_log.convert import values
from services.dosing_log.domain.protocols import Limit, Protocol
from services.dosing_log.domain.sessions import Course, Session
from services.dosing_log.domain.values import Quantity
from services.runtime.errors import InvalidArgumentError
from services.runtime.fields import Fields
from services.runtime.names import parse_name


def session(snapshot: events_pb2.SessionSnapshot, *, cancelled: bool) -> Session:
    """Read a session as it stands after a change.

    Raises:
        ValueError: it is malformed.
    """
    fields = Fields()
    interval: Any = snapshot.interval
    read = Session(
        session_id=parse_name(snapshot.session, "sessions"),
        patient_id=parse_name(snapshot.patient, "patients"),
        course_id=parse_name(snapshot.course, "courses"),
        protocol_id=parse_name(snapshot.protocol, "protocols"),
        clinic_id=parse_name(snapshot.clinic, "clinics"),
        revision=snapshot.revision,
        ordinal=snapshot.ordinal,
        start_time=fields.instant("interval.start_time", interval, "start_time"),
        end_time=fields.instant("interval.end_time", interval, "end_time"),
        time_zone=fields.time_zone("interval.time_zone", interval.time_zone),
        supervisor_subjects=tuple(snapshot.supervisor_subjects),
        cancelled=cancelled,
    )
    _check(fields)
    return read


def course(event: Any) -> Course:
    """Read a course as it stands when it is activated, or after a change.

    Raises:
        ValueError: it is malformed.
    """
    fields = Fields()
    read = Course(
        course_id=parse_name(event.course, "courses"),
        patient_id=parse_name(event.patient, "patients"),
        protocol_id=parse_name(event.protocol, "protocols"),
        adult_date=fields.date("adult_date", event, "adult_date"),
        consent_expire_date=fields.date("consent_expire_date", event, "consent_expire_date"),
        contraindications=tuple(event.contraindications),
    )
    _check(fields)
    return read


def protocol(message: ProtocolMessage) -> Protocol:
    """Read a protocol version.

    Raises:
        ValueError: it is malformed.
    """
    fields = Fields()
    read = Protocol(
        protocol_id=parse_name(message.name, "protocols"),
        code=message.code,
        version=message.version,
        title=message.title,
        substance=fields.enum("substance", message.substance, values.SUBSTANCES),
        route=fields.enum("route", message.route, values.ROUTES),
        limits=tuple(_limit(fields, limit) for limit in message.limits),
    )
    _check(fields)
    return read


def _limit(fields: Fields, message: Any) -> Limit:
    try:
        value = Decimal(message.value.value)
    except InvalidOperation:
        raise ValueError("a limit is not a decimal") from None
    mark = fields.enum("mark", message.mark, values.MARKS)
    return Limit(message.code, Quantity(value, message.value.unit), message.source, mark)


def _check(fields: Fields) -> None:
    """Turn faults into the error that rejects an event."""
    try:
        fields.check()
    except InvalidArgumentError as fault:
        raise ValueError(str(fault)) from fault
