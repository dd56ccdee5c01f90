"""Real SMTP servers in the test's process, with the faults that providers have."""

import asyncio
import email
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP

Hook = Callable[[], Awaitable[None]]


class Provider:
    """An SMTP provider that keeps what it took.

    Attributes:
        received: every message that it took, also one whose 250 never arrived.
        refused: what it answers to RCPT for an address, such as "550 no such user".
        data_answers: what it answers to DATA, the first first; "drop" takes the message and cuts the connection.
        on_recipient: done when a recipient is named, before it answers: in the middle of a try.
        on_data: done when the message is there, before it answers.
    """

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        self.refused: dict[str, str] = {}
        self.data_answers: list[str] = []
        self.on_recipient: list[Hook] = []
        self.on_data: list[Hook] = []
        self.port = 0

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if self.on_recipient:
            await self.on_recipient.pop(0)()
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self.on_data:
            await self.on_data.pop(0)()
        answer = self.data_answers.pop(0) if self.data_answers else "250 2.0.0 OK"
        if answer == "drop" or answer.startswith("250"):
            message = email.message_from_bytes(envelope.original_content, policy=default)
            assert isinstance(message, EmailMessage)
            self.received.append(message)
        if answer == "drop":
            server.transport.abort()
        return answer

    def subjects(self, address: str | None = None) -> list[str]:
        return [str(message["Subject"]) for message in self.received if address in {None, str(message["To"])}]

    @asynccontextmanager
    async def running(self, port: int = 0, **options: Any) -> AsyncIterator[int]:
        """Listen on 127.0.0.1 while the block runs; the options are aiosmtpd's."""
        connections: list[SMTP] = []

        def accept() -> SMTP:
            connections.append(SMTP(self, hostname="localhost", **options))
            return connections[-1]

        server = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self.port
        finally:
            server.close()
            for connection in connections:
                # A TLS transport that was closed twice cannot be aborted any more.
                if connection.transport is not None and not connection.transport.is_closing():
                    connection.transport.abort()
            await asyncio.sleep(0)  # lets each connection hear that it ended
