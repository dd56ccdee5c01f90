"""The data folder of the embedded default: everything that the suite keeps on one machine."""

import json
import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from uuid import UUID

from services.runtime.embedded_files import private_folder, write_private, write_public
from services.runtime.identifiers import new_id

SERVICES = ("scheduler", "dosing_log", "notifications")
DEFAULT_PORTS = {"scheduler": 7101, "dosing_log": 7102, "notifications": 7103, "calendar": 7104, "mail_sink": 7125}


@dataclass(frozen=True)
class DataFolder:
    """Paths below one folder, made when they are first needed."""

    root: Path

    def make(self) -> None:
        """Make the folder where absent.

        Others may pass through it, as the user that PostgreSQL runs as for root does, and see nothing: every folder
        below is private.
        """
        self.root.mkdir(mode=0o711, parents=True, exist_ok=True)

    @property
    def authority(self) -> Path:
        """The certificate authority and all certificates."""
        return self.root / "authority"

    @property
    def issuer(self) -> Path:
        """The token issuer's key and public keys."""
        return self.root / "issuer"

    @property
    def mail(self) -> Path:
        """Every e-mail that the local sink took, one .eml file each."""
        return self.root / "mail"

    @property
    def logs(self) -> Path:
        """A log file for each process."""
        return private_folder(self.root / "logs")

    @property
    def secrets(self) -> Path:
        """Keys and passwords, each in a file that its owner alone reads."""
        return private_folder(self.root / "secrets")

    @property
    def clock_offset(self) -> Path:
        """The file that moves the clock of a demonstration; absent in use."""
        return self.root / "clock_offset"

    @cached_property
    def organization_id(self) -> UUID:
        """The organization of the embedded default, made on first use."""
        file = self.root / "organization"
        if not file.exists():
            self.make()
            write_public(file, str(new_id()).encode())
        return UUID(file.read_text(encoding="ascii"))

    def secret(self, name: str, *, size: int = 32) -> Path:
        """Return the file of a secret of so many random bytes, made on first use."""
        file = self.secrets / name
        if not file.exists():
            write_private(file, secrets.token_bytes(size))
        return file

    def service_token(self, service: str) -> Path:
        """Return the file of the token that a service calls others with."""
        return self.secrets / f"{service}.token"

    def addresses(self) -> dict[str, str]:
        """Return where the services listen, as the running suite wrote it.

        Raises:
            FileNotFoundError: the suite was never started on this folder.
        """
        return dict(json.loads((self.root / "addresses.json").read_text(encoding="utf-8")))

    def write_addresses(self, addresses: dict[str, str]) -> None:
        """Write where the services listen, for clients on this machine."""
        write_public(self.root / "addresses.json", json.dumps(addresses, indent=2).encode())


def default_data_folder() -> Path:
    """Return the folder that KAT_DATA names, or `data` here."""
    return Path(os.environ.get("KAT_DATA") or "data").absolute()
