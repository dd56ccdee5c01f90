"""What is told to those who watch sessions."""

from services.scheduler.domain.changes import Batch, Position, Watched, with_sessions, worth_telling
from services.scheduler.ports.unit import UnitOfWork

BATCH = 200
"""Changes read at once."""


async def read_changes(after: Position, watched: Watched, unit: UnitOfWork) -> Batch:
    """Read what follows a position, with the sessions as they stand.

    Raises:
        PositionExpiredError: it is not known any more what followed it.
    """
    changes = await unit.changes.after(after, BATCH)
    until = changes[-1].position if changes else after
    wanted = worth_telling(change for change in changes if watched.includes(change))
    session_ids = {change.session_id for change in wanted}
    if not session_ids:
        return Batch(after, until, (), len(changes) == BATCH)
    sessions = await unit.sessions.standing(session_ids)
    # Read last, so that whatever the sessions show already is found here.
    pending = await unit.changes.pending(session_ids, until)
    return Batch(after, until, with_sessions(wanted, sessions, pending), len(changes) == BATCH)
