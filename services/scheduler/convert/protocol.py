"""Protocols as messages."""

from collections.abc import Iterable

from kat.common.v1 import protocol_pb2
from kat.common.v1.common_pb2 import Quantity
from kat.scheduler.v1.course_pb2 import (
    InstallDefaultProtocolsResponse,
    ListProtocolsRequest,
    ListProtocolsResponse,
)
from services.runtime.fields import timestamp
from services.runtime.names import format_name
from services.scheduler.convert.common import next_token
from services.scheduler.domain.protocol import Limit, Protocol
from services.scheduler.ports.paging import Listing


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
