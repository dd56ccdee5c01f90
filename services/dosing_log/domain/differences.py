"""What one version changed against the version before."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.dosing_log.domain.canonical import Json, object_to_json
from services.dosing_log.domain.contents import Content


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that differs: its path, such as "given.value", and its texts; "" where there is none."""

    path: str
    before: str
    after: str


def differences(before: Content, after: Content) -> tuple[Difference, ...]:
    """Return every field that differs, by path."""
    old, new = dict(_leaves(object_to_json(before))), dict(_leaves(object_to_json(after)))
    paths = sorted({path for path in old.keys() | new.keys() if old.get(path) != new.get(path)})
    return tuple(Difference(path, _text(old.get(path)), _text(new.get(path))) for path in paths)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Json]]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from _leaves(member, f"{path}.{name}" if path else name)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, element in enumerate(value):
            yield from _leaves(element, f"{path}[{index}]")
    else:
        yield path, value


def _text(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
