"""What every call of the API goes through: bad days, the quota, the token, the shape of answers and of errors."""

from __future__ import annotations

import asyncio
import hmac
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from bcbridge.sandbox.base import answer, hang_up
from bcbridge.sandbox.bigcommerce.quota import Quota
from bcbridge.sandbox.bigcommerce.shop import Shop
from bcbridge.sandbox.bigcommerce.xml import xml_of
from bcbridge.sandbox.shopping.cart import JSON

HTML = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
STATUS_CODES = "https://developer.bigcommerce.com/api-docs/getting-started/api-status-codes"
TOO_MANY = "You have exceeded the number of requests allowed. Please try again later."
PROBLEM = "application/problem+json"
MOST = 250
USUAL_PAGE = 50

Order = Mapping[str, Any]


ONE_ORDER = re.compile(r"/v2/orders/\d+$")


class Refused(Exception):
    """An answer that is an error. ``fields`` are v3's errors by field."""

    def __init__(self, status: int, title: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.fields = dict(fields or {})


class Problem(Refused):
    """As the inventory API tells what is wrong: ``application/problem+json``."""


@dataclass
class Answer:
    """What a handler says: data (None: 204, no body), and which orders it showed as paid on the way."""

    data: Any
    status: int = 200
    paid: set[int] = field(default_factory=set)


NOTHING = Answer(None, 204)

Handler = Callable[[web.Request], Awaitable[Answer]]


class Front:
    """The front of ``/stores/{hash}/v2`` and ``/v3``."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        value = shop.world.faults.value
        self.quota = Quota(
            time.monotonic,
            lambda: value("quota"),
            lambda: value("window_seconds"),
            lambda: value("other_app_calls_per_second"),
        )

    def route(self, method: str, path: str, handler: Handler) -> web.RouteDef:
        """A route of ours: ``route("GET", "/v2/orders", ...)``."""

        async def called(request: web.Request) -> web.StreamResponse:
            return await self.serve(request, handler)

        return web.route(method, f"/stores/{{store_hash}}{path}", called)

    async def nowhere(self, _: web.Request) -> Answer:
        raise Refused(404, "The requested resource was not found.")

    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if await self.strikes("slow"):
            await asyncio.sleep(self.shop.world.faults.value("slow_ms") / 1_000)
        if await self.strikes("timeout"):
            await asyncio.sleep(self.shop.world.faults.value("timeout_ms") / 1_000)
            return hang_up(request)
        if await self.strikes("http_429_bare"):
            return answer({"status": 429, "title": TOO_MANY, "type": STATUS_CODES}, 429)
        if await self.strikes("quota_eaten"):
            self.quota.eat()
        if not self.quota.take():
            return self.written(request, Refused(429, TOO_MANY))
        return await self.answered(request, handler)

    async def answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        broken = await self.broken(request)
        if broken is not None:
            return broken
        tells = told_by(request)
        if tells and await self.strikes(f"{tells}_call_lost"):
            return hang_up(request)
        try:
            await self.welcome(request)
            await self.shop.catch_up()
            said = await handler(request)
        except Refused as refused:
            return self.written(request, refused)
        if said.paid:  # before the answer: whoever was told is in the books
            await self.shop.served_paid(said.paid)
        if await self.strikes("answer_lost") or (tells and await self.strikes(f"{tells}_answer_lost")):
            return hang_up(request)
        return self.written(request, said)

    async def strikes(self, fault: str) -> bool:
        return await self.shop.world.faults.strikes(fault)

    async def broken(self, request: web.Request) -> web.StreamResponse | None:
        if await self.strikes("http_500"):
            return self.written(request, Refused(500, "An unexpected error has occurred."))
        if await self.strikes("http_503"):
            return self.written(request, Refused(503, "The store is temporarily unavailable."))
        if await self.strikes("http_507"):
            return self.written(request, Refused(507, "A limit of the store's plan is reached."))
        if await self.strikes("http_502_html"):
            return web.Response(text=HTML, status=502, content_type="text/html", headers=self.quota.headers())
        return None

    async def welcome(self, request: web.Request) -> None:
        given = request.headers.get("X-Auth-Token", "")
        settings = self.shop.settings
        known = hmac.compare_digest(given.encode(), settings.access_token.encode())
        if await self.strikes("token_401") or not known or request.match_info["store_hash"] != settings.store_hash:
            raise Refused(401, "Unauthorized")

    # --- what it looks like

    def written(self, request: web.Request, said: Answer | Refused) -> web.Response:
        v2 = request.path.startswith(f"/stores/{request.match_info['store_hash']}/v2")
        if isinstance(said, Refused):
            told = self.body(request, trouble_v2(said) if v2 else trouble_v3(said), said.status, v2)
            told.content_type = PROBLEM if isinstance(said, Problem) else told.content_type
            return told
        if said.data is None:
            return web.Response(status=said.status, headers=self.quota.headers())
        return self.body(request, said.data, said.status, v2)

    def body(self, request: web.Request, data: Any, status: int, v2: bool) -> web.Response:
        headers = self.quota.headers()
        if v2 and "json" not in request.headers.get("Accept", ""):
            return web.Response(text=xml_of(data), status=status, content_type="application/xml", headers=headers)
        return answer(data, status, headers)


def told_by(request: web.Request) -> str:
    """What of an order a call tells, as its faults are called; empty where none."""
    if request.method == "POST" and request.path.endswith("/shipments"):
        return "fulfil"
    if request.method == "POST" and request.path.endswith("/payment_actions/capture"):
        return "capture"
    return "amend" if request.method == "PUT" and ONE_ORDER.search(request.path) else ""


def trouble_v2(refused: Refused) -> list[JSON]:
    return [{"status": refused.status, "message": refused.title}]


def trouble_v3(refused: Refused) -> JSON:
    said: JSON = {"status": refused.status, "title": refused.title, "type": STATUS_CODES}
    return {**said, "errors": refused.fields} if refused.fields else said


# --- what is asked


def number(request: web.Request, name: str, usual: int, *, most: int = 1_000_000_000, least: int = 1) -> int:
    """A whole number of the query; 400 for anything else."""
    text = request.query.get(name, str(usual))
    if not text.lstrip("-").isdigit() or int(text) < least:
        raise Refused(400, f"The field '{name}' is invalid.")
    if int(text) > most:
        raise Refused(413, f"The field '{name}' is over its maximum of {most}.")
    return int(text)


def page_of(request: web.Request, *, usual: int = USUAL_PAGE, most: int = MOST) -> tuple[int, int]:
    """(page, limit); 413 for a limit over the maximum (2.1)."""
    return number(request, "page", 1), number(request, "limit", usual, most=most)


def known(request: web.Request, names: set[str]) -> None:
    """400 for a query parameter this sandbox does not know: better told than ignored."""
    unknown = sorted(set(request.query) - names)
    if unknown:
        raise Refused(400, f"The field '{unknown[0]}' is not supported by this resource.")


def ids_in(request: web.Request, name: str) -> list[int] | None:
    """A comma list of ids; None where it is not asked for."""
    if name not in request.query:
        return None
    parts = [one for one in request.query[name].split(",") if one]
    if not all(one.isdigit() for one in parts):
        raise Refused(422, f"The filter '{name}' is invalid.", {name: "must be whole numbers"})
    return [int(one) for one in parts]


def words_in(request: web.Request, name: str) -> list[str] | None:
    """A comma list of words; None where it is not asked for."""
    return None if name not in request.query else [one for one in request.query[name].split(",") if one]


async def json_of(request: web.Request) -> JSON:
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        raise Refused(400, "The request body is no JSON.") from None
    if not isinstance(body, dict):
        raise Refused(400, "The request body must be an object.")
    return body


def cut(rows: list[Any], page: int, limit: int) -> list[Any]:
    return rows[(page - 1) * limit : page * limit]


def collection(rows: list[Any], page: int, limit: int) -> JSON:
    """v3's page of a list, with its ``meta.pagination``."""
    return listed(cut(rows, page, limit), len(rows), page, limit)


def listed(shown: list[Any], total: int, page: int, limit: int) -> JSON:
    """The same of a page that was cut already, of so many rows in all."""
    pages = -(-total // limit)
    links = {"current": f"?page={page}&limit={limit}"}
    if page < pages:
        links["next"] = f"?page={page + 1}&limit={limit}"
    if page > 1:
        links["previous"] = f"?page={page - 1}&limit={limit}"
    pagination = {
        "total": total,
        "count": len(shown),
        "per_page": limit,
        "current_page": page,
        "total_pages": pages,
        "links": links,
    }
    return {"data": shown, "meta": {"pagination": pagination}}
