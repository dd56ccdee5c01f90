"""Taking protocols into use."""

from collections.abc import Sequence

from services.runtime.clock import Clock
from services.runtime.errors import FieldViolation, InvalidArgumentError
from services.scheduler.domain.protocol import Protocol, ProtocolDefinition
from services.scheduler.ports.unit import UnitOfWork


async def create_protocol(definition: ProtocolDefinition, unit: UnitOfWork, clock: Clock) -> Protocol:
    """Take a definition of the organization's own into use as the next version of its code, and tell of it.

    Raises:
        InvalidArgumentError: versions of that code are for another substance or route.
        RaceLostError: another version of it was created at the same moment.
    """
    newest = await unit.protocols.newest(definition.code)
    if newest is not None and (newest.substance, newest.route) != (definition.substance, definition.route):
        fault = f"versions of this code are for {newest.substance}, {newest.route}; choose another code"
        raise InvalidArgumentError([FieldViolation("protocol.code", fault)])
    created = await unit.protocols.create(definition, clock.now())
    await unit.events.protocol_installed(created)
    return created


async def install_protocols(
    definitions: Sequence[ProtocolDefinition], unit: UnitOfWork, clock: Clock
) -> list[Protocol]:
    """Take those versions into use that the organization does not have, tell of them, and return all of them."""
    for added in await unit.protocols.install(definitions, clock.now()):
        await unit.events.protocol_installed(added)
    return await unit.protocols.versions(definitions)
