"""FHIR R4 bundles as one set of resources, and the resolution of references across them.

Synthea writes hospitals, practitioners and each patient as bundles of their own, and refers between them by
conditional reference and by identifier.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from services.cli.roster.faults import FaultLog, Place
from services.cli.roster.fhir_json import Node
from services.cli.roster.files import SourceFile

ROSTER_TYPES = ("Organization", "Location", "Practitioner", "PractitionerRole", "Patient")
"""The resources that say something about a roster; all others are counted and left out."""

# Synthea: patients as transactions, hospitals and practitioners as batches; all as collections where so configured.
_BUNDLE_TYPES = ("transaction", "batch", "collection")


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of a roster type; `key` is its first identifier, or else its URL or place, to tell it from others."""

    type: str
    node: Node
    key: tuple[str, str]


@dataclass(slots=True)
class Index:
    """All resources of all bundles. A resource that stands in several bundles is kept from the first.

    Synthea repeats hospitals and practitioners in the bundles of patients; a patient who is there twice must be equal.
    """

    resources: dict[tuple[str, tuple[str, str]], Resource] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)
    _names: dict[str, Resource] = field(default_factory=dict)

    def of_type(self, kind: str) -> list[Resource]:
        """The resources of one type, in the order of the files."""
        return [resource for resource in self.resources.values() if resource.type == kind]

    def add(self, entry: Node) -> None:
        """Take in one entry of a bundle."""
        node = entry.get("resource")
        if node.value is None:
            node.place.fault("is missing")
            return
        kind = node.text("resourceType")
        if kind is None:
            node.get("resourceType").place.fault("is missing")
        elif not re.fullmatch("[A-Z][A-Za-z]{1,39}", kind):
            node.get("resourceType").place.fault("is not the name of a resource type")
        elif kind not in ROSTER_TYPES:
            self.ignored[kind] += 1
        else:
            self._add(kind, entry, node.as_private() if kind == "Patient" else node)

    def resolve(self, reference: Node, kind: str) -> Resource | None:
        """What a Reference points at, by literal, relative or conditional reference or by identifier.

        None after noting that the reference is malformed, or that none of the bundles holds its target.
        """
        name = reference.text("reference")
        if name is not None:
            name = unquote(name).split("/_history/")[0]
        else:
            system, value = _identifier(reference.get("identifier"))
            name = f"{kind}?identifier={system}|{value}" if value else None
        target = self._names.get(name) if name is not None else None
        if name is None:
            reference.place.fault("has neither a reference nor an identifier")
        elif target is None:
            reference.place.fault(f"points at no {kind} in the files; add the bundle that holds it")
        elif target.type != kind:
            reference.place.fault(f"points at a resource of type {target.type}, where {kind} is meant")
        return target if target and target.type == kind else None

    def _add(self, kind: str, entry: Node, node: Node) -> None:
        url, resource_id = entry.text("fullUrl"), node.text("id")
        identifiers = [(system or "", value) for system, value in map(_identifier, node.items("identifier")) if value]
        fallback = ("", url or f"{node.place.source} {node.place.path}")
        read = Resource(kind, node, identifiers[0] if identifiers else fallback)
        resource = self.resources.setdefault((kind, read.key), read)
        if kind == "Patient" and resource.node.value != node.value:
            node.place.fault(f"differs from the same patient at {resource.node.place.source}; keep one of the two")
        names = [f"{kind}?identifier={system}|{value}" for system, value in identifiers]
        names += [f"{kind}/{resource_id}", f"urn:uuid:{resource_id}"] if resource_id else []
        for name in [*names, *([url] if url else [])]:
            self._names.setdefault(name, resource)


def load(files: Sequence[SourceFile], log: FaultLog) -> Index:
    """All resources of the bundles; files that are no bundle are noted."""
    index = Index()
    for file in files:
        for entry in _entries(file, log):
            index.add(entry)
    return index


def _entries(file: SourceFile, log: FaultLog) -> Iterator[Node]:
    place = Place(log, file.label, "", private=False)
    try:
        bundle = Node(place, json.loads(file.data))
    except json.JSONDecodeError as error:
        place.at(f"line {error.lineno} column {error.colno}").fault(f"is not JSON: {error.msg}")
        return
    except (ValueError, RecursionError):
        place.fault("is not JSON: it is not UTF-8, is nested too deeply or holds an enormous number")
        return
    if not isinstance(bundle.value, dict) or bundle.text("resourceType") != "Bundle":
        bundle.place.at("resourceType").fault("must be 'Bundle'")
        return
    if bundle.text("type") not in _BUNDLE_TYPES:
        bundle.get("type").place.fault(f"must be one of: {', '.join(_BUNDLE_TYPES)}")
        return
    yield from bundle.items("entry")


def _identifier(node: Node) -> tuple[str | None, str | None]:
    return node.text("system"), node.text("value")
