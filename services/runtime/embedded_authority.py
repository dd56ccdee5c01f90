"""Certificate authority of the embedded default, so that nothing listens without TLS from the first start."""

import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.runtime.clock import Clock
from services.runtime.embedded_files import private_folder, write_private, write_public

_AUTHORITY_LIFETIME = timedelta(days=3650)
_LEAF_LIFETIME = timedelta(days=30)
_CLOCK_SKEW = timedelta(minutes=5)  # another machine's clock may be a little behind the one that signed


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM files of one party: its certificate, its private key (mode 0600), and the authority that signed it."""

    certificate: Path
    private_key: Path
    authority: Path


class EmbeddedAuthority:
    """A certificate authority in a folder: made on first use, valid ten years, its key in `ca.key` (mode 0600).

    `clock` should be the machine's, which whoever checks a certificate goes by. One process at a time issues.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = private_folder(folder)
        self._clock = clock
        key_file, certificate_file = folder / "ca.key", folder / "ca.pem"
        # The certificate is written last: without it, the first use was interrupted and nothing was issued yet.
        if not certificate_file.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            write_private(key_file, _key_pem(key))
            write_public(certificate_file, self._sign_itself(key).public_bytes(serialization.Encoding.PEM))
        self._key = _load_key(key_file)
        self._certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())

    def certificate(self, name: str) -> CertificateFiles:
        """Give the party `name` a certificate as server and as client, valid for ten days more at least.

        It holds for localhost, 127.0.0.1 and ::1, and for the identity `spiffe://kat/<name>`. The one in the folder
        stays until less than a third of its 30 days is left.

        Raises:
            ValueError: `name` is not made of letters, digits and underscores.
        """
        if not (name.isascii() and name.isidentifier()) or name == "ca":
            raise ValueError(f"{name!r} cannot name a party: use letters, digits and underscores.")
        files = CertificateFiles(
            certificate=self._folder / f"{name}.pem",
            private_key=self._folder / f"{name}.key",
            authority=self._folder / "ca.pem",
        )
        if not self._still_good(files):
            key = ec.generate_private_key(ec.SECP256R1())
            write_private(files.private_key, _key_pem(key))
            write_public(files.certificate, self._sign_leaf(name, key).public_bytes(serialization.Encoding.PEM))
        return files

    def _still_good(self, files: CertificateFiles) -> bool:
        if not (files.certificate.exists() and files.private_key.exists()):
            return False
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        # A renewal cut off between its two files leaves a key that is not the certificate's.
        matches = certificate.public_key() == _load_key(files.private_key).public_key()
        return matches and certificate.not_valid_after_utc - self._clock.now() >= _LEAF_LIFETIME / 3

    def _sign_itself(self, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "KAT embedded authority")])
        usage = _key_usage(key_cert_sign=True)
        return (
            self._builder(name, key, _AUTHORITY_LIFETIME)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )

    def _sign_leaf(self, name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")),
            x509.IPAddress(ipaddress.IPv6Address("::1")),
            x509.UniformResourceIdentifier(f"spiffe://kat/{name}"),
        ]
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            self._builder(subject, key, _LEAF_LIFETIME)
            .issuer_name(self._certificate.subject)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(authority, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, lifetime: timedelta
    ) -> x509.CertificateBuilder:
        now = self._clock.now()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCK_SKEW)
            .not_valid_after(now + lifetime)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )


def _key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{file} should hold an elliptic-curve key; remove it to have a new one made.")
    return key
