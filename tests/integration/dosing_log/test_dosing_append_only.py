# ruff: noqa: S608 - names of our own tables
"""Plain SQL against what must never change: as the service's role, and as the owner."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kat.dosing_log.v1 import records_pb2 as rec
from services.runtime.database import ALL_ORGANIZATIONS, Database
from services.runtime.identifiers import new_id

NEVER_CHANGED = (
    "record_version",
    "signature",
    "lot",
    "movement",
    "access_record",
    "ledger_opening",
    "ledger_log",
    "ledger_entry",
    "ledger_checkpoint",
)


@pytest.fixture
async def written(clinic):
    """A clinic with a row in each of the tables."""
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    given = await visit.administer(lot)
    await clinic.sign(clinic.nurse, given, rec.Signature.MEANING_ADMINISTERED)
    await clinic.get(clinic.nurse, given)
    await clinic.ledger.sequence()
    await clinic.ledger.sign()
    return clinic


@pytest.mark.parametrize("table", NEVER_CHANGED)
async def test_the_service_may_neither_change_nor_delete(written, table):
    for statement in (
        f"update {table} set organization_id = organization_id",
        f"delete from {table}",
        f"truncate {table} cascade",
    ):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with written.database.transaction(written.organization_id) as connection:
                await connection.execute(text(statement))


@pytest.mark.parametrize("table", NEVER_CHANGED)
async def test_a_trigger_stops_even_the_owner(written, migrated_dosing_log, table):
    owner = Database(migrated_dosing_log.owner_url)
    try:
        for statement in (
            f"update {table} set organization_id = organization_id",
            f"delete from {table}",
            f"truncate {table} cascade",
        ):
            with pytest.raises(DBAPIError, match="append-only"):
                async with owner.transaction(written.organization_id) as connection:
                    assert (await connection.execute(text(f"select count(*) from {table}"))).scalar_one() > 0
                    await connection.execute(text(statement))
    finally:
        await owner.close()


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("insert into movement select {same}, 9, {new}, -1, balance_after_mg - 1, null", "null value|no rows|does not"),
        (
            "insert into movement select {same}, sequence_number + 1, {new}, -1, balance_after_mg, null",
            "does not follow",
        ),
        (
            "insert into movement select {same}, sequence_number + 1, {new}, -1000, balance_after_mg - 1000, null",
            "movement_balance",
        ),
        (
            "insert into movement select {same}, sequence_number, {new}, 1, balance_after_mg + 1, null",
            "does not follow|movement_pkey",
        ),
    ],
)
async def test_a_balance_cannot_be_forged(written, statement, refusal):
    opening = new_id()
    newest = " from movement where record_id is not null"
    async with written.database.transaction(written.organization_id) as connection:
        await connection.execute(
            text(
                "insert into ledger_opening select organization_id, :id, record, salt, commitment, signatures"
                " from ledger_opening limit 1"
            ),
            {"id": opening},
        )
    filled = statement.format(same="organization_id, lot_id", new=":id") + newest
    with pytest.raises(DBAPIError, match=refusal):
        async with written.database.transaction(written.organization_id) as connection:
            await connection.execute(text(filled), {"id": opening})


@pytest.mark.parametrize("change", ["version = 3", "kind = 'order'", "patient_id = session_id"])
async def test_a_version_follows_the_one_before_it(written, change):
    column, _, value = change.partition(" = ")
    columns = {
        "version": "2",
        "kind": "kind",
        "session_id": "session_id",
        "patient_id": "patient_id",
    } | {column: value}
    forged = text(
        f"insert into record_version select organization_id, record_id, {columns['version']}, event_id,"
        f" {columns['kind']}, {columns['session_id']}, {columns['patient_id']}, event_time, record_time"
        " from record_version"
    )
    with pytest.raises(DBAPIError, match="does not follow"):
        async with written.database.transaction(written.organization_id) as connection:
            await connection.execute(forged)


async def test_rows_cannot_be_written_for_another_organization(written):
    forged = text("insert into signing_pin values (:other, 'someone', 'hash', 0, null)")
    with pytest.raises(DBAPIError, match="row-level security"):
        async with written.database.transaction(written.organization_id) as connection:
            await connection.execute(forged, {"other": new_id()})


@pytest.mark.parametrize(
    "table", ["record_version", "ledger_opening", "signing_pin", "access_record", "session_projection"]
)
async def test_a_worker_sees_no_business_rows(written, table):
    async with written.database.transaction(ALL_ORGANIZATIONS) as connection:
        assert (await connection.execute(text(f"select count(*) from {table}"))).scalar_one() == 0
