"""One store's API, v2 and v3: a path asked for, what was answered, every way of failing turned into what to do next.

An empty v2 list is a 204 without a body; lists are read to their end. Numbers with a fraction are kept as the text
they were sent as, so that no amount ever passes through a float.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import anyio
import orjson

from bcbridge.connectors.bigcommerce.failures import decision, written
from bcbridge.connectors.bigcommerce.quota import Quota
from bcbridge.connectors.budget import Share
from bcbridge.connectors.http import Answer, Http
from bcbridge.errors import BridgeError, OpenCircuit, Retry
from bcbridge.model.answers import Doubtful, NotSent

Data = dict[str, Any]
"""A decoded JSON object of theirs."""
T = TypeVar("T")
DecideWritten = Callable[[Answer, Quota], BridgeError | NotSent | Doubtful | None]

LARGEST_PAGE = 250
PATIENCE_SECONDS = 90.0
"""How long one call waits for its turn in the quota before it is left to the caller's back-off."""
LONGEST_PAUSE = timedelta(seconds=5)
"""Asked for by the store, after which one of several calls is made again rather than all of them later."""
MOST_PAGES = 1000
"""No list of one order's things is longer; a list that is turns in a circle."""


class OddAnswer(OpenCircuit):
    """An answer that is built otherwise than the OpenAPI says."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered (None for a 204), and when the request for it left."""

    content: Any
    asked: datetime

    def rows(self) -> list[Data]:
        """The rows of a v2 list; none for a 204."""
        return _objects([] if self.content is None else self.content)

    def rows_v3(self) -> list[Data]:
        """The rows of a v3 list."""
        return _objects(self.data() or [])

    def data(self) -> Any:
        """What a v3 answer carries."""
        return None if self.content is None else self.content["data"]


class Client:
    """One store. ``quota`` is shared by every call of it, ``at_once`` of which are under way."""

    def __init__(self, http: Http, *, token: str, quota: Quota, at_once: int) -> None:
        self._http = http
        self._token = token
        self.quota = quota
        self._gate = anyio.Semaphore(at_once)

    async def get(self, path: str, params: Mapping[str, object] | None = None, *, share: Share = Share.NORMAL) -> Reply:
        """``/v2/orders`` and the like. Raises Retry and OpenCircuit; Missing for their 404."""
        return await self._call("GET", path, params, None, share)

    async def send(self, method: str, path: str, body: Data | None = None) -> Reply:
        """A call that changes something and may be repeated, for the keeper looks before it writes."""
        return await self._call(method, path, None, body, Share.NORMAL)

    async def write(
        self, method: str, path: str, body: Data | None, *, decide: DecideWritten = written
    ) -> Answer | NotSent | Doubtful:
        """A call of stock or of an order that changes something, made once; some say nothing. Raises OpenCircuit where
        nothing was changed."""
        async with self._gate:
            try:
                await self._turn()
            except Retry as busy:
                return NotSent(str(busy), busy.after)
            self.quota.left()
            try:
                return await self._http.write(
                    path,
                    method=method,
                    content=b"" if body is None else orjson.dumps(body),
                    headers={"X-Auth-Token": self._token},
                    share=Share.STOCK,
                    decide=lambda one: decide(one, self.quota),
                )
            finally:
                self.quota.ended()

    async def all_v2(
        self, path: str, params: Mapping[str, object] | None = None, *, share: Share = Share.NORMAL
    ) -> list[Data]:
        """A v2 list to its end: it says no total, so until a page is not full."""
        found: list[Data] = []
        before: list[Data] = []
        for page in range(1, MOST_PAGES + 1):
            reply = await self.get(path, {**(params or {}), "limit": LARGEST_PAGE, "page": page}, share=share)
            with as_agreed(path):
                rows = reply.rows()
            if rows and rows == before:
                break
            found += rows
            if len(rows) < LARGEST_PAGE:
                return found
            before = rows
        raise OddAnswer(f"{path} does not end", by_content=True)

    async def replies_v3(
        self,
        path: str,
        params: Mapping[str, object] | None = None,
        *,
        size: int = LARGEST_PAGE,
        share: Share = Share.NORMAL,
    ) -> AsyncIterator[Reply]:
        """A v3 list page by page, to the last one it counts."""
        for page in range(1, MOST_PAGES + 1):
            reply = await self.get(path, {**(params or {}), "limit": size, "page": page}, share=share)
            with as_agreed(path):
                rows, pages = reply.rows_v3(), _total_pages(reply.content)
            yield reply
            if not rows or (page >= pages if pages is not None else len(rows) < size):
                return
        raise OddAnswer(f"{path} does not end", by_content=True)

    async def all_v3(
        self,
        path: str,
        params: Mapping[str, object] | None = None,
        *,
        size: int = LARGEST_PAGE,
        share: Share = Share.NORMAL,
    ) -> list[Data]:
        pages = self.replies_v3(path, params, size=size, share=share)
        return [row async for page in pages for row in page.rows_v3()]

    async def _call(
        self, method: str, path: str, params: Mapping[str, object] | None, body: Data | None, share: Share
    ) -> Reply:
        async with self._gate:  # each asks the quota as it leaves, not all of them before the first has
            await self._turn()
            self.quota.left()
            try:
                answer = await self._http.read(
                    path,
                    method=method,
                    params={name: str(value) for name, value in params.items()} if params else None,
                    content=None if body is None else orjson.dumps(body),
                    headers={"X-Auth-Token": self._token},
                    share=share,
                    decide=lambda one: decision(one, self.quota),
                )
            finally:
                self.quota.ended()
        return Reply(_content(answer), answer.asked)

    async def _turn(self) -> None:
        """Wait for the quota. Raises Retry at once where there will be none within our patience."""
        deadline = anyio.current_time() + PATIENCE_SECONDS
        while (wait := self.quota.wait()) > 0:  # another caller may have used it meanwhile
            await _sleep(wait, deadline)


