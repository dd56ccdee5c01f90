"""The table of blockers is whole, and names nothing that is not there."""

from importlib import resources

from kat.scheduler.v1 import session_pb2
from services.scheduler.domain.blockers import EXPLANATIONS, BlockerCode
from tests.docs import DOCS, stale


def test_every_code_of_the_contract_is_explained() -> None:
    values = session_pb2.BlockerCode.DESCRIPTOR.values
    contract = {value.name.removeprefix("BLOCKER_CODE_") for value in values} - {"UNSPECIFIED"}
    assert contract == set(BlockerCode) == set(EXPLANATIONS)


def test_every_constraint_that_is_named_stands_in_a_migration() -> None:
    versions = resources.files("services.scheduler.migrations") / "versions"
    scripts = "".join(file.read_text("utf-8") for file in versions.iterdir() if file.name.endswith(".py"))
    named = {constraint for explanation in EXPLANATIONS.values() for constraint in explanation.constraints}
    assert {name for name in named if name not in scripts} == set()


def test_the_page_is_made_from_the_table() -> None:
    assert stale() == []
    page = (DOCS / "scheduling.md").read_text("utf-8")
    assert all(f"| `{code}` | {explanation.meaning} |" in page for code, explanation in EXPLANATIONS.items())
