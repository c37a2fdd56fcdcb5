"""How the keys are shown to the shop: three ways, and which of them are tried (contract 1.1).

Over plain HTTP WooCommerce refuses Basic as if no keys had been sent; there each call is signed (OAuth 1.0a, one leg,
HMAC-SHA256), so that the secret never travels.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import quote, urlsplit

from bcbridge.connectors.woocommerce.settings import Auth

DEFAULT_PORTS = {"http": 80, "https": 443}


class Way(StrEnum):
    BASIC = "basic"
    QUERY = "query"
    OAUTH1 = "oauth1"


def ways(auth: Auth, address: str) -> tuple[Way, ...]:
    """Those that may be tried at this address, the best first. The secret never goes over plain HTTP unasked."""
    if auth is not Auth.AUTO:
        return (Way(auth.value),)
    return (Way.BASIC, Way.QUERY) if urlsplit(address).scheme == "https" else (Way.OAUTH1,)


@dataclass(frozen=True, slots=True)
class Signed:
    """What a call carries: its query, with what the way adds to it, and its headers."""

    params: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


class Signer:
    """One key pair at one address."""

    def __init__(
        self,
        address: str,
        *,
        key: str,
        secret: str,
        now: Callable[[], datetime],
        nonce: Callable[[], str] = secrets.token_hex,
    ) -> None:
        self._address = address
        self._key = key
        self._secret = secret
        self._now = now
        self._nonce = nonce

    def signed(self, way: Way, method: str, path: str, params: Mapping[str, str]) -> Signed:
        """``path`` below the address; ``params`` as they are meant, not yet encoded."""
        match way:
            case Way.BASIC:
                pair = base64.b64encode(f"{self._key}:{self._secret}".encode()).decode()
                return Signed(params, {"Authorization": f"Basic {pair}"})
            case Way.QUERY:
                return Signed({**params, "consumer_key": self._key, "consumer_secret": self._secret}, {})
            case Way.OAUTH1:
                return Signed(self._with_signature(method, path, params), {})

    def _with_signature(self, method: str, path: str, params: Mapping[str, str]) -> Mapping[str, str]:
        """The query of the very request that leaves; a body is not signed."""
        signing = {
            **params,
            "oauth_consumer_key": self._key,
            "oauth_nonce": self._nonce(),
            "oauth_signature_method": "HMAC-SHA256",
            "oauth_timestamp": str(int(self._now().timestamp())),
        }
        base = base_string(method, self._address + path, signing)
        made = hmac.digest(f"{encoded(self._secret)}&".encode(), base.encode(), "sha256")
        return {**signing, "oauth_signature": base64.b64encode(made).decode()}


def base_string(method: str, url: str, params: Mapping[str, str]) -> str:
    """What is signed (RFC 5849, 3.4.1): the method, the address without its query, and every parameter in order."""
    pairs = sorted((encoded(name), encoded(value)) for name, value in params.items())
    query = "&".join(f"{name}={value}" for name, value in pairs)
    return "&".join((method.upper(), encoded(_plain(url)), encoded(query)))


def encoded(text: str) -> str:
    return quote(text, safe="~")


def _plain(url: str) -> str:
    """Host in small letters, without the port its scheme has anyway."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path}"
