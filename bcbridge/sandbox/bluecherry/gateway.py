"""The Azure gateway in front of the API: the key, the rate, and its own way to fail (NOTES 1, 1.4)."""

from __future__ import annotations

import hmac
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import anyio
from aiohttp import web

from bcbridge.sandbox.base import World, answer
from bcbridge.sandbox.bluecherry.settings import BlueCherrySettings

KEY_HEADER = "Ocp-Apim-Subscription-Key"

WINDOW_SECONDS = 60.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def azure(status: int, message: str, *, retry_after: int | None = None) -> web.Response:
    """The gateway's own body: ``statusCode`` and ``message``."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return answer({"statusCode": status, "message": message}, status, headers)


def not_found() -> web.Response:
    return azure(404, "Resource not found")


_COUNT = """
INSERT INTO calls (path, status, count) VALUES (?, ?, ?)
ON CONFLICT (path, status) DO UPDATE SET count = count + excluded.count"""


class Gateway:
    """Middleware for every call below the merchant's path; counts them all."""

    def __init__(self, world: World, settings: BlueCherrySettings) -> None:
        self._world = world
        self._settings = settings
        self._recent: deque[float] = deque()
        self._counted: Counter[tuple[str, int]] = Counter()
        self._in_flight = 0
        self._most_in_flight = 0

    async def forget(self) -> None:
        """After a reset: no calls yet."""
        self._recent.clear()
        self._counted.clear()
        self._most_in_flight = 0

    async def write_calls(self) -> None:
        """Puts what was counted since the last time into the books (not with each call: reads stay reads)."""
        counted, self._counted = self._counted, Counter()
        rows = [(path, status, count) for (path, status), count in counted.items()]
        if rows:
            await self._world.books.write(lambda c: c.executemany(_COUNT, rows))

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Counts, checks the key and the rate, lets the gateway's faults strike, then passes the call on."""
        if request.path.startswith("/_sandbox/"):
            return await handler(request)
        with self._counting():
            reply = await self._answer(request, handler)
        self._counted[f"{request.method} {request.path}", reply.status] += 1
        return reply

    @contextmanager
    def _counting(self) -> Iterator[None]:
        self._in_flight += 1
        self._most_in_flight = max(self._most_in_flight, self._in_flight)
        self._world.about["most_in_flight"] = self._most_in_flight
        try:
            yield
        finally:
            self._in_flight -= 1

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = self._without_key(request) or self._too_fast() or await self._fault(request)
        if refused is not None:
            return refused
        try:
            return await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
            return not_found()
        except web.HTTPRequestEntityTooLarge:
            return azure(413, "Request entity too large")

    def _without_key(self, request: web.Request) -> web.Response | None:
        key = request.headers.get(KEY_HEADER, "")
        if not key:
            return azure(
                401,
                "Access denied due to missing subscription key. Make sure to include subscription key when making"
                " requests to an API.",
            )
        if not hmac.compare_digest(key.encode(), self._settings.subscription_key.encode()):
            return _wrong_key()
        return None

    def _too_fast(self) -> web.Response | None:
        allowed = self._settings.calls_per_minute
        now = anyio.current_time()
        while self._recent and self._recent[0] <= now - WINDOW_SECONDS:
            self._recent.popleft()
        if allowed and len(self._recent) >= allowed:
            return _throttled(int(self._recent[0] + WINDOW_SECONDS - now) + 1)
        self._recent.append(now)
        return None

    async def _fault(self, request: web.Request) -> web.Response | None:
        if await self._strikes("slow", request):
            await anyio.sleep(self._world.faults.value("slow_ms") / 1000)
        if await self._strikes("timeout", request):
            return await self.hang()
        for name, refusal in self._refusals().items():
            if await self._strikes(name, request):
                return refusal()
        return None

    def _refusals(self) -> dict[str, Callable[[], web.Response]]:
        return {
            "throttle_429": lambda: _throttled(int(self._world.faults.value("retry_after_seconds"))),
            "key_401": _wrong_key,
            "quota_403": lambda: azure(
                403, "Out of call volume quota. Quota will be replenished in 1.02:03:04.", retry_after=93_784
            ),
            "error_500": internal_error,
            "error_502_html": _bad_gateway,
        }

    async def _strikes(self, name: str, request: web.Request) -> bool:
        narrower = f"{name}_on_post" if request.method == "POST" else f"{name}_on_get"
        faults = self._world.faults
        return await faults.strikes(narrower) or await faults.strikes(name)

    async def hang(self) -> web.Response:
        """No answer until the client leaves (which cancels this), or the gateway's own time-out."""
        await anyio.sleep(self._world.faults.value("timeout_seconds"))
        return azure(504, "The backend did not answer in time")


def internal_error() -> web.Response:
    return azure(500, "Internal server error")


def _wrong_key() -> web.Response:
    return azure(
        401,
        "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription.",
    )


def _throttled(seconds: int) -> web.Response:
    return azure(429, f"Rate limit is exceeded. Try again in {seconds} seconds.", retry_after=seconds)


def _bad_gateway() -> web.Response:
    page = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
    return web.Response(text=page, status=502, content_type="text/html")
