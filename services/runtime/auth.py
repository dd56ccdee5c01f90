"""Who calls, and whether they may.

A caller brings a JSON Web Token in `authorization` and a client certificate. The roles that may call an RPC are part
of its contract, the option `(kat.common.v1.access)`; an RPC without it may be called by nobody.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.descriptor import ServiceDescriptor

from kat.common.v1 import common_pb2
from services.runtime.actor import Actor
from services.runtime.errors import PermissionDeniedError, UnauthenticatedError

SERVICE_ROLE = "service"
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated caller.

    Attributes:
        actor: who they are, as their token says.
        organization_id: the only organization that they see; None for a service, which acts for the one of each event.
        token_id: `jti`, which identifies a continuous session of theirs.
        auth_time: when they last proved who they are.
        expire_time: until when their token is valid.
        certificate_name: the name in their client certificate, such as "scheduler"; "" where the server asks for none.
    """

    actor: Actor
    organization_id: UUID | None
    token_id: str
    auth_time: datetime
    expire_time: datetime = _NEVER
    certificate_name: str = ""

    @property
    def organization(self) -> UUID:
        """The organization, for an RPC that acts in one.

        Raises:
            PermissionDeniedError: the caller is a service, which belongs to none.
        """
        if self.organization_id is None:
            raise PermissionDeniedError("Call with a token of one organization", reason="ORGANIZATION_MISSING")
        return self.organization_id


_CALLER: ContextVar[Caller] = ContextVar("caller")


def current_caller() -> Caller:
    """Return who makes the call that is being served.

    Raises:
        UnauthenticatedError: no call is being served.
    """
    try:
        return _CALLER.get()
    except LookupError:
        raise UnauthenticatedError("Call with a token", reason="TOKEN_MISSING") from None


@contextmanager
def calling_as(caller: Caller) -> Iterator[None]:
    """Serve what is inside as a call of this caller."""
    token = _CALLER.set(caller)
    try:
        yield
    finally:
        _CALLER.reset(token)


def allowed_roles(services: Sequence[ServiceDescriptor]) -> Mapping[str, frozenset[str]]:
    """Return for each RPC ("/package.Service/Method") the roles, in lower case, that its contract lets in."""
    return {
        f"/{service.full_name}/{method.name}": frozenset(
            common_pb2.Role.Name(role).removeprefix("ROLE_").lower()
            for role in method.GetOptions().Extensions[common_pb2.access].roles
            if role != common_pb2.ROLE_UNSPECIFIED
        )
        for service in services
        for method in service.methods
    }


def require_role(caller: Caller, method: str, roles: Mapping[str, frozenset[str]]) -> None:
    """Refuse a caller that holds none of the roles of an RPC.

    Raises:
        PermissionDeniedError: they may not.
    """
    needed = roles.get(method, frozenset())
    if not needed.intersection(caller.actor.roles):
        listed = " or ".join(sorted(needed)) or "nobody"
        raise PermissionDeniedError(f"This call is for {listed}; use a token with that role", reason="ROLE_MISSING")


def caller_of(claims: Mapping[str, object], certificate_name: str) -> Caller:
    """Return the caller that verified claims describe.

    Raises:
        UnauthenticatedError: a claim that we need is missing or malformed.
    """
    roles = claims.get("roles")
    subject, organization, token_id = claims.get("sub"), claims.get("org"), claims.get("jti")
    if not (isinstance(roles, list) and all(isinstance(role, str) and role in _ROLES for role in roles) and roles):
        raise UnauthenticatedError("The token's `roles` must be a list of known roles", reason="TOKEN_INVALID")
    if not (isinstance(subject, str) and subject and isinstance(token_id, str) and token_id):
        raise UnauthenticatedError("The token needs `sub` and `jti`", reason="TOKEN_INVALID")
    actor = Actor(
        subject=subject,
        printed_name=str(claims.get("name") or subject),
        credential=str(claims.get("credential") or ""),
        roles=tuple(roles),
    )
    return Caller(
        actor=actor,
        organization_id=_organization(organization, actor),
        token_id=token_id,
        auth_time=_instant(claims.get("auth_time") or claims.get("iat")),
        expire_time=_expire_time(claims["exp"]),
        certificate_name=certificate_name,
    )


_ROLES = frozenset(name.removeprefix("ROLE_").lower() for name in common_pb2.Role.keys() if name != "ROLE_UNSPECIFIED")  # noqa: SIM118 - an enum wrapper, not a dict


def _instant(claim: object) -> datetime:
    # A NumericDate of RFC 7519. Never "now" for want of one: how long ago decides whether a person must prove it again.
    try:
        return datetime.fromtimestamp(claim, UTC)  # type: ignore[arg-type]  # another type is what TypeError is for
    except (OverflowError, OSError, TypeError, ValueError):
        raise UnauthenticatedError("The token's `auth_time` is no time", reason="TOKEN_INVALID") from None


def _expire_time(claim: object) -> datetime:
    """Return when a verified token expires, which may be within a second or after the end of our calendar."""
    return datetime.fromtimestamp(min(float(str(claim)), _NEVER.timestamp() - 1), UTC)


def _organization(claim: object, actor: Actor) -> UUID | None:
    if actor.roles == (SERVICE_ROLE,) and claim in (None, "*"):
        return None
    if SERVICE_ROLE in actor.roles:
        raise UnauthenticatedError("A service's token has no other role and no organization", reason="TOKEN_INVALID")
    try:
        return UUID(str(claim))
    except ValueError:
        raise UnauthenticatedError("The token's `org` must be a uuid", reason="TOKEN_INVALID") from None
