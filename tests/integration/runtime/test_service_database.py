"""Provisioning a service's database, on the embedded PostgreSQL and on any other."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from services.runtime.embedded_postgres import ServiceDatabase, provision_service_database

pytestmark = pytest.mark.external_postgres


async def connect(url: str) -> asyncpg.Connection:
    return await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))


async def test_the_urls_work_with_sqlalchemy(service_database: Callable[[str], ServiceDatabase]) -> None:
    database = service_database("scheduler")
    for url, role in ((database.owner_url, "kat_scheduler_owner"), (database.app_url, "kat_scheduler_app")):
        engine = create_async_engine(url)
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT current_user"))).scalar_one() == role
        await engine.dispose()


async def test_the_owner_may_change_the_schema_and_the_app_may_not(
    service_database: Callable[[str], ServiceDatabase],
) -> None:
    database = service_database("scheduler")
    owner, app = await connect(database.owner_url), await connect(database.app_url)
    await owner.execute("CREATE TABLE thing (id int)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("CREATE TABLE other (id int)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("CREATE TEMPORARY TABLE other (id int)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.fetch("SELECT * FROM thing")
    for connection in (owner, app):
        role = await connection.fetchrow("SELECT * FROM pg_roles WHERE rolname = current_user")
        assert role is not None
        assert not any(role[may] for may in ("rolsuper", "rolbypassrls", "rolcreatedb", "rolcreaterole"))
        await connection.close()


async def test_one_service_may_not_enter_the_database_of_another(
    service_database: Callable[[str], ServiceDatabase],
) -> None:
    scheduler, dosing_log = service_database("scheduler"), service_database("dosing_log")
    trespass = make_url(scheduler.app_url).set(database=make_url(dosing_log.app_url).database)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connect(trespass.render_as_string(hide_password=False))


async def test_repeated_and_simultaneous_provisioning_gives_the_same_answer(
    postgres_superuser_url: str, tmp_path: Path
) -> None:
    service = f"repeat_{uuid4().hex[:8]}"
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(provision_service_database(postgres_superuser_url, service, tmp_path)) for _ in range(4)
        ]
    try:
        assert len({task.result() for task in tasks}) == 1
        assert await provision_service_database(postgres_superuser_url, service, tmp_path) == tasks[0].result()
        await (await connect(tasks[0].result().app_url)).close()
    finally:
        await remove(postgres_superuser_url, service)


async def test_a_lost_password_is_replaced(postgres_superuser_url: str, tmp_path: Path) -> None:
    service = f"lost_{uuid4().hex[:8]}"
    before = await provision_service_database(postgres_superuser_url, service, tmp_path)
    try:
        (tmp_path / f"kat_{service}_app").unlink()
        after = await provision_service_database(postgres_superuser_url, service, tmp_path)
        assert after.owner_url == before.owner_url
        assert after.app_url != before.app_url
        await (await connect(after.app_url)).close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await connect(before.app_url)
    finally:
        await remove(postgres_superuser_url, service)


@pytest.mark.parametrize("service", ["Scheduler", "sched-uler", "x;drop", "zeitpläne", "a b"])
async def test_a_name_that_is_no_identifier_is_refused(service: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lower-case letters"):
        await provision_service_database("postgresql://nowhere.invalid/postgres", service, tmp_path)


async def remove(superuser_url: str, service: str) -> None:
    connection = await connect(superuser_url)
    await connection.execute(f"DROP DATABASE IF EXISTS kat_{service} WITH (FORCE)")
    for role in ("owner", "app"):
        await connection.execute(f"DROP ROLE IF EXISTS kat_{service}_{role}")
    await connection.close()


def test_passwords_are_readable_by_their_owner_alone(postgres_superuser_url: str, tmp_path: Path) -> None:
    service = f"mode_{uuid4().hex[:8]}"
    asyncio.run(provision_service_database(postgres_superuser_url, service, tmp_path / "secrets"))
    try:
        assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
        assert {file.stat().st_mode & 0o777 for file in (tmp_path / "secrets").iterdir()} == {0o600}
    finally:
        asyncio.run(remove(postgres_superuser_url, service))
