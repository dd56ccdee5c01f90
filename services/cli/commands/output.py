"""How the command line speaks: for people, as JSON with `--json`, and with exit codes that scripts can trust."""

import json
from enum import IntEnum
from typing import Annotated, NoReturn

import grpc
import typer
from rich.console import Console

from services.runtime.status import reason_of, status_from, violations_of

OUT = Console(highlight=False)
ERR = Console(stderr=True, highlight=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


class ExitCode(IntEnum):
    """What the process ends with."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    AWAY = 3


def print_json(value: object) -> None:
    """Print one JSON document."""
    OUT.print_json(json.dumps(value, default=str))


def fail(message: str, code: ExitCode = ExitCode.REFUSED) -> NoReturn:
    """Say what is wrong and what to do, and end."""
    ERR.print(message, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(int(code))


def fail_with(error: grpc.aio.AioRpcError) -> NoReturn:
    """Say why a call was refused, with everything that its status holds, and end."""
    for line in describe(error):
        ERR.print(line, style="red", markup=False, soft_wrap=True)
    away = error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
    if away:
        ERR.print("Is the suite running? `kat doctor` looks; `kat up` starts it.", style="red", markup=False)
    raise typer.Exit(int(ExitCode.AWAY if away else ExitCode.REFUSED))


def describe(error: grpc.aio.AioRpcError) -> list[str]:
    """Return what a refused call's status says, line by line."""
    status = status_from(error)
    head, violations = f"{error.code().name} {reason_of(status)}".rstrip(), violations_of(status)
    if not violations:
        return [f"{head}: {status.message}"]
    return [head, *(f"  {code} {subject}: {text}" for code, subject, text in violations)]
