"""v3 hooks: made, listed, changed, deleted; and what became of their destinations (2.9)."""

from __future__ import annotations

import sqlite3

from aiohttp import web

from bcbridge.sandbox.bigcommerce import hooks
from bcbridge.sandbox.bigcommerce.front import NOTHING, Answer, Front, Refused, collection, json_of, known, page_of
from bcbridge.sandbox.bigcommerce.shop import Shop
from bcbridge.sandbox.shopping.cart import JSON

WRITABLE = {"scope", "destination", "is_active", "headers", "events_history_enabled"}


class HooksApi:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def routes(self, front: Front) -> list[web.RouteDef]:
        return [
            front.route("GET", "/v3/hooks", self.listed),
            front.route("POST", "/v3/hooks", self.create),
            front.route("GET", "/v3/hooks/admin", self.admin),
            front.route("PUT", "/v3/hooks/admin", self.alert),
            front.route("GET", "/v3/hooks/{hook_id}", self.one),
            front.route("PUT", "/v3/hooks/{hook_id}", self.change),
            front.route("DELETE", "/v3/hooks/{hook_id}", self.delete),
        ]

    def shown(self, row: tuple[int, str, str, str | None, int, int, int, int]) -> JSON:
        return hooks.shown(row, self.shop.settings.store_hash, self.shop.settings.client_id)

    async def listed(self, request: web.Request) -> Answer:
        known(request, {"page", "limit", "is_active", "scope", "destination"})
        page, limit = page_of(request)
        found = [self.shown(row) for row in await self.rows()]
        for name in ("scope", "destination"):
            found = [one for one in found if request.query.get(name, one[name]) == one[name]]
        if "is_active" in request.query:
            found = [one for one in found if str(one["is_active"]).lower() == request.query["is_active"]]
        return Answer(collection(found, page, limit))

    async def rows(self) -> list[tuple[int, str, str, str | None, int, int, int, int]]:
        statement = f"SELECT {hooks.COLUMNS} FROM hooks ORDER BY id"  # noqa: S608 (ours)
        return await self.shop.books.read(lambda c: c.execute(statement).fetchall())

    async def create(self, request: web.Request) -> Answer:
        wanted = await self.wanted(request)
        now = self.shop.now()

        def unit(connection: sqlite3.Connection) -> int:
            checked(hooks.refused(connection, wanted))
            return hooks.create(connection, wanted, now)

        return await self.said(await self.shop.books.write(unit))

    async def wanted(self, request: web.Request) -> JSON:
        body = await json_of(request)
        unknown = sorted(set(body) - WRITABLE)
        if unknown or not isinstance(body.get("is_active", True), bool):
            wrong = unknown[0] if unknown else "is_active"
            raise Refused(422, "The request body is invalid.", {wrong: "is not valid"})
        return body

    async def one(self, request: web.Request) -> Answer:
        return await self.said(await self.number(request))

    async def said(self, number: int) -> Answer:
        return Answer({"data": await self.hook(number), "meta": {}})

    async def number(self, request: web.Request) -> int:
        text = request.match_info["hook_id"]
        number = int(text) if text.isdigit() else 0
        await self.hook(number)
        return number

    async def hook(self, number: int) -> JSON:
        found = [row for row in await self.rows() if row[0] == number]
        if not found:
            raise Refused(404, "The webhook was not found.")
        return self.shown(found[0])

    async def change(self, request: web.Request) -> Answer:
        number, body = await self.number(request), await self.wanted(request)
        wanted, now = {**await self.hook(number), **body}, self.shop.now()

        def unit(connection: sqlite3.Connection) -> None:
            checked(hooks.refused(connection, wanted, besides=number))
            hooks.change(connection, number, wanted, now)

        await self.shop.books.write(unit)
        return await self.said(number)

    async def delete(self, request: web.Request) -> Answer:
        number = await self.number(request)
        said = await self.said(number)
        await self.shop.books.write(lambda c: c.execute("DELETE FROM hooks WHERE id = ?", (number,)) and None)
        return said

    # --- what became of them

    async def admin(self, request: web.Request) -> Answer:
        known(request, {"is_active", "page", "limit"})
        page, limit = page_of(request)
        listed = collection([self.with_status(row) for row in await self.rows()], page, limit)
        now = self.shop.now().timestamp()
        blocked, emails = await self.shop.books.read(lambda c: (blocked_domains(c, now), alert_emails(c)))
        data = {"emails": emails, "hooks_list": listed["data"], "blocked_domains": blocked}
        return Answer({"data": data, "meta": listed["meta"]})

    def with_status(self, row: tuple[int, str, str, str | None, int, int, int, int]) -> JSON:
        off = "deactivated" if row[5] else "inactive"
        return {**self.shown(row), "status": "active" if row[4] else off}

    async def alert(self, request: web.Request) -> Answer:
        emails = [str(one) for one in (await json_of(request)).get("emails", [])]

        def unit(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM alert_emails")
            connection.executemany("INSERT OR IGNORE INTO alert_emails VALUES (?)", [(one,) for one in emails])

        await self.shop.books.write(unit)
        return NOTHING


def checked(wrong: dict[str, str]) -> None:
    if wrong:
        raise Refused(422, next(iter(wrong.values())), wrong)


def alert_emails(connection: sqlite3.Connection) -> list[str]:
    return [email for (email,) in connection.execute("SELECT email FROM alert_emails ORDER BY email")]


def blocked_domains(connection: sqlite3.Connection, now: float) -> list[JSON]:
    rows = connection.execute("SELECT domain, until, failures FROM blocked_domains WHERE until > ? ORDER BY 1", (now,))
    return [
        {
            "destination": where,
            "time_left": int(until - now) + 1,
            "reasons": [{"failure_description": "Too many failures", "count": failures, "timestamp": int(now)}],
        }
        for where, until, failures in rows
    ]
