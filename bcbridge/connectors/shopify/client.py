"""The Admin GraphQL endpoint: one question in, its data out, every way of failing turned into what to do next.

An answer has three places to fail in besides its status: ``errors``, ``userErrors`` and nulls where access is missing
(contracts/shopify/NOTES.md 1.4). All three are looked at. Numbers with a fraction are kept as the text they were sent
as, so that no amount or rate ever passes through a float.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import anyio
import orjson
from pydantic import ValidationError

from bcbridge.connectors.budget import Share, in_force
from bcbridge.connectors.http import Answer, Http, decide_read, decide_write
from bcbridge.connectors.shopify.failures import (
    LONGEST_TEXT,
    TooCostly,
    change_failure,
    decision,
    errors_of,
    is_throttled,
    refusal,
)
from bcbridge.connectors.shopify.queries import query
from bcbridge.connectors.shopify.throttle import Cost, Throttle
from bcbridge.connectors.shopify.token import AccessToken
from bcbridge.errors import BridgeError, OpenCircuit, Retry
from bcbridge.model.answers import Accepted, Doubtful, NotSent, PutAnswer, Rejected

Data = dict[str, Any]
"""A decoded JSON object of theirs."""

PATIENCE_SECONDS = 90.0
"""How long one question waits for points before it is left to the caller's back-off."""
MOST_PAGES = 10_000
"""No list of one thing is longer; a list that is turns in a circle."""

PAUSING = {
    402: "the shop is frozen",
    403: "access is forbidden",
    423: "the shop is locked",
    430: "Shopify rejects this app for security reasons",
}


class OddAnswer(OpenCircuit):
    """An answer that is built otherwise than the schema says."""


class Gone(Retry):
    """What a list was to be read of is not there, or not any more."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The data of an answer without a failure, when the request for it left, and the points it asked for.

    ``version`` is the API version that answered: Shopify takes another where the one asked for has ended.
    """

    data: Data
    asked: datetime
    requested_cost: float | None
    version: str


@dataclass(frozen=True, slots=True)
class Slice:
    """One page of a connection of theirs."""

    nodes: list[Data]
    edges: list[Data]
    more: bool
    end: str | None

    def repeats(self, before: Slice | None) -> bool:
        """Rows, and the very same as on the page before."""
        rows = (self.nodes, self.edges)
        return before is not None and any(rows) and rows == (before.nodes, before.edges)


