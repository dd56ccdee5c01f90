"""The default protocols that the suite ships, one JSON file for each version."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from typing import Any

from services.scheduler.domain.protocol import (
    Limit,
    LimitCode,
    Mark,
    ProtocolDefinition,
    Route,
    Substance,
    faults_of,
)


class ProtocolFileError(ValueError):
    """A protocol file cannot be used; the text names every fault."""

    def __init__(self, name: str, faults: list[str]) -> None:
        super().__init__(f"{name}: " + "; ".join(faults))


@cache
def default_protocols() -> tuple[ProtocolDefinition, ...]:
    """Return the shipped protocols, by file name.

    Raises:
        ProtocolFileError: a file is wrong, which is a defect of the release.
    """
    files = sorted((resources.files(__package__) / "protocols").iterdir(), key=lambda file: file.name)
    return tuple(read_protocol(file.name, file.read_text(encoding="utf-8")) for file in files)


def read_protocol(name: str, content: str) -> ProtocolDefinition:
    """Read one protocol file.

    Raises:
        ProtocolFileError: it is malformed, a limit is missing, unknown or in another unit, or a value is unsafe.
    """
    try:
        definition = _definition(json.loads(content))
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise ProtocolFileError(name, [f"{type(error).__name__}: {error}"]) from error
    if faults := faults_of(definition):
        raise ProtocolFileError(name, [str(fault) for fault in faults])
    return definition


def _definition(stored: Mapping[str, Any]) -> ProtocolDefinition:
    return ProtocolDefinition(
        code=stored["code"],
        version=stored["version"],
        title=stored["title"],
        substance=Substance(stored["substance"]),
        route=Route(stored["route"]),
        limits=tuple(_limit(limit) for limit in stored["limits"]),
        no_show_counts=stored["no_show_counts"],
    )


def _limit(stored: Mapping[str, str]) -> Limit:
    return Limit(
        code=LimitCode(stored["code"]),
        value=Decimal(stored["value"]),
        unit=stored["unit"],
        source=stored["source"],
        mark=Mark(stored["mark"]),
    )