def id_of(answer: Answer) -> str:
    """Of what a v2 write made or changed; empty where its answer names nothing."""
    try:
        said = orjson.loads(answer.body)
    except ValueError:
        return ""
    made = said.get("id") if isinstance(said, dict) else None
    return str(made) if isinstance(made, int) and made > 0 else ""


async def _sleep(seconds: float, deadline: float) -> None:
    if seconds > deadline - anyio.current_time():
        raise Retry("the store's quota is used up", after=timedelta(seconds=seconds))
    await anyio.sleep(seconds)


async def together(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """All at once, as far as the budget lets them, in the order given; a failure ends the rest.

    A few may be tried once more: with three calls an order, a failure in a hundred would else undo a third of all
    batches.
    """
    ended: dict[int, T] = {}
    failed: list[BridgeError] = []
    again = 1 + len(calls) // 10

    async def one(number: int, call: Callable[[], Awaitable[T]]) -> None:
        nonlocal again
        try:
            try:
                ended[number] = await call()
            except Retry as fault:
                if not again or (fault.after or timedelta(0)) > LONGEST_PAUSE:
                    raise
                again -= 1
                ended[number] = await call()
        except BridgeError as fault:
            failed.append(fault)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for number, call in enumerate(calls):
            group.start_soon(one, number, call)
    if failed:
        raise failed[0]
    return [ended[number] for number in range(len(calls))]


@contextmanager
def as_agreed(name: str) -> Iterator[None]:
    """Around taking an answer apart: one that is built otherwise breaks the contract, wherever it shows."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError):
        raise OddAnswer(f"the answer to {name} is not built as the API says", by_content=True) from None


def _content(answer: Answer) -> Any:
    """Their JSON; a page of somebody in between is worth another try."""
    if answer.status == 204:
        return None
    try:
        return json.loads(answer.body, parse_float=str, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Retry("the answer is not JSON (a web page?): are store_hash and base_url right?") from None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _objects(rows: object) -> list[Data]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TypeError("a list's rows are objects")
    return rows


def _total_pages(content: Data) -> int | None:
    """How many pages a v3 list says it has; None where it does not count them."""
    told = (content.get("meta") or {}).get("pagination") or {}
    pages = told.get("total_pages")
    return pages if isinstance(pages, int) else None
