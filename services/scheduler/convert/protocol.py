"""Protocols as messages."""

import re
from collections.abc import Iterable
from typing import Any

from kat.common.v1 import protocol_pb2
from kat.common.v1.common_pb2 import Quantity
from kat.scheduler.v1.course_pb2 import (
    CreateProtocolRequest,
    InstallDefaultProtocolsResponse,
    ListProtocolsRequest,
    ListProtocolsResponse,
)
from services.runtime.fields import Fields, timestamp
from services.runtime.names import format_name
from services.scheduler.convert.common import next_token
from services.scheduler.domain.protocol import (
    LIMIT_UNITS,
    Limit,
    LimitCode,
    Mark,
    Protocol,
    ProtocolDefinition,
    Route,
    Substance,
    faults_of,
)
from services.scheduler.ports.paging import Listing

_SUBSTANCES: dict[int, Substance] = {protocol_pb2.Substance.Value(f"SUBSTANCE_{one.name}"): one for one in Substance}
_ROUTES: dict[int, Route] = {protocol_pb2.Route.Value(f"ROUTE_{one.name}"): one for one in Route}
_MARKS: dict[int, Mark] = {protocol_pb2.Mark.Value(f"MARK_{one.name}"): one for one in Mark}
_CODES: dict[str, LimitCode] = {str(code): code for code in LimitCode}
_UNITS = frozenset(unit for units in LIMIT_UNITS.values() for unit in units)
_CODE = re.compile(r"[a-z][a-z0-9_]{1,49}")
_MAXIMUM_LIMITS = 200


def create_protocol_definition(request: CreateProtocolRequest) -> ProtocolDefinition:
    """Read a definition of the organization's own.

    Raises:
        InvalidArgumentError: every fault: malformed fields; if there are none, limits that are missing, unknown, in
            another unit, or unsafe.
    """
    fields, message = Fields(), request.protocol
    if not _CODE.fullmatch(message.code):
        fields.fault("protocol.code", 'write 2 to 50 lower-case letters, digits and "_", such as "iv_racemic"')
    if len(message.limits) > _MAXIMUM_LIMITS:
        fields.fault("protocol.limits", f"write at most {_MAXIMUM_LIMITS}")
    known = [_limit(fields, f"protocol.limits[{n}]", limit) for n, limit in enumerate(message.limits)]
    definition = ProtocolDefinition(
        code=message.code,
        version=1,
        title=fields.text("protocol.title", message.title, maximum=200),
        substance=fields.enum("protocol.substance", message.substance, _SUBSTANCES),
        route=fields.enum("protocol.route", message.route, _ROUTES),
        limits=tuple(limit for limit in known if limit is not None),
        no_show_counts=message.no_show_counts,
    )
    if message.route in _ROUTES:
        places = {limit.code: f"protocol.limits[{n}]" for n, limit in enumerate(known) if limit is not None}
        for fault in faults_of(definition):
            fields.fault(places.get(fault.code, "protocol.limits"), str(fault))
    fields.check()
    return definition


def _limit(fields: Fields, path: str, message: Any) -> Limit | None:
    code = _CODES.get(message.code)
    if code is None:
        fields.fault(f"{path}.code", "no limit has this code")
    value, unit = fields.quantity(f"{path}.value", message, "value", units=_UNITS)
    source = fields.text(f"{path}.source", message.source, minimum=0, maximum=500)
    mark = fields.enum(f"{path}.mark", message.mark, _MARKS)
    return Limit(code, value.normalize(), unit, source, mark) if code else None


def protocol_message(protocol: Protocol) -> protocol_pb2.Protocol:
    """Return a protocol."""
    return protocol_pb2.Protocol(
        name=format_name("protocols", protocol.protocol_id),
        code=protocol.code,
        version=protocol.version,
        title=protocol.title,
        substance=protocol_pb2.Substance.Value(f"SUBSTANCE_{protocol.substance.name}"),
        route=protocol_pb2.Route.Value(f"ROUTE_{protocol.route.name}"),
        limits=[_limit_message(limit) for limit in protocol.limits],
        no_show_counts=protocol.no_show_counts,
        create_time=timestamp(protocol.create_time),
    )


def installed_message(protocols: Iterable[Protocol]) -> InstallDefaultProtocolsResponse:
    """Return the shipped protocols."""
    return InstallDefaultProtocolsResponse(protocols=[protocol_message(protocol) for protocol in protocols])


def protocols_message(request: ListProtocolsRequest, listing: Listing[Protocol]) -> ListProtocolsResponse:
    """Return a page of protocols."""
    return ListProtocolsResponse(
        protocols=[protocol_message(protocol) for protocol in listing.items],
        next_page_token=next_token(request, listing),
    )


def _limit_message(limit: Limit) -> protocol_pb2.Limit:
    return protocol_pb2.Limit(
        code=limit.code,
        value=Quantity(value=format(limit.value, "f"), unit=limit.unit),
        source=limit.source,
        mark=protocol_pb2.Mark.Value(f"MARK_{limit.mark.name}"),
    )
