"""Ids of resources and events."""

from uuid import UUID

import uuid_utils


def new_id() -> UUID:
    """Return a new uuid7: unique, and ordered by the time of its making."""
    return UUID(int=uuid_utils.uuid7().int)
