"""One resource of the roster to add or change, from messages."""

from typing import Any

from services.runtime.fields import Fields
from services.scheduler.convert.roster import one_entry
from services.scheduler.domain.roster_changes import Addition, Change, Kind, ShiftChange
from services.scheduler.domain.roster_import import Roster
from services.scheduler.use_cases.availability import Deletion

_ETAG = 100


def addition(kind: Kind, message: Any) -> Addition:
    """Read a resource to add; its faults are part of it."""
    return Addition(kind, one_entry(Fields(), kind.collection, message))


def change(kind: Kind, message: Any) -> Change:
    """Read a resource to change, with its name and etag; its faults are part of it."""
    fields = Fields()
    resource_id = fields.name(f"{kind.collection}[0].name", message.name, kind.collection)
    etag = fields.text(f"{kind.collection}[0].etag", message.etag, maximum=_ETAG)
    return Change(kind, one_entry(fields, kind.collection, message), resource_id, etag)


def shift(message: Any) -> Roster:
    """Read a shift to add; its faults are part of it."""
    return one_entry(Fields(), "shifts", message)


def shift_change(message: Any) -> ShiftChange:
    """Read a shift to change, with its name and etag; its faults are part of it."""
    fields = Fields()
    shift_id = fields.name("shifts[0].name", message.name, "shifts")
    etag = fields.text("shifts[0].etag", message.etag, maximum=_ETAG)
    return ShiftChange(one_entry(fields, "shifts", message), shift_id, etag)


def deletion(request: Any, collection: str) -> Deletion:
    """Read what is to be deleted, as it was read.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    read = Deletion(fields.name("name", request.name, collection), fields.text("etag", request.etag, maximum=_ETAG))
    fields.check()
    return read
