"""The Admin API over HTTP: tokens, GraphQL with its costs and throttling, and its bad days."""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any

import orjson
from aiohttp import web
from anyio import to_thread
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)

from bcbridge.sandbox.base import answer, hang_up
from bcbridge.sandbox.shopify import amending, capturing, counting, fulfilling
from bcbridge.sandbox.shopify.bag import JSON
from bcbridge.sandbox.shopify.cost import CEILING, Bucket, Price, actual
from bcbridge.sandbox.shopify.parts import VERSION, Call
from bcbridge.sandbox.shopify.schema import schema
from bcbridge.sandbox.shopify.shop import Shop
from bcbridge.sandbox.shopping.stock import Place

VERSIONS = ("2026-01", "2026-04", "2026-07", "2026-10")
UNAUTHORISED = {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
DOCUMENTATION = "https://shopify.dev/api/usage/rate-limits"
WRITES = {"stock": counting.WRITES, "fulfil": fulfilling.WRITES, "amend": amending.WRITES, "capture": capturing.WRITES}
"""What a call does, as the faults call it, by the fields that do it."""
HTML = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class Api:
    """``/admin/...`` of one shop. The bucket is in memory, as full at each start as Shopify's after a pause."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        settings = shop.settings
        self.bucket = Bucket(settings.bucket, settings.restore_rate, settings.bucket, time.monotonic())

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/admin/oauth/access_token", self.access_token),
            web.post("/admin/api/{version}/graphql.json", self.graphql),
        ]

    # --- tokens

    async def access_token(self, request: web.Request) -> web.Response:
        """The client-credentials grant (NOTES 1.2): a form, or JSON, for a token of ``token_seconds``."""
        asked = await form_of(request)
        settings = self.shop.settings
        if asked.get("grant_type") != "client_credentials":
            return answer({"error": "unsupported_grant_type"}, 400)
        known = same(asked.get("client_id"), settings.client_id)
        if not (known and same(asked.get("client_secret"), settings.client_secret)):
            return answer({"error": "application_cannot_be_found"}, 400)
        token = "shpat_" + secrets.token_hex(16)
        expires = self.shop.now().timestamp() + settings.token_seconds
        await self.shop.books.write(lambda c: c.execute("INSERT INTO tokens VALUES (?, ?)", (token, expires)) and None)
        scope = ",".join(settings.scopes)
        return answer({"access_token": token, "scope": scope, "expires_in": settings.token_seconds})

    async def welcome(self, request: web.Request) -> bool:
        token = request.headers.get("X-Shopify-Access-Token", "")
        if same(token, self.shop.settings.token):
            return True
        now = self.shop.now().timestamp()
        statement = "SELECT 1 FROM tokens WHERE token = ? AND expires > ?"
        return await self.shop.books.read(lambda c: c.execute(statement, (token, now)).fetchone()) is not None

    # --- GraphQL

    async def graphql(self, request: web.Request) -> web.Response:
        served = version_of(request.match_info["version"])
        if served is None:
            return answer({"errors": "Not Found"}, 404)
        trouble = await self.trouble(request)
        if trouble is not None:
            return trouble
        if await self.strikes("token_401") or not await self.welcome(request):
            return answer(UNAUTHORISED, 401)
        asked = asked_of(await request.read())
        if asked is None:
            return answer({"errors": "Bad Request: a JSON object with a query is expected"}, 400)
        does = [kind for kind, fields in WRITES.items() if any(one in asked.query for one in fields)]
        if await self.lost(does, "call"):
            return hang_up(request)
        if "stock" in does and await self.strikes("sold_meanwhile"):
            await self.shop.sell_meanwhile(self.first_rows(asked))
        said = await self.said(asked)
        if await self.strikes("answer_lost") or await self.lost(does, "answer"):
            return hang_up(request)
        headers = {"X-Shopify-API-Version": served, "X-Request-Id": secrets.token_hex(16)}
        return answer(said, headers=headers)

    async def trouble(self, request: web.Request) -> web.Response | None:
        """What goes wrong before anything is done."""
        if await self.strikes("slow"):
            await asyncio.sleep(self.shop.world.faults.value("slow_ms") / 1000)
        if await self.strikes("timeout"):
            await asyncio.sleep(self.shop.world.faults.value("timeout_ms") / 1000)
            return hang_up(request)
        for fault, response in TROUBLES.items():
            if await self.strikes(fault):
                return response()
        return None

    async def lost(self, does: Sequence[str], what: str) -> bool:
        """Whether the call, or the answer, is lost of something that does this."""
        struck = [await self.strikes(f"{kind}_{what}_lost") for kind in does]
        return any(struck)

    async def strikes(self, fault: str) -> bool:
        return await self.shop.world.faults.strikes(fault)

    async def said(self, asked: Asked) -> JSON:
        """The answer's body: parsed, validated, priced, paid, executed."""
        try:
            document, operation = await to_thread.run_sync(prepared, asked.query, asked.operation_name)
        except Invalid as invalid:
            return {"errors": invalid.errors}
        price = Price(schema(), document, asked.variables).of(operation)
        ceiling = CEILING
        if price > self.shop.world.faults.value("max_cost_points") and await self.strikes("max_cost"):
            ceiling = int(self.shop.world.faults.value("max_cost_points"))
        if price > ceiling:
            return too_dear(price, ceiling)
        self.bucket.resize(self.shop.world.faults.value("bucket"), self.shop.world.faults.value("restore_rate"))
        if await self.strikes("throttled") or not self.bucket.take(price, time.monotonic()):
            return self.throttled(price)
        if await self.strikes("internal_error"):
            return {"errors": [{"message": "Internal error.", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}
        result, call = await self.run(document, operation, asked)
        spent = min(price, actual(list((result.data or {}).values())) if operation_reads(operation) else price)
        self.bucket.give_back(price - spent)
        return self.shaped(result, call, price, spent)

    async def run(
        self, document: DocumentNode, operation: OperationDefinitionNode, asked: Asked
    ) -> tuple[ExecutionResult, Call]:
        nulls = await self.strikes("access_nulls")
        scopes = frozenset(self.shop.settings.scopes)
        moment = await self.shop.moment()
        value = self.shop.world.faults.value
        stale = timedelta(seconds=value("stale_stock_seconds")) if await self.strikes("stale_stock") else None
        captures = any(one in asked.query for one in capturing.WRITES)
        declines = captures and await self.strikes("capture_declined")
        as_of, by_itself = None if stale is None else moment.now - stale, value("stocks_by_itself") > 0

        def unit(connection: sqlite3.Connection) -> tuple[ExecutionResult, Call]:
            call = Call(connection, self.shop.settings, moment.now, scopes, nulls)
            call.stock_as_of, call.stocks_by_itself = as_of, by_itself
            call.job_seconds = value("job_seconds")
            call.declines = declines
            result = execute_sync(
                schema(),
                document,
                context_value=call,
                variable_values=dict(asked.variables),
                operation_name=operation.name.value if operation.name else None,
            )
            for order in call.changed:
                self.shop.keep(connection, order, moment, topics=call.topics)
            self.shop.moved(connection, call.moves, moment)
            return result, call

        reads = operation_reads(operation)
        done = await (self.shop.books.read(unit) if reads else self.shop.books.write(unit))
        if done[1].changed or done[1].moves:
            self.shop.rung()
        if done[1].paid:  # before the answer: whoever was told is in the books
            await self.shop.served_paid(done[1].paid, moment)
        if done[1].beyond and await self.strikes("moving_list"):
            await self.shop.touch_beyond(done[1].beyond)
        return done

    def first_rows(self, asked: Asked) -> list[Place]:
        """Of a call that changes stock."""
        given = asked.variables.get("input") or {}
        rows = given.get("quantities") or given.get("changes") or []
        count = int(self.shop.world.faults.value("sold_meanwhile_rows"))
        return [Place(one["inventoryItemId"], one["locationId"]) for one in rows[:count]]

    def shaped(self, result: ExecutionResult, call: Call, price: int, spent: int) -> JSON:
        said: JSON = {"data": result.data, "extensions": {"cost": self.cost(price, spent)}}
        if call.warnings:
            said["extensions"]["search"] = call.warnings
        if result.errors:
            said["errors"] = [error.formatted for error in result.errors]
        return said

    def cost(self, price: int, spent: int | None) -> JSON:
        self.bucket.fill(time.monotonic())
        status = self.bucket.status()
        return {"requestedQueryCost": price, "actualQueryCost": spent, "throttleStatus": status}

    def throttled(self, price: int) -> JSON:
        error = {"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": DOCUMENTATION}}
        return {"errors": [error], "extensions": {"cost": self.cost(price, None)}}


@dataclass(frozen=True)
class Asked:
    query: str
    variables: Mapping[str, Any]
    operation_name: str | None


class Invalid(Exception):
    """The query cannot be run; ``errors`` says why, in the answer's shape."""

    def __init__(self, errors: list[JSON]) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors


def prepared(query: str, operation_name: str | None) -> tuple[DocumentNode, OperationDefinitionNode]:
    document, errors = read_query(query)
    if errors:
        raise Invalid([shown(error) for error in errors])
    assert document is not None
    operation = get_operation_ast(document, operation_name)
    if operation is None:
        message = f"No operation named {operation_name!r}" if operation_name else "An operation name is required"
        raise Invalid([{"message": message}])
    return document, operation


@lru_cache(maxsize=256)
def read_query(query: str) -> tuple[DocumentNode | None, tuple[GraphQLError, ...]]:
    """Parses and validates; a client sends the same few documents again and again."""
    try:
        document = parse(query)
    except GraphQLSyntaxError as error:
        return None, (error,)
    return document, tuple(validate(schema(), document))


def shown(error: GraphQLError) -> JSON:
    code = "undefinedField" if "Cannot query field" in error.message else "invalid"
    return {**error.formatted, "extensions": {"code": code}}


def operation_reads(operation: OperationDefinitionNode) -> bool:
    return operation.operation is not OperationType.MUTATION


def asked_of(raw: bytes) -> Asked | None:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        return None
    return Asked(body["query"], body.get("variables") or {}, body.get("operationName"))


async def form_of(request: web.Request) -> Mapping[str, Any]:
    if request.content_type != "application/json":
        return {name: str(value) for name, value in (await request.post()).items()}
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def same(given: Any, expected: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), expected.encode())


def version_of(asked: str) -> str | None:
    """The version that answers: one that is gone, or not yet there, is answered by the nearest supported one."""
    if asked == "unstable":
        return VERSION
    if not re.fullmatch(r"20\d\d-(01|04|07|10)", asked):
        return None
    return max((one for one in VERSIONS if one <= asked), default=VERSIONS[0])


def too_dear(price: int, ceiling: int) -> JSON:
    message = (
        f"Query cost is {price}, which exceeds the single query max cost limit ({ceiling})."
        " See https://shopify.dev/concepts/about-apis/rate-limits for more information on how the cost is calculated."
    )
    extensions = {"code": "MAX_COST_EXCEEDED", "cost": price, "maxCost": ceiling, "documentation": DOCUMENTATION}
    return {"errors": [{"message": message, "extensions": extensions}]}


TROUBLES: Mapping[str, Callable[[], web.Response]] = {
    "http_500": partial(answer, {"errors": "Internal Server Error"}, 500),
    "http_502_html": partial(web.Response, text=HTML, status=502, content_type="text/html"),
    "http_429": partial(
        answer,
        {"errors": "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service."},
        429,
        {"Retry-After": "2.0"},
    ),
}
