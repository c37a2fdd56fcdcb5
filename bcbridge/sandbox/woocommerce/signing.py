"""Who is calling: HTTP Basic or query parameters over TLS, one-legged OAuth 1.0a over plain HTTP (auth/*).

TLS is what the request's own scheme or ``X-Forwarded-Proto`` says. Credentials shown in the wrong way are not seen at
all: the caller is told the same as somebody who showed none.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from aiohttp import web

from bcbridge.sandbox.woocommerce.refusals import Refused, not_allowed, not_signed_in
from bcbridge.sandbox.woocommerce.settings import WooCommerceSettings

WINDOW_SECONDS = 15 * 60
MOST_NONCES = 100_000
OAUTH = ("oauth_consumer_key", "oauth_timestamp", "oauth_nonce", "oauth_signature", "oauth_signature_method")
DIGESTS = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256}
READING = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Key:
    secret: str
    writes: bool


def is_secure(request: web.Request) -> bool:
    return request.headers.get("X-Forwarded-Proto", request.scheme).lower() == "https"


def home(request: web.Request) -> str:
    """The shop's address, as this caller has it."""
    return f"{'https' if is_secure(request) else 'http'}://{request.host}"


class Guard:
    """Knows the keys, and which nonces were used in the last quarter of an hour."""

    def __init__(self, settings: WooCommerceSettings) -> None:
        self.keys = {
            settings.consumer_key: Key(settings.consumer_secret, writes=True),
            settings.read_only_key: Key(settings.read_only_secret, writes=False),
        }
        self.nonces: dict[tuple[str, str], float] = {}

    def admit(self, request: web.Request, now: datetime, *, header_stripped: bool, key_gone: bool) -> None:
        """Raises `Refused` (401) for everybody who may not do this."""
        header = "" if header_stripped else request.headers.get("Authorization", "")
        key = None if key_gone else self.by_key(request, header) or self.by_oauth(request, header, now)
        if key is None:
            raise not_allowed(request.method, one=is_one(request.path))
        if not key.writes and request.method not in READING:
            raise not_signed_in("The API key provided does not have write permissions.")

    # --- key and secret, over TLS

    def by_key(self, request: web.Request, header: str) -> Key | None:
        if not is_secure(request):
            return None
        shown = in_query(request.query) or in_header(header)
        key = self.keys.get(shown[0]) if shown else None
        if key is not None and shown is not None and not hmac.compare_digest(key.secret.encode(), shown[1].encode()):
            raise not_signed_in("Consumer secret is invalid.")
        return key

    # --- OAuth 1.0a

    def by_oauth(self, request: web.Request, header: str, now: datetime) -> Key | None:
        given = {**oauth_header(header), **{k: v for k, v in request.query.items() if k in OAUTH}}
        if "oauth_consumer_key" not in given and "oauth_signature" not in given:
            return None
        lacking = [name for name in OAUTH if not given.get(name)]
        if lacking:
            code, names = "woocommerce_rest_authentication_missing_parameter", ", ".join(lacking)
            raise Refused(401, code, f"Missing OAuth parameters {names}")
        key = self.keys.get(given["oauth_consumer_key"])
        if key is None:
            raise not_signed_in("Consumer key is invalid.")
        self.check_signature(request, given, key)
        self.check_moment(given, now)
        return key

    def check_signature(self, request: web.Request, given: Mapping[str, str], key: Key) -> None:
        if given["oauth_signature_method"] not in DIGESTS:
            raise not_signed_in("Invalid signature - signature method is invalid.")
        signed = {**dict(parse_qsl(urlsplit(str(request.rel_url)).query, keep_blank_values=True)), **given}
        expected = signature(request.method, home(request) + request.path, signed, key.secret)
        if not hmac.compare_digest(expected.encode(), given["oauth_signature"].encode()):
            raise not_signed_in("Invalid signature - provided signature does not match.")

    def check_moment(self, given: Mapping[str, str], now: datetime) -> None:
        said, moment = given["oauth_timestamp"], now.timestamp()
        if not said.isdigit() or abs(moment - int(said)) > WINDOW_SECONDS:
            raise not_signed_in("Invalid timestamp.")
        used = (given["oauth_consumer_key"], given["oauth_nonce"])
        if moment - self.nonces.get(used, -WINDOW_SECONDS) < WINDOW_SECONDS:
            raise not_signed_in("Invalid nonce - nonce has already been used.")
        if len(self.nonces) >= MOST_NONCES:
            self.nonces = {one: at for one, at in self.nonces.items() if moment - at < WINDOW_SECONDS}
        self.nonces[used] = moment


def is_one(path: str) -> bool:
    return path.rstrip("/").rsplit("/", 1)[-1].isdigit()


def in_query(query: Mapping[str, str]) -> tuple[str, str] | None:
    key, secret = query.get("consumer_key"), query.get("consumer_secret")
    return (key, secret) if key and secret else None


def in_header(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        key, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return key, secret


def oauth_header(header: str) -> dict[str, str]:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "oauth":
        return {}
    pairs = (part.strip().partition("=") for part in rest.split(","))
    return {name: unquote(value.strip('"')) for name, _, value in pairs if name in OAUTH}


def signature(method: str, address: str, parameters: Mapping[str, str], secret: str) -> str:
    """One-legged OAuth 1.0a over all parameters but the signature itself; ``address`` without its query."""
    pairs = sorted((quote(k, safe="~"), quote(v, safe="~")) for k, v in parameters.items() if k != "oauth_signature")
    plain = "&".join(f"{name}={value}" for name, value in pairs)
    text = "&".join((method.upper(), quote(address, safe="~"), quote(plain, safe="~")))
    digest = DIGESTS[parameters["oauth_signature_method"]]
    return base64.b64encode(hmac.new(f"{secret}&".encode(), text.encode(), digest).digest()).decode()
