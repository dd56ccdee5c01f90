"""Each service's database and its two roles: the owner, for migrations, and the restricted one the service runs as."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import asyncpg
from sqlalchemy import URL, make_url

from services.runtime.embedded_files import private_folder, write_private

_CONNECT_SECONDS = 10
_LOCK = 0x6B61_7400  # any number that all who provision agree on
_SCRAM_ITERATIONS = 4096

_IS_PROVISIONED = """
    SELECT EXISTS (
        SELECT FROM pg_database d, pg_roles owner, pg_roles app
        WHERE d.datname = $1 AND owner.rolname = $2 AND app.rolname = $3 AND d.datdba = owner.oid
          AND d.datacl IS NOT NULL AND has_database_privilege(app.oid, d.oid, 'CONNECT')
          AND NOT has_database_privilege('public', d.oid, 'CONNECT')
    )
"""


@dataclass(frozen=True, slots=True)
class ServiceDatabase:
    """SQLAlchemy URLs (asyncpg, passwords included) of one service's database: as owner and as restricted role."""

    owner_url: str
    app_url: str


async def provision_service_database(
    superuser_url: str, service: str, secrets_folder: Path, *, database_suffix: str = ""
) -> ServiceDatabase:
    """Make the database `kat_<service>` and the roles `kat_<service>_owner` and `kat_<service>_app` where absent.

    The owner owns the database and its schema `public`; the app role may connect and use the schema, and gets its
    table grants from the migrations. Neither may bypass row-level security, and nobody else may connect. Passwords are
    generated and kept in `secrets_folder`, one 0600 file for each role, named as it. Safe to repeat, at the same time
    too; one query when all is there.

    `database_suffix` is added to the database's name, so that tests have many databases and the same two roles.

    Raises:
        ValueError: a name is not made of lower-case letters, digits and underscores.
        asyncpg.PostgresError, OSError: the server cannot be reached or the URL's role is no superuser.
    """
    names = _Names(database=f"kat_{service}{database_suffix}", owner=f"kat_{service}_owner", app=f"kat_{service}_app")
    names.check()
    server = make_url(superuser_url)
    files = {role: private_folder(secrets_folder) / role for role in (names.owner, names.app)}
    connection = await _connect(server, server.database)
    try:
        passwords = {role: _kept(file) for role, file in files.items()}
        if not (all(passwords.values()) and await connection.fetchval(_IS_PROVISIONED, *names)):
            # The lock ends with the connection.
            await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
            for role, file in files.items():
                passwords[role] = await _make_role(connection, role, file)
            await _make_database(connection, server, names)
    finally:
        await connection.close()
    owner_url, app_url = (_url(server, names.database, role, password) for role, password in passwords.items())
    return ServiceDatabase(owner_url=owner_url, app_url=app_url)


class _Names(NamedTuple):
    database: str
    owner: str
    app: str

    def check(self) -> None:
        """They become identifiers, for which PostgreSQL takes no parameters."""
        for name in self:
            if not (name.isascii() and name.isidentifier() and name == name.lower()):
                raise ValueError(f"{name!r} may have lower-case letters, digits and underscores only.")


async def _make_role(connection: asyncpg.Connection, role: str, file: Path) -> str:
    """Make `role` with the password kept in `file`; where none is kept, give the role a new one and keep it."""
    exists = await connection.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role)
    kept = _kept(file)
    if exists and kept:
        return kept
    password = kept or secrets.token_urlsafe(32)
    await connection.execute(
        f"{'ALTER' if exists else 'CREATE'} ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS "
        f"PASSWORD '{_scram_verifier(password)}'"
    )
    write_private(file, password.encode())  # after the role has it, so that a crash between the two heals itself
    return password


async def _make_database(connection: asyncpg.Connection, server: URL, names: _Names) -> None:
    """Make the database where absent; the grants come last, since they tell a finished one."""
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", names.database):
        await connection.execute(
            f"CREATE DATABASE {names.database} OWNER {names.owner} TEMPLATE template0 ENCODING 'UTF8'"
        )
    inside = await _connect(server, names.database)
    try:
        async with inside.transaction():
            await inside.execute(f"ALTER SCHEMA public OWNER TO {names.owner}")
            await inside.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            await inside.execute(f"GRANT USAGE ON SCHEMA public TO {names.app}")
            await inside.execute(f"ALTER DATABASE {names.database} OWNER TO {names.owner}")
            await inside.execute(f"REVOKE ALL ON DATABASE {names.database} FROM PUBLIC")
            await inside.execute(f"GRANT CONNECT ON DATABASE {names.database} TO {names.app}")
    finally:
        await inside.close()


async def _connect(server: URL, database: str | None) -> asyncpg.Connection:
    address = server.set(drivername="postgresql", database=database).render_as_string(hide_password=False)
    return await asyncpg.connect(address, timeout=_CONNECT_SECONDS)


def _url(server: URL, database: str, role: str, password: str) -> str:
    url = server.set(drivername="postgresql+asyncpg", database=database, username=role, password=password)
    return url.render_as_string(hide_password=False)


def _kept(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _scram_verifier(password: str) -> str:
    """What PostgreSQL stores of a password (RFC 5803): sent in its stead, so that no server log ever has it."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{salt64}${stored64}:{server64}"
