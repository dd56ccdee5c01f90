import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest

from services.runtime.embedded_issuer import AUDIENCE, ISSUER, EmbeddedIssuer

ORGANIZATION = UUID("0198c6b4-53a1-7c5e-9b1e-3d6f2a4b8c01")


def machine_now() -> datetime:
    """PyJWT judges expiry by the machine's clock."""
    return datetime.now(UTC).replace(microsecond=0)


class FixedClock:
    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now


def token(issuer: EmbeddedIssuer, **changes: Any) -> str:
    given: dict[str, Any] = {
        "subject": "clinician-7",
        "organization": ORGANIZATION,
        "roles": ["clinician", "supervisor"],
        "name": "Ada Byron",
        "credential": "MD",
    }
    return issuer.token(**(given | changes))


def verify(folder: Path, signed: str) -> dict[str, Any]:
    keys = jwt.PyJWKSet.from_json((folder / "jwks.json").read_text())
    key = keys[jwt.get_unverified_header(signed)["kid"]]
    return jwt.decode(signed, key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=ISSUER)


def test_its_tokens_pass_against_its_published_key(tmp_path: Path) -> None:
    present = machine_now()
    signed = token(EmbeddedIssuer(tmp_path, FixedClock(present)))
    claims = verify(tmp_path, signed)
    assert claims.pop("jti")
    now = int(present.timestamp())
    assert claims == {
        "iss": "https://issuer.kat.invalid",
        "aud": "kat",
        "sub": "clinician-7",
        "org": str(ORGANIZATION),
        "roles": ["clinician", "supervisor"],
        "name": "Ada Byron",
        "credential": "MD",
        "auth_time": now,
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
    }


def test_lifetime_authentication_time_and_every_organization(tmp_path: Path) -> None:
    present = machine_now()
    issuer = EmbeddedIssuer(tmp_path, FixedClock(present))
    earlier = present - timedelta(minutes=20)
    claims = verify(tmp_path, token(issuer, organization="*", lifetime=timedelta(minutes=5), auth_time=earlier))
    assert claims["org"] == "*"
    assert claims["exp"] - claims["iat"] == 300
    assert claims["auth_time"] == int(earlier.timestamp())


def test_no_two_tokens_have_the_same_id(tmp_path: Path) -> None:
    present = machine_now()
    issuer = EmbeddedIssuer(tmp_path, FixedClock(present))
    assert len({verify(tmp_path, token(issuer))["jti"] for _ in range(20)}) == 20


def test_tokens_end(tmp_path: Path) -> None:
    present = machine_now()
    signed = token(EmbeddedIssuer(tmp_path, FixedClock(present - timedelta(hours=2))))
    with pytest.raises(jwt.ExpiredSignatureError):
        verify(tmp_path, signed)


def test_the_key_is_kept_and_stays_private(tmp_path: Path) -> None:
    present = machine_now()
    folder = tmp_path / "issuer"
    signed = token(EmbeddedIssuer(folder, FixedClock(present)))
    (folder / "jwks.json").unlink()
    EmbeddedIssuer(folder, FixedClock(present))
    assert verify(folder, signed)["sub"] == "clinician-7"
    assert (folder / "issuer.key").stat().st_mode & 0o777 == 0o600
    (key,) = json.loads((folder / "jwks.json").read_text())["keys"]
    assert sorted(key) == ["alg", "crv", "kid", "kty", "use", "x"], "no private part"


def test_a_new_key_is_published_in_place_of_a_lost_one(tmp_path: Path) -> None:
    present = machine_now()
    old = token(EmbeddedIssuer(tmp_path, FixedClock(present)))
    (tmp_path / "issuer.key").unlink()
    new = token(EmbeddedIssuer(tmp_path, FixedClock(present)))
    assert verify(tmp_path, new)["sub"] == "clinician-7"
    with pytest.raises(KeyError):
        verify(tmp_path, old)
