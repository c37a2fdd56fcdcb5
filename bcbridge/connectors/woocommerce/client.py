"""The REST endpoint of one shop: one question in, its JSON out, every way of failing turned into what to do next.

Which way the keys are shown is found out by itself (signing.py) and kept as long as this client lives; after a 401 all
ways are tried again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from bcbridge.connectors.budget import Share
from bcbridge.connectors.http import Answer, Http
from bcbridge.connectors.woocommerce.answers import Data, Wall, content_of, unseen
from bcbridge.connectors.woocommerce.signing import Signer, Way
from bcbridge.errors import BridgeError, OpenCircuit, Retry
from bcbridge.model.answers import Doubtful, NotSent

API = "/wp-json/wc/v3"
INDEX = "/wp-json/"
MOST_WALLS = 10
"""So many web pages in a row in place of JSON, and it is no passing trouble (contract 5.5)."""
LIST_PAGE = 100


class OddAnswer(OpenCircuit):
    """An answer that is built otherwise than the shop's schema says."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The JSON of an answer without a failure, and when the request for it left.

    ``total``: how many rows a list has, all pages; None where the shop does not say.
    """

    content: object
    asked: datetime
    total: int | None = None


class Client:
    """One shop. ``ways``: how the keys may be shown, the best first."""

    def __init__(self, http: Http, signer: Signer, ways: Sequence[Way]) -> None:
        self._http = http
        self._signer = signer
        self._ways = tuple(ways)
        self._found: Way | None = None
        self._walls = 0

    @property
    def way(self) -> Way | None:
        """How the keys were let in; None before the first good answer."""
        return self._found

    async def ask(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        body: Data | None = None,
        base: str = API,
        share: Share = Share.NORMAL,
    ) -> Reply:
        """``path`` below the API's. Raises Retry and OpenCircuit (Gone where one thing is not there).

        Writes go the same way: those of this room may be repeated, for the keeper looks before it writes.
        """
        content = json.dumps(body).encode() if body is not None else None
        answer = await self._let_in(method, base + path, params or {}, content, share)
        return Reply(self._read(answer), answer.asked, _total(answer))

    async def rows(
        self, path: str, params: Mapping[str, str] | None = None, *, share: Share = Share.NORMAL
    ) -> tuple[list[Data], Reply]:
        """One page of a list."""
        reply = await self.ask(path, params, share=share)
        with as_agreed(path):
            return _rows(reply.content), reply

    async def every_row(self, path: str, params: Mapping[str, str] | None = None, *, most: int) -> list[Data]:
        """Every page of a list that does not move while it is read; OpenCircuit past ``most`` rows."""
        found: list[Data] = []
        for page in range(1, most // LIST_PAGE + 2):
            rows, _ = await self.rows(path, {**(params or {}), "per_page": str(LIST_PAGE), "page": str(page)})
            found += rows
            if len(rows) < LIST_PAGE:
                return found
        raise OpenCircuit(f"{path} has more than {most} rows", by_content=True)

    async def write(
        self, path: str, body: Data, *, method: str = "POST", base: str = API, share: Share = Share.STOCK
    ) -> Reply | Doubtful | NotSent:
        """Send a body once. Raises OpenCircuit where nothing was done: nobody is let in, or (Gone, NoRoute, NotAllowed,
        NotTaken) the call as a whole is refused."""
        answer = await self._sent(method, base + path, json.dumps(body).encode(), share)
        return _done(answer) if isinstance(answer, Answer) else answer

    async def _sent(self, method: str, path: str, content: bytes, share: Share) -> Answer | Doubtful | NotSent:
        """As `_let_in`: keys that were not seen have done nothing."""
        for way in self._in_turn():
            signed = self._signer.signed(way, method, path, {})
            answer = await self._http.write(
                path,
                method=method,
                content=content,
                params=signed.params,
                headers=signed.headers,
                share=share,
                decide=_anything,
            )
            if not isinstance(answer, Answer):
                return answer
            if not unseen(answer):
                self._found = way if answer.status < 300 else self._found
                return answer
        self._found = None
        return answer

    async def _let_in(
        self, method: str, path: str, params: Mapping[str, str], content: bytes | None, share: Share
    ) -> Answer:
        """The answer to the first way in which the keys are seen; the last one where they never are."""
        for way in self._in_turn():
            signed = self._signer.signed(way, method, path, params)
            answer = await self._http.read(
                path,
                method=method,
                params=signed.params,
                headers=signed.headers,
                content=content,
                share=share,
                decide=_anything,
            )
            if not unseen(answer):
                self._found = way if answer.status < 300 else self._found
                return answer
        self._found = None
        return answer

    def _in_turn(self) -> tuple[Way, ...]:
        """What worked last comes first."""
        if self._found is None:
            return self._ways
        return (self._found, *(way for way in self._ways if way is not self._found))

    def _read(self, answer: Answer) -> object:
        """Something in front of the shop that answers in its place is passing trouble, until it does so all the
        time."""
        try:
            content = content_of(answer)
        except Wall:
            self._walls += 1
            if self._walls < MOST_WALLS:
                raise
            raise OpenCircuit(
                f"a web page in place of the shop's answer, {self._walls} times in a row ({answer.status}): "
                "does a firewall, a cache or a login stand in front of it?"
            ) from None
        self._walls = 0
        return content


@contextmanager
def as_agreed(name: str) -> Iterator[None]:
    """Around taking an answer apart: one that is built otherwise breaks the contract, wherever it shows."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError):
        raise OddAnswer(f"the answer to {name} is not built as the shop's schema says", by_content=True) from None


def _anything(answer: Answer) -> BridgeError | None:
    """Every answer is looked at here, in the client."""
    return None


def _done(answer: Answer) -> Reply | Doubtful | NotSent:
    """What an answer says of a write: whatever does not say so itself may have been done. A page in its place may come
    from before the shop, or from its end."""
    if answer.status in (425, 429):
        return NotSent(f"answered {answer.status}", answer.retry_after)
    if answer.status == 408 or answer.status >= 500:
        return Doubtful(f"answered {answer.status}")
    try:
        return Reply(content_of(answer), answer.asked)
    except Retry as unclear:
        return Doubtful(str(unclear))


def _total(answer: Answer) -> int | None:
    said = answer.headers.get("x-wp-total", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 12 else None


def _rows(content: object) -> list[Data]:
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise TypeError("a list of objects is expected")
    return content
