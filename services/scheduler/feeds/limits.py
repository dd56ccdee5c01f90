"""How often somebody may ask."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from ipaddress import IPv6Address, ip_address, ip_network

_MOST_KEYS = 20_000
_IPV6_SITE_BITS = 64


class RateLimit:
    """Lets each key ask so many times a minute, all at once or spread, in this process.

    Args:
        per_minute: how often.
        seconds: a clock that never goes back; not the domain's, which a demonstration moves.
        most_keys: of how many keys it keeps count; beyond that the one that asked longest ago is forgotten.
    """

    def __init__(self, per_minute: int, seconds: Callable[[], float], *, most_keys: int = _MOST_KEYS) -> None:
        self._most = float(per_minute)
        self._refill = per_minute / 60
        self._seconds = seconds
        self._most_keys = most_keys
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def wait(self, key: Hashable) -> float:
        """Count one more; return 0 where it may, or in how many seconds it may."""
        now = self._seconds()
        left, at = self._left.pop(key, (self._most, now))
        left = min(self._most, left + (now - at) * self._refill)
        allowed = left >= 1
        self._left[key] = (left - 1 if allowed else left, now)
        if len(self._left) > self._most_keys:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._refill


def client_of(peer: str, forwarded: str, proxies: frozenset[str]) -> str:
    """Return who asks: the peer, or where that is a proxy of ours, whom it asks for. One IPv6 site is one client.

    Args:
        peer: the address of the connection.
        forwarded: the values of X-Forwarded-For. Whoever asks can write it, so it is read from its end, as far as the
            addresses are our proxies'.
        proxies: networks of our proxies.
    """
    hops = [peer, *reversed([hop.strip() for hop in forwarded.split(",") if hop.strip()])]
    client = hops[0]
    for hop in hops:
        if not _is_address(hop):
            break
        client = hop
        if not any(ip_address(hop) in ip_network(proxy) for proxy in proxies):
            break
    return _site(client)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _site(client: str) -> str:
    if not _is_address(client):
        return client
    address = ip_address(client)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, _IPV6_SITE_BITS), strict=False))
    return str(address)
