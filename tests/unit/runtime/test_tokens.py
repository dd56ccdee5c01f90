"""Which tokens are believed, and who they say calls."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.runtime import tokens
from services.runtime.auth import Caller, caller_of
from services.runtime.clock import SystemClock
from services.runtime.embedded_issuer import AUDIENCE, ISSUER, EmbeddedIssuer
from services.runtime.errors import PermissionDeniedError, UnauthenticatedError, UnavailableError
from services.runtime.tokens import TokenVerifier

ORGANIZATION = uuid4()
OMIT = "omit"


@pytest.fixture
def issuer(tmp_path) -> EmbeddedIssuer:
    return EmbeddedIssuer(tmp_path / "issuer", SystemClock())


@pytest.fixture
def verifier(issuer) -> TokenVerifier:
    return TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=str(issuer.jwks_file))


def claims(**changes: object) -> dict[str, object]:
    """The claims of a good token with changes; times as seconds from now."""
    now = int(time.time())
    for name in ("exp", "nbf", "iat"):
        if isinstance(seconds := changes.get(name), int):
            changes[name] = now + seconds
    usual = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "anna",
        "org": str(ORGANIZATION),
        "roles": ["clinician"],
        "name": "Anna",
        "credential": "RN",
        "auth_time": now - 60,
        "iat": now,
        "exp": now + 600,
        "jti": "t1",
        **changes,
    }
    return {name: value for name, value in usual.items() if value is not OMIT}


def signed(issuer: EmbeddedIssuer, *, headers: dict[str, object] | None = None, **changes: object) -> str:
    return jwt.encode(claims(**changes), issuer._key, "EdDSA", headers={"kid": issuer._key_id, **(headers or {})})


async def test_a_token_of_the_issuer_is_believed(issuer, verifier):
    caller = caller_of(await verifier.verify(signed(issuer)), "cli")
    assert (caller.actor.subject, caller.actor.printed_name, caller.actor.credential) == ("anna", "Anna", "RN")
    assert (caller.organization, caller.actor.roles, caller.certificate_name) == (ORGANIZATION, ("clinician",), "cli")
    assert caller.auth_time < datetime.now(UTC)


@pytest.mark.parametrize("seconds", [600.5, 10**15])
async def test_a_token_may_expire_within_a_second_or_after_all_calendars(issuer, verifier, seconds):
    expires = int(time.time()) + seconds
    token = jwt.encode(claims() | {"exp": expires}, issuer._key, "EdDSA", headers={"kid": issuer._key_id})
    for _ in range(2):  # the second time it is remembered
        caller = caller_of(await verifier.verify(token), "cli")
    latest = datetime(9999, 12, 31, 23, 59, 58, tzinfo=UTC).timestamp()
    assert caller.expire_time.timestamp() == pytest.approx(min(expires, latest), abs=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": -60},
        {"nbf": 600},
        {"iat": 600},
        {"iss": "https://other.invalid"},
        {"iss": ISSUER + "/"},
        {"aud": "other"},
        {"aud": []},
        *({name: OMIT} for name in ("exp", "iat", "iss", "aud", "sub", "jti")),
        {"exp": "soon"},
        {"headers": {"kid": "unknown"}},
        {"headers": {"crit": ["b64"], "b64": False}},
        {"headers": {"crit": ["unheard-of"]}},
    ],
    ids=repr,
)
async def test_a_token_with_a_wrong_claim_or_header_is_not_believed(issuer, verifier, changes):
    with pytest.raises(UnauthenticatedError):
        await verifier.verify(signed(issuer, **changes))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "....", "é", "eyJhbGciOiJFZERTQSJ9..", "{}.{}.{}"])
async def test_what_is_no_token_is_not_believed(verifier, token):
    with pytest.raises(UnauthenticatedError):
        await verifier.verify(token)


async def test_a_token_that_was_changed_is_not_believed(issuer, verifier):
    header, _, signature = signed(issuer).split(".")
    payload = _base64(json.dumps(claims(roles=["supervisor"])).encode())
    with pytest.raises(UnauthenticatedError):
        await verifier.verify(f"{header}.{payload}.{signature}")


async def test_a_token_without_a_signature_is_not_believed(issuer, verifier):
    with pytest.raises(UnauthenticatedError):
        await verifier.verify(jwt.encode(claims(), None, "none", headers={"kid": issuer._key_id}))


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _public_forms(issuer: EmbeddedIssuer) -> list[bytes]:
    public = issuer._key.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return [pem, public.public_bytes_raw(), issuer.jwks_file.read_bytes()]


@pytest.mark.parametrize("form", range(3))
async def test_a_token_signed_with_the_public_key_as_a_secret_is_not_believed(issuer, verifier, form):
    header = _base64(json.dumps({"alg": "HS256", "typ": "JWT", "kid": issuer._key_id}).encode())
    content = f"{header}.{_base64(json.dumps(claims()).encode())}"
    signature = hmac.digest(_public_forms(issuer)[form], content.encode(), hashlib.sha256)
    with pytest.raises(UnauthenticatedError):
        await verifier.verify(f"{content}.{_base64(signature)}")


async def test_a_token_of_another_key_with_the_same_id_is_not_believed(issuer, verifier):
    for key, algorithm in ((Ed25519PrivateKey.generate(), "EdDSA"), (ec.generate_private_key(ec.SECP256R1()), "ES256")):
        with pytest.raises(UnauthenticatedError):
            await verifier.verify(jwt.encode(claims(), key, algorithm, headers={"kid": issuer._key_id}))


async def test_a_secret_in_the_key_set_does_not_let_shared_secrets_in(tmp_path):
    secret = b"0123456789abcdef0123456789abcdef"
    keys = {"keys": [{"kty": "oct", "kid": "s", "alg": "HS256", "k": _base64(secret)}]}
    (tmp_path / "jwks.json").write_text(json.dumps(keys))
    verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=str(tmp_path / "jwks.json"))
    with pytest.raises(UnauthenticatedError):
        await verifier.verify(jwt.encode(claims(), secret, "HS256", headers={"kid": "s"}))


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"keys": []}', b'{"keys": 3}', b"\xff"])
async def test_without_readable_keys_nobody_is_believed(tmp_path, issuer, content):
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnavailableError):
        await TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=str(path)).verify(signed(issuer))


async def test_a_new_key_is_found_and_a_withdrawn_one_forgotten(tmp_path, issuer, verifier):
    await verifier.verify(signed(issuer))
    successor = EmbeddedIssuer(tmp_path / "successor", SystemClock())
    issuer.jwks_file.write_bytes(successor.jwks_file.read_bytes())
    verifier._read_at -= tokens.REFRESH_AT_MOST_EVERY_SECONDS + 1  # so long ago
    await verifier.verify(signed(successor))
    with pytest.raises(UnauthenticatedError):
        await verifier.verify(signed(issuer))


async def test_known_keys_are_kept_while_the_issuer_is_away(issuer, verifier):
    await verifier.verify(signed(issuer))
    issuer.jwks_file.unlink()
    verifier._read_at -= tokens.REFRESH_SECONDS + 1
    await verifier.verify(signed(issuer))


async def test_unknown_key_ids_do_not_make_us_read_the_keys_each_time(issuer, verifier):
    await verifier.verify(signed(issuer))
    before = verifier._read_at
    issuer.jwks_file.unlink()
    for number in range(3):
        with pytest.raises(UnauthenticatedError):
            await verifier.verify(signed(issuer, headers={"kid": f"k{number}"}))
    assert verifier._read_at == before


@pytest.mark.parametrize(
    "changes",
    [
        {"roles": []},
        {"roles": "clinician"},
        {"roles": ["clinician", "king"]},
        {"roles": ["unspecified"]},
        {"roles": ["CLINICIAN"]},
        {"roles": OMIT},
        {"roles": [["clinician"]]},
        {"roles": [1]},
        {"sub": ""},
        {"sub": 7},
        {"jti": ""},
        {"org": OMIT},
        {"org": "clinic-1"},
        {"org": "*"},
        {"roles": ["service"]},
        {"roles": ["service", "supervisor"], "org": "*"},
        {"roles": ["service", "supervisor"]},
        {"auth_time": 10**18},
        {"auth_time": "today"},
        {"auth_time": [1]},
    ],
    ids=repr,
)
def test_claims_that_say_too_little_or_too_much_are_refused(changes):
    with pytest.raises(UnauthenticatedError):
        caller_of(claims(**changes), "cli")


@pytest.mark.parametrize("changes", [{"auth_time": 1_767_225_600.5}, {"auth_time": OMIT, "iat": 0}])
def test_the_time_of_authentication_is_that_of_the_token(changes):
    made = claims(**changes)
    caller = caller_of(made, "cli")
    assert caller.auth_time.timestamp() == changes["auth_time"] if "iat" not in changes else made["iat"]


def test_a_service_belongs_to_no_organization():
    caller: Caller = caller_of(claims(roles=["service"], org="*", name=OMIT, credential=OMIT), "scheduler")
    assert (caller.organization_id, caller.actor.printed_name) == (None, "anna")
    with pytest.raises(PermissionDeniedError):
        assert isinstance(caller.organization, UUID)


async def test_a_token_that_was_believed_is_refused_once_it_has_expired(issuer, verifier):
    token = signed(issuer, exp=1 - tokens.LEEWAY_SECONDS)
    async with asyncio.timeout(10):
        await verifier.verify(token)
        with pytest.raises(UnauthenticatedError):
            while True:
                await verifier.verify(token)
                await asyncio.sleep(0.02)


async def test_a_token_that_was_believed_is_refused_once_its_key_is_withdrawn(tmp_path, issuer, verifier):
    token = signed(issuer)
    assert await verifier.verify(token) == await verifier.verify(token)
    other = EmbeddedIssuer(tmp_path / "other", SystemClock())
    issuer.jwks_file.write_bytes(other.jwks_file.read_bytes())
    verifier._read_at -= tokens.REFRESH_SECONDS + 1
    with pytest.raises(UnauthenticatedError):
        await verifier.verify(token)


async def test_no_more_tokens_are_remembered_than_there_is_room_for(issuer, verifier):
    for number in range(3):
        await verifier.verify(signed(issuer, jti=f"t{number}"))
    assert len(verifier._verified) == 3
    verifier._verified |= {bytes([number // 256, number % 256]): {} for number in range(tokens.REMEMBERED_TOKENS)}
    await verifier.verify(signed(issuer, jti="another"))
    assert len(verifier._verified) == 1
