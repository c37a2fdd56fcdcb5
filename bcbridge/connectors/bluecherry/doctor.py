"""Looking a BlueCherry over before it is trusted: each thing an operator must know, found by reading only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import anyio

from bcbridge.connectors.base import Finding, Found, Severity
from bcbridge.connectors.bluecherry import mapper, watch
from bcbridge.connectors.bluecherry.client import Client
from bcbridge.connectors.bluecherry.masters import Styles, warehouses
from bcbridge.connectors.bluecherry.orders import SalesOrders
from bcbridge.connectors.bluecherry.settings import CHANGES, COUNT, INVENTORY, INVOICE, BlueCherrySettings
from bcbridge.connectors.bluecherry.walk import Mark, Row
from bcbridge.connectors.budget import Share
from bcbridge.connectors.looks import Look, looked_over
from bcbridge.errors import BridgeError, Malformed, OpenCircuit, Retry

SOON = timedelta(minutes=10)
STYLE_PAGES = 80
"""So many pages of styles are looked through for doubled UPCs; the bridge itself looks at all of them."""
NAMED = 5


async def examine(client: Client, orders: SalesOrders, settings: BlueCherrySettings, *, now: datetime) -> list[Finding]:
    """Every finding, also where one of the looks fails: the others still tell something."""
    looks = (
        _version(client),
        _orders(client, settings, now),
        _read_back(orders),
        _pages(client, settings),
        _locations(client, settings),
        watch.figures(client, settings, pause=anyio.sleep),
        _styles(client, settings),
    )
    return [*_unverified(settings), _changes(settings), *await looked_over((_seen(look), _blind) for look in looks)]


def _seen(findings: AsyncIterator[Finding]) -> Look:
    async def look() -> list[Finding]:
        found: list[Finding] = []
        try:
            async for finding in findings:
                found.append(finding)  # noqa: PERF401 - what was seen before it fails is kept
        except (Retry, OpenCircuit) as fault:
            if not found:
                raise
            found.append(_blind(fault))
        return found

    return look


def _blind(fault: BridgeError) -> Finding:
    return Finding(Severity.ERROR, "connection", str(fault), "check address, key and profile.paths")


async def _version(client: Client) -> AsyncIterator[Finding]:
    yield Finding(Severity.INFO, "version", f"BlueCherry API version {await client.version()}")


async def _orders(client: Client, settings: BlueCherrySettings, now: datetime) -> AsyncIterator[Finding]:
    page = await client.orders(client.days_ago(settings.recent_days), 1)
    if not page.rows:
        yield Finding(Severity.WARNING, "orders", f"no order changed within {settings.recent_days} days")
        return
    stamps = [row.stamp for row in page.rows if row.stamp] or [client.days_ago(0)]
    yield _zone(max(stamps), settings, now)
    if shared := len(stamps) - len(set(stamps)):
        text = f"{shared} of {len(stamps)} recent orders share their last_mod with another; the overlap covers that"
        yield Finding(Severity.INFO, "last_mod", text)
    odd = [fault for row in page.rows if (fault := _fault(row, settings)) is not None]
    if odd:
        text = f"{len(odd)} of {len(page.rows)} orders cannot be read: {odd[0]}"
        yield Finding(Severity.ERROR, "orders", text, "name what this BlueCherry calls the fields in profile.aliases")


def _fault(row: Row, settings: BlueCherrySettings) -> str | None:
    try:
        mapper.booked(row.fields, settings.profile, settings.clock)
    except Malformed as fault:
        return str(fault)
    return None


def _zone(newest: datetime, settings: BlueCherrySettings, now: datetime) -> Finding:
    ahead = settings.clock.utc(newest) - now
    if ahead > SOON:
        text = f"the newest order was changed {_spoken(ahead)} in the future, read as {settings.erp_timezone}"
        return Finding(Severity.ERROR, "time zone", text, "set erp_timezone to the zone of the ERP's stamps")
    text = f"newest change {newest} read as {settings.erp_timezone}: {_spoken(-ahead)} ago"
    return Finding(Severity.INFO, "time zone", text, "compare with the ERP's own clock")


def _spoken(span: timedelta) -> str:
    minutes = max(0, round(span.total_seconds() / 60))
    return f"{minutes // 60} h {minutes % 60} min"


async def _pages(client: Client, settings: BlueCherrySettings) -> AsyncIterator[Finding]:
    asked = settings.page_size
    first = len((await client.styles(None, 1)).rows)
    more = (await client.styles(None, 2)).rows if first < asked else ()
    if first > asked:
        text = f"{first} rows came where {asked} were asked: the page size is ignored"
        yield Finding(Severity.WARNING, "page size", text, "check profile.page_size_parameter")
    if more:
        text = f"this ERP gives at most {first} rows a page; {asked} are asked"
        yield Finding(Severity.INFO, "page size", text, f"page_size = {first} says so")


async def _read_back(orders: SalesOrders) -> AsyncIterator[Finding]:
    found = await orders.find([])
    if isinstance(found, Found):
        yield Finding(Severity.INFO, "read-back", "an order is found again by its reference, a nonsense one is not")
        return
    text = f"absence cannot be shown: {found.reason}"
    yield Finding(Severity.ERROR, "read-back", text, "until this works, a person must decide every doubt")


async def _styles(client: Client, settings: BlueCherrySettings) -> AsyncIterator[Finding]:
    source = Styles(client, settings)
    places: dict[str, set[str]] = defaultdict(set)
    odd: list[str] = []
    pages = 0
    async for stretch in client.walk("style", share=Share.BULK).pages(Mark()):
        pages += 1
        for row in stretch.rows:
            try:
                for sku in mapper.skus(row.fields, settings.profile):
                    places[sku.upc].add(sku.ref)
            except Malformed as fault:
                odd.append(str(fault))
        if pages >= STYLE_PAGES:
            break
    yield Finding(Severity.INFO, source.noun, f"{len(places)} UPCs" + ("" if pages < STYLE_PAGES else " so far"))
    doubled = sorted(upc for upc, refs in places.items() if len(refs) > 1)
    if doubled:
        text = f"{len(doubled)} UPCs stand on two SKUs: {', '.join(doubled[:NAMED])}"
        yield Finding(
            Severity.ERROR, "UPC", text, "correct them in BlueCherry; orders with them are blocked until then"
        )
    if odd:
        yield Finding(Severity.ERROR, source.noun, f"{len(odd)} styles cannot be read: {odd[0]}")


async def _locations(client: Client, settings: BlueCherrySettings) -> AsyncIterator[Finding]:
    source = warehouses(client, settings)
    pages = [page for one in source.lists async for page in one.pages("")]
    codes: list[str] = []
    for document in (document for page in pages for document in page.documents):
        try:
            codes.append(source.read(document).code)
        except Malformed as fault:
            yield Finding(Severity.ERROR, "locations", f"a location cannot be read: {fault}")
    text = f"warehouses: {', '.join(sorted(codes)) or 'none'}"
    yield Finding(Severity.INFO if codes else Severity.ERROR, "locations", text)


def _changes(settings: BlueCherrySettings) -> Finding:
    if not settings.profile.order_changes:
        text = (
            "no write for corrections is named: what a shop changes after the booking, a person changes in BlueCherry"
        )
        return Finding(
            Severity.INFO, "corrections", text, "profile.order_changes names one, where this BlueCherry has it"
        )
    text = f"booked orders are corrected by {settings.profile.changes_path}: path and shape are assumed"
    fix = "on staging: cancel one piece twice over by the same call, and see that one is cancelled"
    return Finding(Severity.INFO, "corrections", text, fix)


def _unverified(settings: BlueCherrySettings) -> list[Finding]:
    """The count is written only where an echo SKU is named, corrections where their write is; figures and invoices are
    only read."""
    text = "names and shapes are assumed and not confirmed for this BlueCherry"
    write = "try it against staging, with its read-back; `bcbridge confirm` lets it write"
    fixes = {
        INVENTORY: "compare a few SKUs with BlueCherry's own screen, number by number",
        INVOICE: "compare a few shipments with BlueCherry's own screen: pieces, tracking numbers, a void one",
    }
    used = {COUNT: bool(settings.profile.echo_sku), CHANGES: bool(settings.profile.order_changes)}
    names = [name for name in settings.profile.unverified if used.get(name, True)]
    return [Finding(Severity.WARNING, f"resource {name}", text, fixes.get(name, write)) for name in names]
