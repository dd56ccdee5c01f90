"""Versions that were read before are not read again, and belong to one organization."""

from datetime import UTC, datetime

from services.runtime.identifiers import new_id
from services.scheduler.domain.protocol import Protocol, Route, Substance
from services.scheduler.storage.protocols import REMEMBERED, ProtocolVersions


def version() -> Protocol:
    return Protocol(
        protocol_id=new_id(),
        code="ours",
        version=1,
        title="Ours",
        substance=Substance.KETAMINE,
        route=Route.INTRAVENOUS,
        limits=(),
        no_show_counts=False,
        create_time=datetime(2026, 3, 2, tzinfo=UTC),
    )


def test_a_version_is_known_in_its_own_organization_alone() -> None:
    known, ours, theirs, read = ProtocolVersions(), new_id(), new_id(), version()
    assert known.get(ours, read.protocol_id) is None
    assert known.keep(ours, read) is read
    assert known.get(ours, read.protocol_id) is read
    assert known.get(theirs, read.protocol_id) is None


def test_no_more_than_so_many_are_kept() -> None:
    known, ours = ProtocolVersions(), new_id()
    read = [known.keep(ours, version()) for _ in range(REMEMBERED + 1)]
    assert sum(known.get(ours, one.protocol_id) is not None for one in read) <= REMEMBERED
    assert known.get(ours, read[-1].protocol_id) is read[-1]
