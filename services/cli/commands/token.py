"""`kat token`: a token of the embedded issuer."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer

from services.cli.clients import issue_token
from services.cli.commands.output import OUT, ExitCode, JsonOption, fail, print_json
from services.cli.commands.run import DataOption
from services.cli.data_folder import DataFolder


class RoleName(StrEnum):
    """Roles that a person or clinic system may hold."""

    CLINIC_SYSTEM = "clinic_system"
    CLINICIAN = "clinician"
    SUPERVISOR = "supervisor"
    PHARMACIST = "pharmacist"
    AUDITOR = "auditor"


def token(
    data: DataOption,
    *,
    role: Annotated[list[RoleName], typer.Option(help="A role; repeat for more.")],
    subject: Annotated[str, typer.Option(help="Who it is for: the `sub`.")] = "",
    name: Annotated[str, typer.Option(help="Printed name, as signatures show it.")] = "",
    credential: Annotated[str, typer.Option(help='Professional credential, such as "MD".')] = "",
    organization: Annotated[UUID | None, typer.Option(help="Another organization than the embedded one.")] = None,
    hours: Annotated[float, typer.Option(help="How long it is valid.", min=0.01, max=24)] = 8,
    as_json: JsonOption = False,
) -> None:
    """Print a token of the embedded issuer, for `authorization: Bearer …`."""
    folder = DataFolder(data.absolute())
    if not folder.issuer.is_dir():
        fail(f"There is no issuer in {folder.root}; start `kat up` first, or give --data", ExitCode.AWAY)
    subject = subject or f"person:{role[0].value}"
    printed = issue_token(
        folder,
        subject=subject,
        roles=[each.value for each in role],
        name=name or subject,
        credential=credential,
        organization=organization,
        lifetime=timedelta(hours=hours),
    )
    if as_json:
        print_json({"token": printed, "subject": subject, "organization": organization or folder.organization_id})
    else:
        OUT.print(printed, soft_wrap=True)
