"""The migrations make what the models describe."""

from collections.abc import Callable
from importlib import resources

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import create_async_engine

from services.runtime.embedded_postgres import ServiceDatabase
from services.runtime.identifiers import new_id
from services.runtime.migrations import migrate
from services.scheduler.storage.tables import METADATA
from tests.support.services import app_role_of

pytestmark = pytest.mark.external_postgres


async def test_models_equal_migrations(service_database: Callable[[str], ServiceDatabase]) -> None:
    database = service_database("scheduler")
    await migrate("scheduler", database.owner_url, app_role_of(database))
    engine = create_async_engine(database.owner_url)

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), METADATA))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


_ENTER = text("select set_config('kat.organization_id', :organization, true)")

# A course of the first release, with a session; its owner sees rows of the organization that the session names alone.
_BEFORE_0004 = """
insert into clinic values (:organization, :id, 's', 'c', 'Clinic', 'UTC', now());
insert into room values (:organization, :id, 's', 'r', :id, 'Room', now());
insert into patient values (:organization, :id, 's', 'p', 'UTC', '1980-01-01', :id, now());
insert into protocol values (:organization, :id, 'iv', 1, 'IV', 'ketamine', 'intravenous', '{}', false, 7, 12, now());
insert into course (organization_id, course_id, patient_id, protocol_id, protocol_code, interval_days, session_cap,
        state, contraindications, prior_treatment_trials, consent_reference, consent_expire_date, enroller, reviewer,
        review_reason, create_time)
    values (:organization, :id, :id, :id, 'iv', 7, 12, 'active', '{}', 2, 'c', '2026-08-01', '{}', '{}', '', now());
insert into session (organization_id, session_id, course_id, patient_id, protocol_id, interval_days, session_cap,
        clinic_id, room_id, time_zone, start_time, dose_time, end_time, release_time, place, state, create_time,
        update_time)
    values (:organization, :id, :id, :id, :id, 7, 12, :id, :id, 'UTC', '2026-03-03 09:00Z', '2026-03-03 09:30Z',
        '2026-03-03 11:30Z', '2026-03-03 11:45Z', 12, 'cancelled', now(), now())
"""


async def test_courses_of_the_release_before_keep_their_cap(
    service_database: Callable[[str], ServiceDatabase],
) -> None:
    database, organization = service_database("scheduler"), new_id()
    engine = create_async_engine(database.owner_url)
    async with engine.connect() as connection:
        await connection.run_sync(_upgrade, "0003", app_role_of(database))
        await connection.execute(_ENTER, {"organization": str(organization)})
        for statement in _BEFORE_0004.split(";"):
            values = {"organization": organization, "id": organization}
            bound = text(statement).bindparams(
                *(bindparam(name, type_=Uuid) for name in values if f":{name}" in statement)
            )
            await connection.execute(bound, values)
        await connection.commit()
        await connection.run_sync(_upgrade, "0004", app_role_of(database))
        await connection.execute(_ENTER, {"organization": str(organization)})
        found = "select c.session_cap, session_maximum, review_base, s.session_cap from course c join session s "
        found += "using (organization_id, course_id)"
        assert (await connection.execute(text(found))).all() == [(12, 12, 0, 12)]
        noted = await connection.execute(text("select organization_id from organization"))
        assert noted.scalars().all() == [organization]
        forced = "select count(*) from pg_class where relforcerowsecurity and relname = any (:tables)"
        tables = ["clinic", "protocol", "course", "session"]
        assert await connection.scalar(text(forced), {"tables": tables}) == len(tables)
    await engine.dispose()


def _upgrade(connection: Connection, revision: str, app_role: str) -> None:
    config = Config(attributes={"app_role": app_role, "connection": connection})
    config.set_main_option("script_location", str(resources.files("services.scheduler") / "migrations"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, revision)
    connection.commit()
