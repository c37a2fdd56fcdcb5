"""The BlueCherry room's kit. Rows by hand in the shape of contracts/bluecherry/NOTES.md 2 and 7.4."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bcbridge.connectors.base import Accepted, Document, Doubtful, NotSent, Rejected
from bcbridge.errors import OpenCircuit, Retry
from bcbridge.model.catalog import CatalogSku, ShipVia, Warehouse
from bcbridge.model.ids import Noun, Ref, Reference, SkuParts, Upc
from bcbridge.model.order import Address
from bcbridge.model.sales_order import CodedAmount, SalesOrder, SalesOrderLine
from bcbridge.sandbox import bluecherry as sandbox
from tests.contract.kit import Asked, FeedKit, Held, Json, Kit, Outside, Reply, Row, Sample, Shelf, SinkKit, SourceKit

ERP_TIME = ZoneInfo("America/New_York")
NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
SECRETS = {"env:KEY": "sandbox-bluecherry-subscription-key"}
PAGE = 40


def settings(url: str) -> Json:
    return {
        "base_url": f"{url}/SNDBX",
        "subscription_key": "env:KEY",
        "erp_timezone": "America/New_York",
        "requests_per_minute": 60_000,
        "request_timeout_seconds": 3,
        "page_size": PAGE,
        "profile": {"stock_watch_seconds": 0},
    }


@asynccontextmanager
async def an_erp(folder: Path) -> AsyncIterator[str]:
    """One that posts when it is told to."""
    still = sandbox.BlueCherrySettings(post_every_seconds=3_600, calls_per_minute=0, wholesale_orders=30)
    async with sandbox.serving(folder, settings=still) as server:
        yield server.url


# -- payloads ---------------------------------------------------------------------------------------------------


def document(noun: str, fields: Json | bytes, ref: str = "10001") -> Document:
    body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return Document(Noun(noun), Ref(ref), NOON, NOON, body)


def style(**changes: Any) -> Json:
    size = {"fkey": 1000101, "upc": "040123000020", "ean": "", "color_code": "BLK", "lbl_code": "MAIN"}
    rows = [{**size, "dimension": "", "size_desc": "S"}, {**size, "upc": "", "dimension": "", "size_desc": "XS"}]
    detail = {
        "pkey": 1000101,
        "division": "WOM",
        "season": "SS26",
        "catg_dest1": "WEB",
        "catg_dest2": "",
        "retail_price": 28.5,
        "stylecolorsizes": {"rows-i": rows},
    }
    header = {"pkey": 10001, "style": "00417", "active_ok": "Y", "last_mod": "2026-11-20 12:00:00"}
    return {**header, "styledetail": {"rows": [detail]}, **changes}


SKU = SkuParts(division="WOM", style="00417", color_code="BLK", lbl_code="MAIN", dimension="", size_desc="S")
READ_STYLE = (
    CatalogSku(
        ref=Ref("10001/1000101/BLK/MAIN//S/040123000020"),
        style=Ref("10001"),
        parts=SKU,
        upc=Upc("040123000020"),
        season="SS26",
        active=True,
        price=Decimal("28.5"),
        destinations=("WEB",),
    ),
)
NONSENSE = {
    "no bytes": b"",
    "a web page": b"<html>",
    "null": b"null",
    "a list": b"[]",
    "bytes that are no text": b'{"pkey": "\xff"}',
    "depth without end": b"[" * 100_000,
    "a row without its key": b'{"style": "00417", "location": "NJ1", "shipper": "UPG"}',
}


def _style(**changes: Any) -> bytes:
    return json.dumps(style(**changes)).encode()


NONSENSE_STYLES = NONSENSE | {
    "a UPC that lost its zeros": _style().replace(b'"040123000020"', b"40123000020"),
    "no children": _style(styledetail=None),
    "children that are a list": _style(styledetail=[]),
    "no colour": _style(styledetail={"rows": []}),
    "no style number": _style(style=""),
    "a price that is none": _style().replace(b"28.5", b'"28,50"'),
    "a price that is infinite": _style().replace(b"28.5", b'"Infinity"'),
    "half a document": _style()[:200],
}
LOCATION = {"pkey": 7, "location": "NJ1", "loc_name": "New Jersey", "loc_type": "W"}
SHIPPER = {"pkey": 8, "shipper": "UPG", "ship_name": "UPS Ground"}


# -- lists ------------------------------------------------------------------------------------------------------

AFTER = re.compile(r"last_mod gt '([^']+)'")


def pages_of(made: Callable[[Row, str], Json], *, enveloped: bool) -> Callable[[Shelf, Asked], Reply]:
    """Rows by page number, later than a local stamp where one is asked for."""

    def serve(shelf: Shelf, asked: Asked) -> Reply:
        size, number = int(asked.query["_pgsize"]), int(asked.query["_pgno"])
        match = AFTER.fullmatch(asked.query.get("$filter", ""))
        after = datetime.fromisoformat(match[1]).replace(tzinfo=ERP_TIME) if match else None
        shown = shelf.page(after, skip=lambda row: False, start=(number - 1) * size, size=size)
        rows = [made(row, f"{row.modified.astimezone(ERP_TIME):%Y-%m-%d %H:%M:%S}") for row in shown]
        return said(200, {"data": {"header": rows} if enveloped else rows})

    return serve


def figures_of(shelf: Shelf, asked: Asked) -> Reply:
    """One SKU each, in one warehouse; in the order of their keys, which rows that leave or come do not change."""
    return pages_of(figure, enveloped=False)(shelf, asked)


def figure(row: Row, stamp: str) -> Json:
    sku = {"division": "WOM", "style": "00417", "color_code": "BLK", "lbl_code": "MAIN", "dimension": ""}
    numbers = {"qoh": 9, "pick_qty": 2, "open_qty": 3, "reserved_qty": 0, "wip_qty": 0, "ots": 4, "ots_wip": 4}
    place = {"location": "NJ1", "lot": "", "last_mod": stamp}
    return {"pkey": int(row.ref), **sku, "size_desc": "S", "upc": str(row.ref), **place, **numbers}


async def figures_held(outside: Outside) -> set[Held]:
    found: set[Held] = set()
    after = "0"
    while after:
        said = await outside.http.get(f"{outside.url}/_sandbox/books/inventory?limit=5000&after={after}")
        rows, after = said.json()["inventory"], said.json()["next"]
        found |= {_figure_of(row) for row in rows if row["location"] not in ("POE", "FOB", "")}
    return found


def _figure_of(row: Json) -> Held:
    return Upc(row["upc"]), row["location"], row["lot"], row["ots"]


async def receive(outside: Outside) -> Held:
    """Seven pieces come in."""
    upc, location, lot, ots = min(await figures_held(outside))
    movement = {"do": "receive", "upc": upc, "location": location, "lot": lot, "qty": 7}
    await outside.post("/_sandbox/stock", {"movements": [movement]})
    return upc, location, lot, ots + 7


def held_in(noun: str, fits: Callable[[Json], bool] = lambda row: True) -> Callable[[Outside], Awaitable[set[Ref]]]:
    async def held(outside: Outside) -> set[Ref]:
        return {Ref(str(row["pkey"])) for row in (await outside.books())[noun] if fits(row)}

    return held


async def as_it_is(outside: Outside) -> None:
    """The season has some."""


# -- sales orders -----------------------------------------------------------------------------------------------

ANN = Address(
    name="Ann Shopper-Quirke",
    address1="1 Nightingale Terrace",
    city="Newark",
    state="NJ",
    postcode="07101",
    country="US",
    phone="+1 201 555 0177",
    email="ann.quirke@example.com",
)


def item(reference: Reference) -> SalesOrder:
    line = SalesOrderLine(
        line_seq=1,
        sku=SKU.model_copy(update={"lbl_code": ""}),
        upc=Upc("040123000020"),
        quantity=2,
        price=Decimal("28.10"),
        warehouse="NJ1",
    )
    return SalesOrder(
        reference=reference,
        name="#1001",
        customer="SHOPUSD",
        division="WOM",
        warehouse="NJ1",
        ship_via="UPG",
        terms="PP",
        currency="USD",
        tax_code="NJ",
        start_date=date(2026, 11, 20),
        end_date=date(2026, 11, 30),
        lines=(line,),
        allowances=(CodedAmount(code="WELCOME", amount=Decimal("5.62")),),
        charges=(),
        tax=Decimal("3.35"),
        freight=Decimal("5.00"),
        total=Decimal("58.93"),
        ship_to=ANN,
        bill_to=ANN,
    )


async def post(outside: Outside) -> None:
    await outside.post("/_sandbox/post", {})


async def held(outside: Outside, reference: Reference) -> int:
    """Accepted and not refused later; a posted order's acceptance stays in the books."""
    return sum(row["po_num"] == reference for row in (await outside.books())["inbound"])


