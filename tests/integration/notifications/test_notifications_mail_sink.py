"""The local mail sink as the process that `kat up` starts."""

import asyncio
import signal
import socket
import stat
import sys
from email import message_from_bytes
from pathlib import Path

import aiosmtplib

MESSAGE = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: Hello\r\n\r\nText\r\n..dot\r\n"


async def _started(folder: Path) -> tuple[asyncio.subprocess.Process, int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.notifications.mail_sink", "--port", str(port), "--folder", str(folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            await writer.wait_closed()
            return process, port
    raise AssertionError((await process.communicate())[0])


async def test_it_keeps_each_message_in_a_private_file_and_says_nothing(tmp_path):
    folder = tmp_path / "mail"
    process, port = await _started(folder)
    for _ in range(3):
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
        await client.connect()
        await client.sendmail("a@example.org", ["b@example.org"], MESSAGE)
        await client.quit()
    process.send_signal(signal.SIGTERM)
    output, _ = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, output) == (0, b"")
    files = sorted(folder.iterdir())
    assert [file.suffix for file in files] == [".eml"] * 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert message_from_bytes(files[0].read_bytes())["Subject"] == "Hello"
    assert files[0].read_bytes().endswith(b"Text\r\n..dot\r\n")


async def test_a_message_under_way_is_finished_when_it_is_told_to_stop(tmp_path):
    folder = tmp_path / "mail"
    process, port = await _started(folder)
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
    await client.connect()
    await client.mail("a@example.org")
    await client.rcpt("b@example.org")
    process.send_signal(signal.SIGTERM)
    await client.data(MESSAGE)
    await client.quit()
    await asyncio.wait_for(process.wait(), 10)
    assert len(list(folder.iterdir())) == 1


async def test_what_cannot_be_stored_is_not_accepted(tmp_path):
    folder = tmp_path / "mail"
    process, port = await _started(folder)
    folder.rmdir()
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
    await client.connect()
    try:
        await client.sendmail("a@example.org", ["b@example.org"], MESSAGE)
    except aiosmtplib.SMTPResponseException as refusal:
        assert refusal.code == 451  # noqa: PT017 - which of the calls raises is the library's business
    else:
        raise AssertionError("it said that it kept a message")
    finally:
        await client.quit()
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 10)