class Client:
    """One shop's endpoint at one API version."""

    def __init__(self, http: Http, token: AccessToken, *, api_version: str, now: Callable[[], datetime]) -> None:
        self._http = http
        self._token = token
        self._path = f"/admin/api/{api_version}/graphql.json"
        self._throttle = Throttle(now)
        self.now = now
        self._sizes: dict[str, int] = {}

    async def ask(
        self,
        name: str,
        variables: Mapping[str, object] | None = None,
        *,
        optional: frozenset[str] = frozenset(),
        share: Share = Share.NORMAL,
    ) -> Reply:
        """Send ``documents/<name>.graphql`` and wait for points where there are too few.

        ``optional`` fields may be null for want of access; any other such null opens the circuit. Raises Retry,
        OpenCircuit, Reject (``userErrors``) and TooCostly. Mutations go the same way: those of this room may be
        repeated, for the keeper looks before it writes.
        """
        body = orjson.dumps({"query": query(name), "variables": dict(variables or {})})
        deadline = anyio.current_time() + PATIENCE_SECONDS
        while True:
            await self._points(name, deadline, share)
            answer, content = await self._exchange(name, body, share)
            with as_agreed(name):
                errors, cost = errors_of(content), _cost(content)
                self._throttle.learn(name, cost)
                throttled = is_throttled(errors)
            if throttled:
                await _sleep(self._throttle.wait_after_refusal(cost), deadline)
                continue
            with as_agreed(name):
                data = _data(content, decision(errors, optional))
            version = answer.headers.get("x-shopify-api-version", "")
            return Reply(data, answer.asked, cost.requested_query_cost, version)

    async def change(self, name: str, variables: Mapping[str, object]) -> Data | NotSent | Doubtful:
        """Send the mutation ``documents/<name>.graphql`` once: its payload, with the ``userErrors`` it has.

        A refusal for want of points or of a fresh token changed nothing over there and is made good here. ``NotSent``:
        certainly without effect. Raises OpenCircuit where Shopify did not take the call at all.
        """
        body = orjson.dumps({"query": query(name), "variables": dict(variables)})
        deadline = anyio.current_time() + PATIENCE_SECONDS
        while True:
            try:
                await self._points(name, deadline, Share.STOCK)
                answer = await self._sent(name, body)
            except Retry as busy:
                return NotSent(str(busy), busy.after)
            if not isinstance(answer, Answer):
                return answer
            throttled, said = self._said(name, answer)
            if not throttled:
                return said
            try:
                await _sleep(self._throttle.wait_after_refusal(throttled), deadline)
            except Retry as busy:
                return NotSent(str(busy), busy.after)

    async def put(
        self, name: str, variables: Mapping[str, object], made: str, *, errors: str = "userErrors"
    ) -> PutAnswer:
        """``change``, read as an answer: a payload has what was ``made``, with its id, or ``errors``. Whatever is
        neither a yes nor a no is a doubt."""
        payload = await self.change(name, variables)
        if not isinstance(payload, dict):
            return payload
        try:
            with as_agreed(name):
                reasons, done = payload[errors], payload[made]
                if reasons and done is None:
                    return Rejected(tuple(str(one["message"])[:LONGEST_TEXT] for one in reasons))
                if done is not None and not reasons:
                    return Accepted(str(done["id"]))
        except OddAnswer as odd:
            return Doubtful(str(odd))
        return Doubtful(f"Shopify answered {name} with a result and with errors, or with neither")

    def _said(self, name: str, answer: Answer) -> tuple[Cost | None, Data | Doubtful]:
        """What the answer to a mutation says; its cost, where it was refused for want of points."""
        try:
            with as_agreed(name):
                content = _content(answer)
                errors, cost = errors_of(content), _cost(content)
                self._throttle.learn(name, cost)
                if is_throttled(errors):
                    return cost, Doubtful("throttled")
                failure = change_failure(errors)
                payload = None if failure else next(iter(content["data"].values()))
        except OpenCircuit as odd:
            return None, Doubtful(str(odd))
        if isinstance(failure, BridgeError):
            raise failure
        if failure is not None:
            return None, failure
        return None, payload if isinstance(payload, dict) else Doubtful(f"{name} was answered with nothing")

    async def _points(self, name: str, deadline: float, share: Share) -> None:
        """Wait until there are enough. Raises Retry where there will not be within the deadline."""
        with self._throttle.turn(name, bulk=in_force(share) is Share.BULK) as turn:
            while (wait := self._throttle.wait(turn)) > 0:  # an answer may say that there are fewer than was thought
                await _sleep(wait, deadline)

    async def sized(
        self,
        name: str,
        variables: Mapping[str, object],
        *,
        first: int,
        optional: frozenset[str] = frozenset(),
        share: Share = Share.NORMAL,
    ) -> Reply:
        """``ask`` with a page size, halved and remembered each time Shopify finds it too costly."""
        size = min(first, self._sizes.get(name, first))
        while True:
            try:
                return await self.ask(name, {**variables, "first": size}, optional=optional, share=share)
            except TooCostly:
                if size == 1:
                    raise OpenCircuit(f"{name} asks for too many points even one by one") from None
                size = self._sizes[name] = size // 2

    async def slices(
        self,
        name: str,
        variables: Mapping[str, object],
        *path: str | int,
        first: int,
        after: str | None = None,
        optional: frozenset[str] = frozenset(),
        share: Share = Share.NORMAL,
    ) -> AsyncIterator[tuple[Slice, Reply]]:
        """Every page of the connection at ``path`` from a cursor of theirs to its end. Raises Gone."""
        before: Slice | None = None
        for _ in range(MOST_PAGES):
            asked_after = after
            reply = await self.sized(name, {**variables, "after": after}, first=first, optional=optional, share=share)
            with as_agreed(name):
                found = _slice(reply.data, path)
            yield found, reply
            if not found.more:
                return
            after = found.end
            if after is None or after == asked_after or found.repeats(before):
                raise OpenCircuit(f"{name} says there is more and does not go on", by_content=True)
            before = found
        raise OpenCircuit(f"{name} does not end", by_content=True)

    async def _exchange(self, name: str, body: bytes, share: Share) -> tuple[Answer, Data]:
        taken = self._throttle.reserve(name)
        try:
            answer = await self._authorised(body, share)
        finally:
            self._throttle.release(taken)
        return answer, _content(answer)

    async def _sent(self, name: str, body: bytes) -> Answer | NotSent | Doubtful:
        """Once; and once more with a new token where the first is refused, for then nothing was done."""
        taken = self._throttle.reserve(name)
        try:
            token = await self._token.current()
            answer = await self._write(body, token)
            if isinstance(answer, Answer) and answer.status == 401:
                answer = await self._write(body, await self._token.after_refusal(token))
                if isinstance(answer, Answer) and answer.status == 401:
                    raise OpenCircuit("Shopify refuses a token it has just given (401)")
            return answer
        finally:
            self._throttle.release(taken)

    async def _write(self, body: bytes, token: str) -> Answer | NotSent | Doubtful:
        """Nothing of an answer that quotes the token goes any further."""
        answer = await self._http.write(
            self._path,
            content=body,
            headers={"X-Shopify-Access-Token": token},
            share=Share.STOCK,
            decide=_decide_write,
        )
        if not isinstance(answer, Answer):
            return answer
        return replace(answer, body=answer.body.replace(token.encode(), b"(token)"))

    async def _authorised(self, body: bytes, share: Share) -> Answer:
        """Post with the token; once more with a new one where the first is refused."""
        token = await self._token.current()
        answer = await self._post(body, token, share)
        if answer.status != 401:
            return answer
        answer = await self._post(body, await self._token.after_refusal(token), share)
        if answer.status == 401:
            raise OpenCircuit("Shopify refuses a token it has just given (401)")
        return answer

    async def _post(self, body: bytes, token: str, share: Share) -> Answer:
        """Nothing of an answer that quotes the token goes any further."""
        answer = await self._http.read(
            self._path,
            method="POST",
            content=body,
            headers={"X-Shopify-Access-Token": token},
            share=share,
            decide=_decide,
        )
        return replace(answer, body=answer.body.replace(token.encode(), b"(token)"))


