"""A server that returns what it got, for the row of the RPC stack: `plain` grpc.aio, or `ours`, with everything.

python -m tests.bench.echo_server plain|ours FOLDER ADDRESS DATABASE_URL
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import grpc

from kat.scheduler.v1 import course_pb2, course_pb2_grpc
from services.runtime.clock import SystemClock
from services.runtime.config import ServiceSettings
from services.runtime.database import Database
from services.runtime.embedded_authority import CertificateFiles, EmbeddedAuthority
from services.runtime.embedded_issuer import AUDIENCE, ISSUER, EmbeddedIssuer
from services.runtime.logs import configure_logs
from services.runtime.metrics import Metrics
from services.runtime.server import ServiceServer
from services.runtime.ticker import Ticker


class Echo(course_pb2_grpc.CourseServiceServicer):
    """Answers with the name that was asked for."""

    async def GetCourse(self, request: Any, context: Any) -> course_pb2.Course:  # noqa: N802 - the contract's name
        return course_pb2.Course(name=request.name)


async def serve_plain(files: CertificateFiles, address: str) -> None:
    credentials = grpc.ssl_server_credentials(
        [(files.private_key.read_bytes(), files.certificate.read_bytes())],
        root_certificates=files.authority.read_bytes(),
        require_client_auth=True,
    )
    server = grpc.aio.server()
    course_pb2_grpc.add_CourseServiceServicer_to_server(Echo(), server)
    server.add_secure_port(address, credentials)
    await server.start()
    await server.wait_for_termination()


async def serve_ours(files: CertificateFiles, address: str, folder: Path, database_url: str) -> None:
    settings = ServiceSettings(
        listen_address=address,
        database_url=database_url,
        tls_certificate=files.certificate,
        tls_private_key=files.private_key,
        tls_authority=files.authority,
        allowed_clients="cli",
        token_issuer=ISSUER,
        token_audience=AUDIENCE,
        token_keys=str(EmbeddedIssuer(folder / "issuer", SystemClock()).jwks_file),
        service_token_file=files.certificate,
    )
    configure_logs("echo")
    metrics = Metrics()
    service = course_pb2.DESCRIPTOR.services_by_name["CourseService"]
    database = Database(settings.database())
    server = ServiceServer(
        settings, services=[service], database=database, schema="", ticker=Ticker(metrics), metrics=metrics
    )
    server.add(course_pb2_grpc.add_CourseServiceServicer_to_server, Echo())
    await server.run()


def main() -> None:
    kind, folder, address, database_url = sys.argv[1:]
    files = EmbeddedAuthority(Path(folder) / "tls", SystemClock()).certificate("scheduler")
    if kind == "plain":
        asyncio.run(serve_plain(files, address))
    else:
        asyncio.run(serve_ours(files, address, Path(folder), database_url))


if __name__ == "__main__":
    main()
