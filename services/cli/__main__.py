"""The `kat` command."""

import typer

from services.cli.commands import call, demo, doctor, import_roster, run, token

app = typer.Typer(
    name="kat",
    help="The KAT suite: scheduler, dosing log and notifications for ketamine-assisted therapy clinics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback with local variables could show personal data
)
app.command()(run.up)
app.command()(run.serve)
app.command()(run.migrate)
app.command("check-config")(run.check_config)
app.command()(token.token)
app.command()(call.call)
app.command("import")(import_roster.import_)
app.command()(doctor.doctor)
app.command()(demo.demo)


def main() -> None:
    """Run `kat`."""
    app()


if __name__ == "__main__":
    main()