def once(*faults: str) -> Json:
    return {"once": dict.fromkeys(faults, 1)}


# -- answers ----------------------------------------------------------------------------------------------------


def said(status: int, body: object, **headers: str) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, raw, {name.replace("_", "-"): value for name, value in headers.items()})


def azure(status: int, message: str = "no", **headers: str) -> Reply:
    return said(status, {"statusCode": status, "message": message}, **headers)


ANSWERS: Mapping[str, tuple[Reply, type]] = {
    "401, a wrong key": (azure(401), OpenCircuit),
    "402, not paid": (azure(402), OpenCircuit),
    "403, quota spent": (azure(403, Retry_After="93784"), OpenCircuit),
    "404, a wrong path": (azure(404), OpenCircuit),
    "405, a wrong method": (azure(405), OpenCircuit),
    "301, moved": (said(301, b"", Location="https://elsewhere.example/"), OpenCircuit),
    "429, too many": (azure(429, Retry_After="2"), Retry),
    "408, too late": (azure(408), Retry),
    "500, an error": (said(500, {"message": "Object reference not set"}), Retry),
    "502, a gateway's page": (said(502, b"<html>"), Retry),
    "503, down": (azure(503), Retry),
    "200, errors[].errorMessage": (said(200, {"errors": [{"errorMessage": "no"}]}), Retry),
    "200, errors[].message": (said(200, {"errors": [{"message": "no"}]}), Retry),
    "200, message[].message": (said(200, {"message": [{"message": "no"}]}), Retry),
    "200, message as a text": (said(200, {"message": "no"}), Retry),
    "200, a web page": (said(200, b"<html>Log in</html>"), OpenCircuit),
    "200, nothing": (said(200, b""), OpenCircuit),
    "200, another envelope": (said(200, {}), OpenCircuit),
    "200, a list": (said(200, []), OpenCircuit),
}
WRITE_ANSWERS: Mapping[str, tuple[Reply, type]] = {
    "200, a receipt": (said(200, {"pkey": 5}), Accepted),
    "200, a receipt that is a text": (said(200, {"pkey": "5"}), Accepted),
    "200, a receipt and an error": (said(200, {"pkey": 5, "errors": [{"message": "no"}]}), Doubtful),
    "200, errors[].errorMessage": (said(200, {"errors": [{"errorMessage": "no"}]}), Rejected),
    "200, errors[].message": (said(200, {"errors": [{"message": "no"}]}), Rejected),
    "200, message[].message": (said(200, {"message": [{"message": "no"}]}), Rejected),
    "200, message as a text": (said(200, {"message": "no"}), Rejected),
    "200, neither": (said(200, {}), Doubtful),
    "200, a receipt of nothing": (said(200, {"pkey": None}), Doubtful),
    "200, nothing": (said(200, b""), Doubtful),
    "200, a web page": (said(200, b"<html>"), Doubtful),
    "400, an error": (said(400, {"message": "no"}), Rejected),
    "400, a page": (said(400, b"<html>"), Doubtful),
    "401, a wrong key": (azure(401), OpenCircuit),
    "403, quota spent": (azure(403, Retry_After="93784"), OpenCircuit),
    "404, a wrong path": (azure(404), OpenCircuit),
    "408, too late": (azure(408), Doubtful),
    "429, too many": (azure(429, Retry_After="2"), NotSent),
    "301, moved": (said(301, b"", Location="https://elsewhere.example/"), Doubtful),
    "500, an error": (said(500, {"message": "Object reference not set"}), Doubtful),
    "502, a gateway's page": (said(502, b"<html>"), Doubtful),
    "504, too late": (azure(504), Doubtful),
}


