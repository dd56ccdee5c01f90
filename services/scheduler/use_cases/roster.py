"""Taking in a roster."""

from services.runtime.clock import Clock
from services.runtime.errors import InvalidArgumentError
from services.scheduler.domain.roster_import import KnownRoster, Roster, faults_of
from services.scheduler.ports.roster import SavedRoster
from services.scheduler.ports.unit import UnitOfWork


async def check_roster(roster: Roster, unit: UnitOfWork, clock: Clock) -> KnownRoster:
    """Check a whole roster against itself and what is known, and write nothing.

    Raises:
        InvalidArgumentError: every fault, with field paths.
    """
    known = await unit.roster.known(roster)
    if faults := faults_of(roster, known, clock.now().date()):
        raise InvalidArgumentError(faults)
    return known


async def import_roster(roster: Roster, unit: UnitOfWork, clock: Clock) -> SavedRoster:
    """Take in a whole roster, all of it or nothing.

    Raises:
        InvalidArgumentError: every fault, with field paths.
    """
    return await unit.roster.save(roster, await check_roster(roster, unit, clock), clock.now())
