"""Resource names ("rooms/0198…") and etags."""

import hashlib
from uuid import UUID


def format_name(collection: str, identifier: UUID) -> str:
    """Return the name of a resource: "collection/uuid"."""
    return f"{collection}/{identifier}"


def parse_name(name: str, collection: str) -> UUID:
    """Return the id in a resource name of that collection.

    Raises:
        ValueError: it is not the name of a resource of that collection; the text says what one looks like.
    """
    prefix, _, identifier = name.partition("/")
    try:
        parsed = UUID(identifier)
    except ValueError:
        parsed = None
    if prefix != collection or parsed is None or str(parsed) != identifier:
        raise ValueError(f'write "{collection}/" and a lower-case uuid')
    return parsed


def etag_of(*values: object) -> str:
    """Return a short etag that changes whenever one of the values does."""
    joined = "\x1f".join(str(value) for value in values)
    return hashlib.sha256(joined.encode()).hexdigest()[:16]