def complaints(text: str) -> list[Reply]:
    one = {"errorMessage": text}
    two = {"message": text}
    bodies = [{"errors": [one]}, {"errors": [two]}, {"message": [two]}, {"message": text}, {"statusCode": 4, **two}]
    return [said(status, body) for status in (200, 400, 401, 403, 404, 500) for body in bodies]


STYLES = SourceKit(
    noun="styles",
    samples=(Sample("two sizes, one of them without a UPC", document("styles", style()), READ_STYLE),),
    nonsense=NONSENSE_STYLES,
    serve=pages_of(lambda row, stamp: style(pkey=int(row.ref), last_mod=stamp), enveloped=True),
    row=lambda number: Ref(str(10_000 + number)),
    stock=as_it_is,
    held=held_in("styles"),
    gone=(Ref("987654321"), Ref("no-such-style"), Ref("x' or pkey gt '0")),
)
WAREHOUSES = SourceKit(
    noun="warehouses",
    samples=(Sample("one", document("warehouses", LOCATION, "7"), Warehouse(code="NJ1", name="New Jersey")),),
    nonsense=NONSENSE
    | {
        "a code that is a number": json.dumps({**LOCATION, "location": 1}).encode(),
        "no stock lies there": json.dumps({**LOCATION, "location": "POE"}).encode(),
    },
    serve=pages_of(lambda row, _: {**LOCATION, "pkey": int(row.ref), "location": f"W{row.ref}"}, enveloped=False),
    row=lambda number: Ref(str(number)),
    stock=as_it_is,
    held=held_in("locations", lambda row: row["loc_type"] == "W" and row["location"] not in ("POE", "FOB", "")),
    gone=(Ref("987654321"), Ref("no-such-location")),
)
SHIP_VIAS = SourceKit(
    noun="ship_vias",
    samples=(Sample("one", document("ship_vias", SHIPPER, "8"), ShipVia(code="UPG", name="UPS Ground")),),
    nonsense=NONSENSE | {"without a code": json.dumps({**SHIPPER, "shipper": ""}).encode()},
    serve=pages_of(lambda row, _: {**SHIPPER, "pkey": int(row.ref), "shipper": f"S{row.ref}"}, enveloped=False),
    row=lambda number: Ref(str(number)),
    stock=as_it_is,
    held=held_in("shippers"),
    gone=(Ref("987654321"),),
)
SALES_ORDERS = SinkKit(
    noun="sales_orders",
    item=item,
    kept_without_a_word={
        "the line broke": once("answer_lost"),
        "a 500": once("error_500_after"),
        "silence": {**once("timeout_after"), "values": {"timeout_seconds": 9}},
        "nothing in a 200": once("contract_break"),
    },
    lost_on_the_way={
        "the line broke": once("answer_lost_before"),
        "a 500": once("error_500_on_post"),
        "a gateway's page": once("error_502_html_on_post"),
    },
    refused={
        name: once(name) for name in ("refuse_errorMessage", "refuse_message", "refuse_message_list", "refuse_text")
    },
    search_broken={"rates": {"filter_ignored": 1}},
    post=post,
    held=held,
    answers=WRITE_ANSWERS,
)
STOCK = FeedKit(
    noun="stock",
    serve=figures_of,
    row=lambda number: Ref(f"0401230{number:05}"),
    held=figures_held,
    move=receive,
)
KIT = Kit(
    kind="bluecherry",
    settings=settings,
    secrets=SECRETS,
    wrong_secrets={"env:KEY": "k3y-of-another-brand"},
    private=("Shopper-Quirke", "Nightingale Terrace", "ann.quirke@example.com", "201 555 0177"),
    sandbox=an_erp,
    busy=("calls",),
    answers=ANSWERS,
    complaints=complaints,
    sources=(STYLES, WAREHOUSES, SHIP_VIAS),
    sinks=(SALES_ORDERS,),
    feeds=(STOCK,),
)
