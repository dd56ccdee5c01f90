"""`kat demo`: everything started, one clinic day run and told."""

import asyncio
from typing import Annotated

import grpc
import typer

from services.cli.clients import channels, issue_token
from services.cli.commands.output import OUT, fail, fail_with
from services.cli.commands.run import DataOption, print_addresses, stop_on_signals
from services.cli.data_folder import DataFolder
from services.cli.demo.account import NotRefusedError
from services.cli.demo.day import run_day
from services.cli.demo.stage import DemoError, Stage
from services.cli.ledger_check import LedgerFaultError
from services.cli.suite import RunningSuite, SuiteError, running_suite
from services.runtime.embedded_postgres import EmbeddedPostgresError
from services.runtime.logs import configure_logs

_STORY_ERRORS = (SuiteError, EmbeddedPostgresError, DemoError, NotRefusedError, LedgerFaultError)


def demo(
    data: DataOption, *, exit_after: Annotated[bool, typer.Option("--exit", help="End after the story.")] = False
) -> None:
    """Start everything, run one clinic day through public RPCs, and keep running until Ctrl-C."""
    configure_logs("kat", level="WARNING")
    try:
        asyncio.run(_demo(DataFolder(data.absolute()), exit_after=exit_after))
    except _STORY_ERRORS as error:
        fail(str(error))
    except grpc.aio.AioRpcError as error:
        fail_with(error)


async def _demo(data: DataFolder, *, exit_after: bool) -> None:
    stop = stop_on_signals()
    OUT.print("Starting PostgreSQL, three services and a local mail sink …")
    async with running_suite(data, movable_clock=True) as suite:
        async with channels(data) as opened:
            account = await run_day(Stage(data, opened))
        OUT.print()
        OUT.print(f"The day is done: {account.steps} steps, three of them refusals.", style="bold green")
        if exit_after:
            return
        _explain(suite)
        await stop.wait()
        OUT.print("Ending …")


def _explain(suite: RunningSuite) -> None:
    OUT.print()
    OUT.print("Everything keeps running. To try things by hand:")
    print_addresses(suite)
    token = issue_token(
        suite.data, subject="visitor", roles=["clinic_system", "supervisor", "auditor"], name="A visitor"
    )
    OUT.print("\n  export KAT_TOKEN=" + token, markup=False, soft_wrap=True)
    OUT.print("  .venv/bin/kat call kat.scheduler.v1.SessionService/ListSessions '{\"page_size\": 3}'", markup=False)
    OUT.print("  .venv/bin/kat call kat.dosing_log.v1.AuditService/GetCheckpoint", markup=False)
    OUT.print("\nCtrl-C ends it; the next start finds everything as it was.")
