import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from services.runtime.clock import SystemClock
from services.runtime.embedded_authority import CertificateFiles, EmbeddedAuthority

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class HandClock:
    def __init__(self, now: datetime = START) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


def read(files: CertificateFiles) -> x509.Certificate:
    return x509.load_pem_x509_certificate(files.certificate.read_bytes())


def shake_hands(server: CertificateFiles, client: CertificateFiles, host: str = "localhost") -> str:
    """A mutual TLS handshake; the identity the server saw."""
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(server.authority))
    server_context.load_cert_chain(server.certificate, server.private_key)
    server_context.verify_mode = ssl.CERT_REQUIRED
    client_context = ssl.create_default_context(cafile=str(client.authority))
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    client_context.load_cert_chain(client.certificate, client.private_key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_side = server_context.wrap_bio(to_server, to_client, server_side=True)
    client_side = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    for side in (client_side, server_side, client_side, server_side):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    seen = server_side.getpeercert()
    assert seen is not None
    return next(name for kind, name in seen["subjectAltName"] if kind == "URI")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_both_sides_of_a_mutual_handshake_accept_its_certificates(tmp_path: Path, host: str) -> None:
    authority = EmbeddedAuthority(tmp_path, SystemClock())
    identity = shake_hands(authority.certificate("scheduler"), authority.certificate("dosing_log"), host)
    assert identity == "spiffe://kat/dosing_log"


def test_another_authority_is_not_trusted(tmp_path: Path) -> None:
    ours = EmbeddedAuthority(tmp_path / "ours", SystemClock()).certificate("scheduler")
    theirs = EmbeddedAuthority(tmp_path / "theirs", SystemClock()).certificate("scheduler")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(ours, theirs)


def test_a_certificate_does_not_sign_others(tmp_path: Path) -> None:
    leaf = read(EmbeddedAuthority(tmp_path, HandClock()).certificate("cli"))
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_a_second_start_keeps_authority_and_certificates(tmp_path: Path) -> None:
    first = EmbeddedAuthority(tmp_path, HandClock()).certificate("console")
    kept = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert EmbeddedAuthority(tmp_path, HandClock()).certificate("console") == first
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == kept


def test_private_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    EmbeddedAuthority(tmp_path / "authority", HandClock()).certificate("console")
    modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "authority").iterdir()}
    assert modes == {"ca.key": 0o600, "ca.pem": 0o644, "console.key": 0o600, "console.pem": 0o644}
    assert (tmp_path / "authority").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("age", "renewed"), [(timedelta(days=20), False), (timedelta(days=20, seconds=1), True)])
def test_it_renews_once_less_than_a_third_of_the_lifetime_is_left(
    tmp_path: Path, age: timedelta, *, renewed: bool
) -> None:
    clock = HandClock()
    authority = EmbeddedAuthority(tmp_path, clock)
    before = read(authority.certificate("scheduler"))
    assert before.not_valid_after_utc == START + timedelta(days=30)
    clock.time += age
    after = read(authority.certificate("scheduler"))
    assert (after.serial_number != before.serial_number) is renewed


def test_a_renewal_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    authority = EmbeddedAuthority(tmp_path, SystemClock())
    files = authority.certificate("scheduler")
    files.private_key.write_bytes(authority.certificate("cli").private_key.read_bytes())
    assert shake_hands(authority.certificate("scheduler"), authority.certificate("scheduler"))


def test_an_interrupted_first_use_is_begun_again(tmp_path: Path) -> None:
    EmbeddedAuthority(tmp_path, SystemClock())
    (tmp_path / "ca.pem").unlink()
    authority = EmbeddedAuthority(tmp_path, SystemClock())
    assert shake_hands(authority.certificate("scheduler"), authority.certificate("scheduler"))


@pytest.mark.parametrize("name", ["", "ca", "../elsewhere", "a b", "a/b"])
def test_a_name_that_is_no_party_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a party"):
        EmbeddedAuthority(tmp_path, HandClock()).certificate(name)
