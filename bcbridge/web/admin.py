"""The admin door: looking and acting over TCP, for those who have a token. It is bound to this machine unless set
otherwise, and is not there at all unless it is switched on.

``Authorization: Bearer TOKEN``. A token that reads may look; one that acts may also do what ``bcbridge`` does, and its
name is written down as who did it, whatever the request says. Only hashes of tokens are kept.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from bcbridge.errors import StoreBusy
from bcbridge.store import views
from bcbridge.store.views import Reads
from bcbridge.web.acts import ActDoor
from bcbridge.web.jsonable import dumps

log = structlog.get_logger()

FAILURES = 10
WITHIN = timedelta(minutes=1)
ADDRESSES = 1000
"""Addresses whose failures are remembered; beyond that the oldest is forgotten."""
ACTS_AT_MOST = 1000
WORDS = {"read": "may look, not act", "act": "may act"}

Role = Literal["read", "act"]


@dataclass(frozen=True, slots=True)
class Token:
    """Somebody who may come in. ``digest`` is the SHA-256 of the token."""

    name: str
    role: Role
    digest: bytes

    @classmethod
    def of(cls, name: str, role: Role, secret: str) -> Token:
        return cls(name, role, _digest(secret))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


class Keys:
    """Every token there is, and who failed to show one lately."""

    def __init__(self, tokens: Iterable[Token], *, now: Callable[[], datetime]) -> None:
        self._tokens = tuple(tokens)
        self._now = now
        self._failures: dict[str, tuple[datetime, int]] = {}

    def whose(self, secret: str) -> Token | None:
        """Compared with every one, each time for as long: the time tells nothing."""
        shown, found = _digest(secret), None
        for token in self._tokens:
            if hmac.compare_digest(shown, token.digest):
                found = token
        return found

    def wait(self, address: str) -> timedelta | None:
        """How long this address is not listened to; None: it is."""
        since, failures = self._failures.get(address, (self._now(), 0))
        left = since + WITHIN - self._now()
        return left if failures >= FAILURES and left > timedelta(0) else None

    def failed(self, address: str) -> None:
        now = self._now()
        since, failures = self._failures.pop(address, (now, 0))
        self._failures[address] = (now, 1) if now - since >= WITHIN else (since, failures + 1)
        if len(self._failures) > ADDRESSES:
            del self._failures[next(iter(self._failures))]


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_token = web.RequestKey("token", Token)


def only_with_a_token(keys: Keys) -> Middleware:
    """Nothing behind it is done, looked up or even found without one."""

    @web.middleware
    async def let_in(request: web.Request, handler: Handler) -> web.StreamResponse:
        address = request.remote or ""
        wait = keys.wait(address)
        if wait is not None:
            seconds = str(int(wait.total_seconds()) + 1)
            return refused(429, "too many attempts without a good token", {"Retry-After": seconds})
        kind, _, secret = request.headers.get("Authorization", "").partition(" ")
        token = keys.whose(secret.strip()) if kind.lower() == "bearer" else None
        if token is None:
            return _unknown(keys, address, shown=bool(secret))
        if request.method not in ("GET", "HEAD") and token.role != "act":
            return refused(403, f"the token {token.name} {WORDS[token.role]}")
        request[_token] = token
        return await handler(request)

    return let_in


def _unknown(keys: Keys, address: str, *, shown: bool) -> web.Response:
    keys.failed(address)
    log.warning("admin_refused", address=address, token="unknown" if shown else "none")
    text = "this token is not known here" if shown else "a token is needed: Authorization: Bearer TOKEN"
    return refused(401, text, {"WWW-Authenticate": "Bearer"})


def refused(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": text}, status=status, headers=headers)


class AdminDoor:
    """Orders, exceptions and acts as JSON: the keys are those of the command line (docs/cli.md)."""

    def __init__(self, reads: Reads, acts: ActDoor) -> None:
        self._reads = reads
        self._acts = acts

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/exceptions", self._looking(self._exceptions)),
            web.get("/orders/{order:.+}", self._looking(self._order)),
            web.get("/acts", self._looking(self._done)),
            web.post("/acts/{act}", self._act),
        ]

    @staticmethod
    def _looking(look: Callable[[web.Request], Awaitable[web.Response]]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await look(request)
            except (StoreBusy, sqlite3.Error, TimeoutError) as fault:
                return refused(503, f"the store cannot be read now: {type(fault).__name__}")

        return handle

    async def _exceptions(self, request: web.Request) -> web.Response:
        return _json(await views.all_exceptions(self._reads, channel=request.query.get("channel")))

    async def _order(self, request: web.Request) -> web.Response:
        text = request.match_info["order"]
        found = await views.find_order(self._reads, text)
        if not found:
            return refused(404, "no order answers to that")
        if len(found) > 1:
            return _json({"error": "it may mean several orders", "candidates": found}, status=409)
        return _json(await views.story(self._reads, found[0].id))

    async def _done(self, request: web.Request) -> web.Response:
        limit = request.query.get("limit", "20")
        if not limit.isdecimal() or not 1 <= int(limit[:9]) <= ACTS_AT_MOST:
            return refused(400, f"limit: a number from 1 to {ACTS_AT_MOST}")
        return _json(await views.acts(self._reads, limit=int(limit)))

    async def _act(self, request: web.Request) -> web.StreamResponse:
        return await self._acts.answer(request, signed=lambda body: in_the_name_of(request[_token].name, body))


def in_the_name_of(name: str, body: bytes) -> bytes:
    """The same wish by the token's name. What is no JSON object stays as it is, and is refused as that."""
    try:
        wish = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    return orjson.dumps({**wish, "who": name}) if isinstance(wish, dict) else body


def _json(facts: object, *, status: int = 200) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=dumps(facts), status=status, content_type="application/json", headers=headers)
