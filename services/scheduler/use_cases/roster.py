"""Taking in a roster."""

from services.runtime.clock import Clock
from services.runtime.errors import InvalidArgumentError
from services.scheduler.domain.roster_import import KnownRoster, Roster, faults_of
from services.scheduler.ports.roster import SavedRoster
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.birth_dates import tell_corrected


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
    """Take in a whole roster, all of it or nothing; dates of birth that it corrects are told.

    Raises:
        InvalidArgumentError: every fault, with field paths.
    """
    known = await check_roster(roster, unit, clock)
    before = await unit.roster.lock_birth_dates([patient.identifier for patient in roster.patients])
    saved = await unit.roster.save(roster, known, clock.now())
    await tell_corrected(before, saved.patients, unit)
    return saved
