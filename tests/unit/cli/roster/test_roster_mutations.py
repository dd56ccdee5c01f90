"""Whatever stands in a cell or a JSON value: a roster, or faults that say where; never another exception."""

import json
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

import services.cli
from services.cli.roster import Fault, RosterFaults, read

DEMO = Path(services.cli.__file__).parent / "demo_data"
RIVERSIDE = {path.name: path.read_text() for path in sorted((DEMO / "riverside").iterdir())}
HARBOUR = {path.name: json.loads(path.read_text()) for path in sorted((DEMO / "harbour").iterdir())}
MATTERING = ("Location", "Practitioner", "PractitionerRole", "Patient", "Organization")

cells = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="0123456789:-+@., ;\"'\n\r\t", max_size=20),
    st.sampled_from(["2026-02-29", "25:61", "=1+1", "\ufeff", "\x00", "mon", "riverside", "+" + "9" * 40, "a@b", "٣"]),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | cells,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)


def roster_or_faults(files: dict[str, bytes]) -> None:
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        faults = faults_in(Path(folder))
        assert all(fault.source and fault.message for fault in faults)


def faults_in(folder: Path) -> tuple[Fault, ...]:
    try:
        read([folder], today=date(2026, 1, 5))
    except RosterFaults as found:
        return found.faults
    return ()


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_cell(data):
    name = data.draw(st.sampled_from(sorted(RIVERSIDE)))
    lines = RIVERSIDE[name].splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    line = lines[number].split(",")
    line[data.draw(st.integers(0, len(line) - 1))] = data.draw(cells)
    lines[number] = ",".join(line)
    roster_or_faults(
        {**{n: t.encode() for n, t in RIVERSIDE.items()}, name: "\n".join(lines).encode("utf-8", "replace")}
    )


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(sorted(RIVERSIDE)), st.binary(max_size=200))
def test_any_bytes(name, content):
    roster_or_faults({**{n: t.encode() for n, t in RIVERSIDE.items()}, name: content, "bundle.json": content})


def places(value, path=()):
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from places(member, (*path, key))


def small_harbour():
    """The demo bundles without the clinical resources, which nothing reads."""
    return {
        name: bundle | {"entry": [e for e in bundle["entry"] if e["resource"]["resourceType"] in MATTERING]}
        for name, bundle in HARBOUR.items()
    }


PLACES = [(name, path) for name, bundle in small_harbour().items() for path in places(bundle) if path]


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(PLACES), json_values)
def test_any_json_value(place, value):
    name, path = place
    bundles = json.loads(json.dumps(small_harbour()))
    target = bundles[name]
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    roster_or_faults({n: json.dumps(bundle).encode() for n, bundle in bundles.items()})
