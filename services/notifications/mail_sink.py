"""The local mail sink: an SMTP server on this machine that keeps every message as a file and sends nothing on.

python -m services.notifications.mail_sink --port 7125 --folder data/mail
"""

import argparse
import asyncio
import logging
import signal
from pathlib import Path
from typing import Any, Final

from aiosmtpd.smtp import SMTP, Envelope

from services.runtime.embedded_files import private_folder, write_private
from services.runtime.identifiers import new_id

HOST: Final = "127.0.0.1"
MAXIMUM_BYTES: Final = 10 * 1024 * 1024
_DRAIN_SECONDS: Final = 5.0


class FolderHandler:
    """Writes each message to a new file "<uuid7>.eml", which is there whole before the sender hears 250."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Keep a message."""
        content: bytes = envelope.original_content or b""
        try:
            await asyncio.to_thread(write_private, self._folder / f"{new_id()}.eml", content)
        except OSError:
            return "451 4.3.0 The message could not be stored; try again later"
        return "250 2.0.0 OK"


class _Connection(SMTP):
    """A connection that says when it ends."""

    def __init__(self, handler: FolderHandler, ended: asyncio.Event) -> None:
        super().__init__(handler, data_size_limit=MAXIMUM_BYTES, enable_SMTPUTF8=True, hostname="localhost")
        self._ended = ended

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._ended.set()


class MailSink:
    """Serves a folder until it is stopped; messages under way are finished.

    Args:
        folder: made with mode 0700 where absent; files in it have mode 0600.
        port: 0 for a free one; after `start`, `port` says which.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self._handler = FolderHandler(private_folder(folder))
        self._server: asyncio.Server | None = None
        self._endings: list[asyncio.Event] = []
        self.port = port

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: the port is taken.
        """
        self._server = await asyncio.get_running_loop().create_server(self._accept, HOST, self.port, reuse_port=True)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no new connection, and give those that are open time to end."""
        if self._server is not None:
            self._server.close()
        endings = asyncio.gather(*(ending.wait() for ending in self._endings))
        await asyncio.wait([asyncio.ensure_future(endings)], timeout=_DRAIN_SECONDS)
        endings.cancel()

    def _accept(self) -> Any:
        self._endings = [ending for ending in self._endings if not ending.is_set()]
        ended = asyncio.Event()
        self._endings.append(ended)
        return _Connection(self._handler, ended)


async def serve(folder: Path, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    sink = MailSink(folder, port)
    await sink.start()
    await stop.wait()
    await sink.stop()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description="Keep every e-mail as a file and send nothing on.")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--folder", type=Path, required=True, help="where the .eml files go")
    arguments = parser.parse_args()
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # the library logs addresses
    try:
        asyncio.run(serve(arguments.folder, arguments.port))
    except OSError as error:
        raise SystemExit(f"The mail sink cannot use port {arguments.port} or {arguments.folder}: {error}") from None


if __name__ == "__main__":
    main()
