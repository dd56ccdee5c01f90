"""Settings: all faults told at once and clearly, secrets shown nowhere."""

import sys
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from services.runtime.clock import OffsetClock, SystemClock, move_offset_clock
from services.runtime.config import ServiceSettings
from services.runtime.entry import CONFIGURATION_FAULT, start

SECRET = "postgresql+asyncpg://app:Quagmire@db/kat"


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="KAT_SAMPLE_")


GOOD = {
    "LISTEN_ADDRESS": "127.0.0.1:8443",
    "DATABASE_URL": SECRET,
    "TLS_CERTIFICATE": "a.pem",
    "TLS_PRIVATE_KEY": "a.key",
    "TLS_AUTHORITY": "ca.pem",
    "ALLOWED_CLIENTS": "cli, console,,cli",
    "TOKEN_ISSUER": "https://issuer.invalid",
    "TOKEN_KEYS": "jwks.json",
    "SERVICE_TOKEN_FILE": "token",
}


@pytest.fixture
def environment(monkeypatch):
    def put(**changes: str | None) -> None:
        for name, value in {**GOOD, **changes}.items():
            monkeypatch.delenv(f"KAT_SAMPLE_{name}", raising=False)
            if value is not None:
                monkeypatch.setenv(f"KAT_SAMPLE_{name}", value)

    return put


def test_settings_come_from_the_environment(environment):
    environment()
    settings = Settings()
    assert settings.allowed_clients == {"cli", "console"}
    assert settings.database() == SECRET
    assert isinstance(settings.clock(), SystemClock)


def test_the_url_of_the_database_may_be_in_a_file(environment, tmp_path):
    (tmp_path / "url").write_text(SECRET + "\n")
    environment(DATABASE_URL=None, DATABASE_URL_FILE=str(tmp_path / "url"))
    assert Settings().database() == SECRET


@pytest.mark.parametrize(
    "changes", [{"DATABASE_URL": None}, {"DATABASE_URL": ""}, {"DATABASE_URL_FILE": "/run/secrets/url"}]
)
def test_one_url_of_the_database_and_not_two(environment, changes):
    environment(**changes)
    with pytest.raises(ValidationError, match="set database_url or database_url_file, one of them"):
        Settings()


def test_a_secret_is_shown_nowhere(environment):
    environment()
    settings = Settings()
    assert "Quagmire" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    environment(DATABASE_URL_FILE="x", LISTEN_ADDRESS="nowhere", DATABASE_POOL_SIZE="Quagmire")
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert "Quagmire" not in str(caught.value)


def test_settings_do_not_change(environment):
    environment()
    with pytest.raises(ValidationError):
        Settings().listen_address = "127.0.0.1:1"


def never(settings: Settings) -> None:
    raise AssertionError("it must not serve")


def test_a_program_tells_all_faults_at_once_and_serves_nothing(environment, capsys):
    environment(LISTEN_ADDRESS="nowhere", TLS_CERTIFICATE=None, DATABASE_POOL_SIZE="Quagmire", LOG_LEVEL="LOUD")
    with pytest.raises(SystemExit) as caught:
        start("sample", Settings, never)
    assert caught.value.code == CONFIGURATION_FAULT
    told = capsys.readouterr().err.splitlines()
    names = {line.partition(":")[0] for line in told}
    assert names == {
        "KAT_SAMPLE_LISTEN_ADDRESS",
        "KAT_SAMPLE_TLS_CERTIFICATE",
        "KAT_SAMPLE_DATABASE_POOL_SIZE",
        "KAT_SAMPLE_LOG_LEVEL",
    }
    assert "Quagmire" not in "".join(told)


def test_settings_can_be_checked_without_serving(environment, capsys, monkeypatch):
    environment()
    monkeypatch.setattr(sys, "argv", ["sample", "--check-config"])
    start("sample", Settings, never)
    assert "right" in capsys.readouterr().out


def test_a_moved_clock_shows_the_same_to_all_who_read_the_file(tmp_path):
    file = tmp_path / "offset"
    clocks = [OffsetClock(file), OffsetClock(file)]
    assert abs(clocks[0].now() - datetime.now(UTC)) < timedelta(seconds=5)
    for target in (datetime(2027, 3, 13, 12, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)):
        move_offset_clock(file, target)
        assert all(timedelta() <= clock.now() - target < timedelta(seconds=5) for clock in clocks)
