"""One door to the outside for every room: a deadline, a size limit, a rate, and an answer turned into a decision.

Reads and writes are told apart because the same broken line means different things: a read is simply asked again,
a write may have happened. ``write`` therefore says exactly whether a byte of it can have left this machine.
TLS is always verified, redirects are never followed, proxies and netrc of the environment are not used. The wire log
holds facts about a call, never its headers, its query values or its body.
"""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from time import perf_counter
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode

import anyio
import httpx
import structlog

from bcbridge.connectors.budget import Budget, Share
from bcbridge.errors import BridgeError, OpenCircuit, Reject, Retry
from bcbridge.model.answers import Doubtful, NotSent

T = TypeVar("T")

logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log whole URLs, with their query values

MAX_BYTES = 20_000_000
CONNECT_SECONDS = 10.0
LONGEST_RETRY_AFTER = timedelta(hours=1)
CAUSES = 8
"""Of a fault, looked at for the one that broke it."""
PAUSE_AFTER_429 = timedelta(seconds=10)
"""Where a 429 does not say how long."""

REFUSED = frozenset({401, 402, 403, 423})
"""The connection as a whole is not let in: key, payment, permission or quota, lock."""
LATER = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names lower-case; ``body`` decoded from its transfer encoding, otherwise untouched."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    asked: datetime
    """When the request left, aware, UTC: orders versions of what it brought."""
    retry_after: timedelta | None = None


Decide = Callable[[Answer], BridgeError | None]
"""Turns an answer into what to do next; ``None``: it is good, or the room reads the rest itself."""
DecideWrite = Callable[[Answer], BridgeError | NotSent | Doubtful | None]


def decide_read(answer: Answer) -> BridgeError | None:
    """The default for reads: what any HTTP server means by its status."""
    status, after = answer.status, answer.retry_after
    if 200 <= status < 300:
        return None
    if status in LATER or status >= 500:
        return Retry(f"answered {status}", after=after)
    if status in REFUSED:
        return OpenCircuit(f"answered {status}", after=after)
    if status < 400:
        return OpenCircuit(f"answered {status}, and redirects are not followed: is the address right?")
    return Reject([f"answered {status}"])


def decide_write(answer: Answer) -> BridgeError | NotSent | Doubtful | None:
    """The default for writes: only what is certain counts as without effect.

    A server that answers 408 or 5xx may have kept what it read. A 4xx otherwise is a definite no that the room
    reads for its reasons.
    """
    status, after = answer.status, answer.retry_after
    if status in REFUSED:
        return OpenCircuit(f"answered {status}", after=after)
    if status in (425, 429):
        return NotSent(f"answered {status}", after)
    if status == 408 or status >= 500 or not (200 <= status < 300 or status >= 400):
        return Doubtful(f"answered {status}")
    return None


def retry_after(value: str | None, *, now: datetime) -> timedelta | None:
    """A ``Retry-After`` header, seconds (Shopify writes "2.0") or HTTP date, as a wait of at most an hour; nonsense is
    None."""
    if not value:
        return None
    wait = _seconds(value) if _SECONDS.fullmatch(value.strip()) else _until(value, now)
    return None if wait is None else max(timedelta(), min(wait, LONGEST_RETRY_AFTER))


_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?")


def _seconds(value: str) -> timedelta:
    return timedelta(seconds=min(float(value), 10**9))


def _until(value: str, now: datetime) -> timedelta | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now


class _TooBig(Exception):
    """The answer passed the size limit; the rest was not read."""


class _Progress:
    """Whether anything of a request can have left. Fed by the transport itself (httpcore's trace events)."""

    __slots__ = ("sent",)

    def __init__(self) -> None:
        self.sent = False

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith(".send_request_headers.started"):
            self.sent = True


