"""The key of every call: a static one, or one asked for with client credentials and renewed before it runs out.

Facts: contracts/shopify/NOTES.md 1.2. A token lives a day; there is no refresh token, one simply asks again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import urlencode

import anyio
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from bcbridge.connectors.http import Answer, Http, decide_read
from bcbridge.errors import BridgeError, OpenCircuit

RENEW_AT = 0.8
"""The part of a token's life after which a new one is asked for."""
PATH = "/admin/oauth/access_token"


class AccessToken(Protocol):
    async def current(self) -> str:
        """The token to call with now. Raises Retry or OpenCircuit where none can be had."""
        ...

    async def after_refusal(self, refused: str) -> str:
        """The token to call with once more after a 401. Raises OpenCircuit where there is no other."""
        ...


class StaticToken:
    """An admin-made app's token: it never changes, so a refusal is final."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def current(self) -> str:
        return self._token

    async def after_refusal(self, refused: str) -> str:
        raise OpenCircuit("Shopify refuses the access token (401): was the app uninstalled or the token revoked?")


class _Granted(BaseModel):
    model_config = ConfigDict(extra="ignore")
    access_token: str
    expires_in: PositiveInt


@dataclass(frozen=True, slots=True)
class _Held:
    token: str = field(repr=False)
    renew_at: datetime


class ClientCredentials:
    """A token granted to the app itself. One request for a new one at a time; the others wait for its answer."""

    def __init__(self, http: Http, *, client_id: str, client_secret: str, now: Callable[[], datetime]) -> None:
        self._http = http
        self._form = urlencode(
            {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        ).encode()
        self._now = now
        self._lock = anyio.Lock()
        self._held: _Held | None = None

    async def current(self) -> str:
        async with self._lock:
            held = self._held
            if held is None or self._now() >= held.renew_at:
                held = self._held = await self._granted()
            return held.token

    async def after_refusal(self, refused: str) -> str:
        """A new token, unless another caller has renewed it meanwhile."""
        async with self._lock:
            held = self._held
            if held is None or held.token == refused:
                held = self._held = await self._granted()
            return held.token

    async def _granted(self) -> _Held:
        asked = self._now()
        answer = await self._http.read(
            PATH,
            method="POST",
            content=self._form,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            decide=_decide,
        )
        try:
            granted = _Granted.model_validate_json(answer.body)
        except ValidationError:
            raise OpenCircuit("Shopify's answer to the client credentials holds no token") from None
        return _Held(granted.access_token, asked + timedelta(seconds=granted.expires_in * RENEW_AT))


def _decide(answer: Answer) -> BridgeError | None:
    if 400 <= answer.status < 500 and answer.status not in (408, 425, 429):
        return OpenCircuit(
            f"Shopify refuses the client credentials ({answer.status}): are client_id and client_secret right, and do "
            "the app and the store belong to one organization?"
        )
    return decide_read(answer)