@contextmanager
def as_agreed(name: str) -> Iterator[None]:
    """Around taking an answer apart: one that is built otherwise breaks the contract, wherever it shows."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError):
        raise OddAnswer(f"the answer to {name} is not built as the schema says", by_content=True) from None


async def _sleep(seconds: float, deadline: float) -> None:
    """Wait for points. Raises Retry at once where they will not be there within the deadline."""
    if seconds > deadline - anyio.current_time():
        raise Retry("Shopify's points are used up", after=timedelta(seconds=seconds))
    await anyio.sleep(seconds)


def _decide(answer: Answer) -> BridgeError | None:
    """401 is left to the token."""
    if answer.status == 401:
        return None
    return _closed(answer) or decide_read(answer)


def _decide_write(answer: Answer) -> BridgeError | NotSent | Doubtful | None:
    if answer.status == 401:
        return None
    return _closed(answer) or decide_write(answer)


def _closed(answer: Answer) -> OpenCircuit | None:
    """The shop takes no call at all. A path that is not there means a wrong shop or a version that has ended."""
    if answer.status in PAUSING:
        return OpenCircuit(f"Shopify answered {answer.status}: {PAUSING[answer.status]}", after=answer.retry_after)
    if answer.status == 404:
        return OpenCircuit("Shopify answered 404: are shop, base_url and api_version right?")
    if answer.status in (400, 406, 413, 415, 422):
        return OpenCircuit(f"Shopify does not take the call: {answer.status}")
    return None


def _content(answer: Answer) -> Data:
    try:
        content = json.loads(answer.body, parse_float=str)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise OpenCircuit("the answer is not JSON (a web page?): are shop and base_url right?")
    return content


def _cost(content: Data) -> Cost:
    given = content.get("extensions")
    try:
        return Cost.model_validate(given.get("cost") or {}) if isinstance(given, dict) else Cost()
    except ValidationError:
        return Cost()


def _data(content: Data, failure: BridgeError | None) -> Data:
    if failure is not None:
        raise failure
    data = content.get("data")
    if not isinstance(data, dict):
        raise OpenCircuit("the answer holds neither data nor errors")
    refused = refusal(data)
    if refused is not None:
        raise refused
    return data


def _slice(data: Data, path: tuple[str | int, ...]) -> Slice:
    found: Any = data
    for step in path:
        try:
            found = found[step]
        except IndexError:
            found = None
        if found is None:
            raise Gone(f"{'.'.join(map(str, path))} is not there")
    info, nodes, edges = found["pageInfo"], found.get("nodes", []), found.get("edges", [])
    if not isinstance(nodes, list) or not isinstance(edges, list):
        raise TypeError("a connection's rows are a list")
    return Slice(nodes, edges, bool(info["hasNextPage"]), info["endCursor"])