class Http:
    """Calls to one system under one base URL and one budget. An async context manager, or ``aclose()``.

    ``headers`` go with every call (keys and tokens; they are never logged). ``call_seconds`` bounds one call from its
    turn to the last byte; ``turn_seconds`` bounds the wait for the turn.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        budget: Budget,
        now: Callable[[], datetime],
        headers: Mapping[str, str] | None = None,
        call_seconds: float = 30.0,
        turn_seconds: float = 120.0,
        max_bytes: int = MAX_BYTES,
        connections: int = 4,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._budget = budget
        self._now = now
        self._call_seconds = call_seconds
        self._turn_seconds = turn_seconds
        self._max_bytes = max_bytes
        self._log = structlog.get_logger("bcbridge.wire").bind(connector=name)
        self._client = httpx.AsyncClient(
            headers={"User-Agent": "bcbridge", "Accept": "application/json", **(headers or {})},
            timeout=httpx.Timeout(call_seconds, connect=min(CONNECT_SECONDS, call_seconds)),
            limits=httpx.Limits(max_connections=connections, keepalive_expiry=30),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._client.aclose()

    async def read(
        self,
        path: str,
        *,
        method: str = "GET",
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        share: Share = Share.NORMAL,
        decide: Decide = decide_read,
    ) -> Answer:
        """A call that changes nothing over there. Raises Retry, OpenCircuit or Reject; never tries again itself."""
        request = self._request(method, path, params, content, headers)
        async with self._budget.turn(share, within=self._turn_seconds):
            progress = _Progress()
            try:
                answer = await self._call(request, progress)
            except TimeoutError:
                raise self._retry(request, f"no answer within {self._call_seconds:g} s") from None
            except httpx.HTTPError as fault:
                _refuse_untrusted(request, fault)
                raise self._retry(request, _fact(fault)) from None
            except _TooBig:
                raise OpenCircuit(f"{_place(request)} answered more than {self._max_bytes} bytes") from None
        decision = decide(answer)
        self._ease(answer, decision.after if isinstance(decision, Retry) else None)
        if decision is not None:
            raise decision
        return answer

    async def write(
        self,
        path: str,
        *,
        content: bytes,
        method: str = "POST",
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        share: Share = Share.NORMAL,
        decide: DecideWrite = decide_write,
    ) -> Answer | NotSent | Doubtful:
        """Send a body once. ``NotSent``: certainly without effect. ``Doubtful``: bytes may have arrived.

        Raises OpenCircuit where the other side did not let us in at all.
        """
        request = self._request(method, path, params, content, headers)
        async with AsyncExitStack() as turn:
            try:
                await turn.enter_async_context(self._budget.turn(share, within=self._turn_seconds))
            except Retry as busy:
                return NotSent(str(busy), busy.after)
            answer = await self._written(request)
        if not isinstance(answer, Answer):
            return answer
        self._ease(answer, None)
        decision = decide(answer)
        if isinstance(decision, BridgeError):
            raise decision
        return answer if decision is None else decision

    async def _written(self, request: httpx.Request) -> Answer | NotSent | Doubtful:
        progress = _Progress()
        try:
            return await self._call(request, progress)
        except TimeoutError:
            reason = f"no answer within {self._call_seconds:g} s"
        except httpx.HTTPError as fault:
            _refuse_untrusted(request, fault)
            reason = _fact(fault)
        except _TooBig:
            reason = f"answered more than {self._max_bytes} bytes"
        return Doubtful(reason) if progress.sent else NotSent(reason)

    async def _call(self, request: httpx.Request, progress: _Progress) -> Answer:
        """One exchange under the deadline, with its line in the wire log however it ends."""
        request.extensions["trace"] = progress
        began, asked = perf_counter(), self._now()
        status, size, ending = 0, 0, "cancelled"
        try:
            with anyio.fail_after(self._call_seconds):
                response = await self._client.send(request, stream=True)
                try:
                    status = response.status_code
                    body = await self._body(response)
                finally:
                    await response.aclose()
            size, ending = len(body), "answered"
            return self._answer(response, body, asked)
        except (TimeoutError, httpx.HTTPError, _TooBig) as fault:
            ending = type(fault).__name__
            raise
        finally:
            self._log.debug(
                "wire",
                method=request.method,
                host=request.url.host,
                path=request.url.path,
                query=sorted(request.url.params.keys()),
                status=status,
                ms=round((perf_counter() - began) * 1000),
                bytes=size,
                ending=ending,
            )

    async def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self._max_bytes:
                raise _TooBig
        return bytes(body)

    def _answer(self, response: httpx.Response, body: bytes, asked: datetime) -> Answer:
        headers = {name.lower(): value for name, value in response.headers.items()}
        after = retry_after(headers.get("retry-after"), now=self._now())
        return Answer(response.status_code, headers, body, asked, after)

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        content: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> httpx.Request:
        typed = {"Content-Type": "application/json"} if content is not None else {}
        return self._client.build_request(
            method, self._base + path + _query(params), content=content, headers={**typed, **(headers or {})}
        )

    def _ease(self, answer: Answer, decided: timedelta | None) -> None:
        """After a 429, for as long as the room read from it, or the answer says in the common way."""
        if answer.status == 429:
            wait = next((told for told in (decided, answer.retry_after) if told is not None), PAUSE_AFTER_429)
            self._budget.slow_down(wait.total_seconds())

    @staticmethod
    def _retry(request: httpx.Request, reason: str) -> Retry:
        return Retry(f"{_place(request)}: {reason}")


async def together(calls: Sequence[Callable[[], Awaitable[T]]], *, at_once: int) -> list[T]:
    """Their answers in the order given, ``at_once`` of them under way; the first failure of ours ends the rest."""
    ended: dict[int, T] = {}
    failed: list[BridgeError] = []
    turns = anyio.Semaphore(at_once)

    async def one(number: int, call: Callable[[], Awaitable[T]]) -> None:
        async with turns:
            try:
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


def _query(params: Mapping[str, str] | None) -> str:
    """A blank as ``%20`` (``+`` is not one to every gateway), ``$`` as it is."""
    return "?" + urlencode(params, quote_via=quote, safe="$") if params else ""


def _place(request: httpx.Request) -> str:
    return f"{request.method} {request.url.host}{request.url.path}"


def _refuse_untrusted(request: httpx.Request, fault: BaseException) -> None:
    """Raises OpenCircuit where the other side could not prove who it is: nothing was sent, and nothing will be."""
    cause: BaseException | None = fault
    for _ in range(CAUSES):
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise OpenCircuit(
                f"the certificate of {request.url.host} is not accepted: {cause.verify_message}"
            ) from None
        cause = cause and (cause.__cause__ or cause.__context__)


def _fact(fault: httpx.HTTPError) -> str:
    """What broke, without the vendor's or the library's own words (they may quote the request)."""
    return _FACTS.get(type(fault), type(fault).__name__)


_FACTS: dict[type[httpx.HTTPError], str] = {
    httpx.ConnectError: "could not connect",
    httpx.ConnectTimeout: "could not connect in time",
    httpx.PoolTimeout: "no free connection in time",
    httpx.ReadTimeout: "no answer in time",
    httpx.WriteTimeout: "could not send in time",
    httpx.ReadError: "the connection broke while reading",
    httpx.WriteError: "the connection broke while sending",
    httpx.RemoteProtocolError: "hung up without a whole answer",
}
