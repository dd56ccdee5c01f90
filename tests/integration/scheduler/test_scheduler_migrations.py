"""The migrations make what the models describe."""

from collections.abc import Callable
from importlib import resources

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Uuid, bindparam, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from services.runtime.database import constraint_of
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
_FIRST_RELEASE = """
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
        '2026-03-03 11:30Z', '2026-03-03 11:45Z', 12, 'cancelled', now(), now());
insert into practitioner values (:organization, :id, 's', 'd', 'Dr. D', 'MD', null, 2, '{iv}', 'd', now());
insert into shift values (:organization, :id, :id, :id, 2, '08:00', '18:00', null, null);
insert into session (organization_id, session_id, course_id, patient_id, protocol_id, interval_days, session_cap,
        clinic_id, room_id, time_zone, start_time, dose_time, end_time, release_time, place, state, create_time,
        update_time)
    values (:organization, :other, :id, :id, :id, 7, 12, :id, :id, 'UTC', '2026-03-10 09:00Z', '2026-03-10 09:30Z',
        '2026-03-10 11:30Z', '2026-03-10 11:45Z', 1, 'fulfilled', now(), now());
insert into supervision values (:organization, :other, '2026-03-10 09:00Z', '2026-03-10 11:30Z', :id, 1, true);
insert into dose values (:organization, :id, :other, :id, '2026-03-10 09:31Z', '2026-03-10', 7)
"""


async def test_what_the_first_release_stored_is_kept_and_held_to_the_same_promises(
    service_database: Callable[[str], ServiceDatabase],
) -> None:
    database, organization, other = service_database("scheduler"), new_id(), new_id()
    engine = create_async_engine(database.owner_url)
    async with engine.connect() as connection:
        await connection.run_sync(_upgrade, "0001", app_role_of(database))
        await connection.execute(_ENTER, {"organization": str(organization)})
        for statement in _FIRST_RELEASE.split(";"):
            values = {"organization": organization, "id": organization, "other": other}
            used = {name: value for name, value in values.items() if f":{name}" in statement}
            bound = text(statement).bindparams(*(bindparam(name, type_=Uuid) for name in used))
            await connection.execute(bound, used)
        await connection.commit()
        await connection.run_sync(_upgrade, "head", app_role_of(database))
        await connection.execute(_ENTER, {"organization": str(organization)})

        async def rows(sql: str) -> list[tuple]:
            return [tuple(row) for row in await connection.execute(text(sql))]

        # Courses keep the cap that they were begun with.
        assert await rows("select session_cap, session_maximum, review_base from course") == [(12, 12, 0)]
        found = "select state, live, counted, session_cap, no_show_counts from session order by start_time"
        assert await rows(found) == [("cancelled", False, False, 12, False), ("fulfilled", True, True, 12, False)]
        assert await rows("select session_id, lane, live from supervision") == [(other, 1, True)]
        assert await rows("select organization_id from organization") == [(organization,)]
        unforced = """select relname from pg_class join pg_attribute on attrelid = pg_class.oid
                      where relkind = 'r' and attname = 'organization_id' and not relforcerowsecurity"""
        assert await rows(unforced) == []
        late = "update session set state = 'booked' where state = 'cancelled'"
        with pytest.raises(IntegrityError) as refused:
            await connection.execute(text(late))
            await connection.commit()
        assert constraint_of(refused.value) == "session_supervised"
        await connection.rollback()
    await engine.dispose()


def _upgrade(connection: Connection, revision: str, app_role: str) -> None:
    config = Config(attributes={"app_role": app_role, "connection": connection})
    config.set_main_option("script_location", str(resources.files("services.scheduler") / "migrations"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, revision)
    connection.commit()
