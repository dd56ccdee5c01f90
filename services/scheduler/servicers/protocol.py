"""ProtocolService."""

from collections.abc import Sequence
from typing import Any

import grpc

from kat.common.v1.protocol_pb2 import Protocol
from kat.scheduler.v1 import course_pb2
from kat.scheduler.v1.course_pb2_grpc import ProtocolServiceServicer
from services.runtime.clock import Clock
from services.scheduler.convert.common import page_of, resource
from services.scheduler.convert.protocol import (
    create_protocol_definition,
    installed_message,
    protocol_message,
    protocols_message,
)
from services.scheduler.domain.protocol import ProtocolDefinition
from services.scheduler.servicers.calls import Calls
from services.scheduler.use_cases.protocols import create_protocol, install_protocols

Context = grpc.aio.ServicerContext[Any, Any]


class ProtocolServicer(ProtocolServiceServicer):
    """Serves protocols. `defaults` are those that the suite ships."""

    def __init__(self, calls: Calls, clock: Clock, defaults: Sequence[ProtocolDefinition]) -> None:
        self._calls = calls
        self._clock = clock
        self._defaults = defaults

    async def InstallDefaultProtocols(  # noqa: N802 - the contract's name
        self, request: course_pb2.InstallDefaultProtocolsRequest, _context: Context
    ) -> course_pb2.InstallDefaultProtocolsResponse:
        """Take the shipped protocols into use."""
        return await self._calls.write(
            request,
            course_pb2.InstallDefaultProtocolsResponse,
            lambda unit: install_protocols(self._defaults, unit, self._clock),
            installed_message,
        )

    async def CreateProtocol(  # noqa: N802 - the contract's name
        self, request: course_pb2.CreateProtocolRequest, _context: Context
    ) -> Protocol:
        """Take a definition of the organization's own into use."""
        definition = create_protocol_definition(request)
        return await self._calls.write(
            request, Protocol, lambda unit: create_protocol(definition, unit, self._clock), protocol_message
        )

    async def GetProtocol(self, request: course_pb2.GetProtocolRequest, _context: Context) -> Protocol:  # noqa: N802 - the contract's name
        """Return one protocol version."""
        async with self._calls.reading() as unit:
            return protocol_message(await unit.protocols.get(resource(request.name, "protocols")))

    async def ListProtocols(  # noqa: N802 - the contract's name
        self, request: course_pb2.ListProtocolsRequest, _context: Context
    ) -> course_pb2.ListProtocolsResponse:
        """List protocols."""
        async with self._calls.reading() as unit:
            return protocols_message(request, await unit.protocols.page(page_of(request), code=request.code))
