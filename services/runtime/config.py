"""Settings that every service has, from environment variables or files that they name."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.runtime.clock import Clock, OffsetClock, SystemClock

Address = Annotated[str, Field(pattern=r"^[^:\s]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$")]


class ServiceSettings(BaseSettings):
    """Settings of a service. Each is read from KAT_<SERVICE>_<FIELD>; secrets preferably from a file."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # Where to listen, "host:port".
    listen_address: Address
    # SQLAlchemy URL of the restricted role, or a file that holds it.
    database_url: SecretStr = SecretStr("")
    database_url_file: Path | None = None
    # This service's certificate, its private key, and the authority of clients' certificates. PEM files.
    tls_certificate: Path
    tls_private_key: Path
    tls_authority: Path
    # Names in client certificates (spiffe://kat/<name>) that may call at all, separated by commas.
    allowed_clients: Annotated[frozenset[str], NoDecode]
    # The OpenID Connect issuer of tokens, the audience they must hold, and its key set: a file or an https address.
    token_issuer: str
    token_audience: str = "kat"  # noqa: S105 - a name, not a secret
    token_keys: str
    # A file with the token that this service calls others with; read anew when it changes.
    service_token_file: Path
    # Moves the service's clock, for demonstrations and tests; never for real patients.
    clock_offset_file: Path | None = None
    # Connections to the database at most.
    database_pool_size: Annotated[int, Field(ge=2, le=100)] = 12
    # RPCs at once, open streams among them; more are refused with RESOURCE_EXHAUSTED.
    maximum_concurrent_rpcs: Annotated[int, Field(ge=1)] = 256
    # How long calls under way may take to end after SIGTERM.
    drain_seconds: Annotated[float, Field(ge=0)] = 10
    # Where to serve Prometheus metrics, "host:port"; nowhere when empty.
    metrics_address: Address | str = ""
    # DEBUG, INFO, WARNING or ERROR.
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    # Server reflection, for tools such as `kat call` and grpcurl.
    reflection: bool = True

    @model_validator(mode="before")
    @classmethod
    def _split_clients(cls, values: object) -> object:
        if isinstance(values, dict) and isinstance(values.get("allowed_clients"), str):
            names = frozenset(name.strip() for name in values["allowed_clients"].split(",") if name.strip())
            return {**values, "allowed_clients": names}
        return values

    @model_validator(mode="after")
    def _has_database(self) -> Self:
        if bool(self.database_url.get_secret_value()) == bool(self.database_url_file):
            raise ValueError("set database_url or database_url_file, one of them")
        return self

    def database(self) -> str:
        """Return the database's URL.

        Raises:
            OSError: its file cannot be read.
        """
        if self.database_url_file is not None:
            return self.database_url_file.read_text(encoding="utf-8").strip()
        return self.database_url.get_secret_value()

    def clock(self) -> Clock:
        """Return the clock that the domain goes by."""
        return OffsetClock(self.clock_offset_file) if self.clock_offset_file else SystemClock()
