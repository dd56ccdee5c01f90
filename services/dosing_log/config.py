"""Settings of the dosing log."""

from pathlib import Path
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.config import Address, ServiceSettings


class DosingLogSettings(ServiceSettings):
    """Settings of the dosing log, from KAT_DOSING_LOG_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix="KAT_DOSING_LOG_")

    # Where events go: the scheduler and the notifications service, "host:port" each.
    scheduler_address: Address
    notifications_address: Address
    # The 32 bytes of the Ed25519 key that signs the ledger's checkpoints.
    ledger_key_file: Path
    # Names the ledgers, "<prefix>/<organization>": a name that the operator owns. It never changes once used.
    ledger_origin_prefix: Annotated[str, Field(pattern=r"^[^\s+]+$")] = "kat.invalid/ledger"
    # Seconds between looks for events to send.
    relay_seconds: Annotated[float, Field(gt=0)] = 0.5
    # Seconds between looks for ledger entries to sequence.
    sequence_seconds: Annotated[float, Field(gt=0)] = 0.2
    # Seconds between checkpoints of logs that grew.
    checkpoint_seconds: Annotated[float, Field(gt=0)] = 1.0

    def ledger_key(self) -> Ed25519PrivateKey:
        """Return the key that signs checkpoints.

        Raises:
            OSError: its file cannot be read.
            ValueError: it does not hold 32 bytes.
        """
        return Ed25519PrivateKey.from_private_bytes(self.ledger_key_file.read_bytes())
