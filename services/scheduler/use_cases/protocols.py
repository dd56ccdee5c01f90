"""Taking protocols into use."""

from collections.abc import Sequence

from services.runtime.clock import Clock
from services.scheduler.domain.protocol import Protocol, ProtocolDefinition
from services.scheduler.ports.unit import UnitOfWork


async def install_protocols(
    definitions: Sequence[ProtocolDefinition], unit: UnitOfWork, clock: Clock
) -> list[Protocol]:
    """Take those versions into use that the organization does not have, tell of them, and return all of them."""
    for added in await unit.protocols.install(definitions, clock.now()):
        await unit.events.protocol_installed(added)
    return await unit.protocols.versions(definitions)
