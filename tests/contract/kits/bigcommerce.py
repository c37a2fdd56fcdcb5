"""The BigCommerce room's kit. Payloads by hand in the shapes of contracts/bigcommerce/reference/orders.v2.oas2.yml."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from bcbridge.connectors.base import Doubtful, Notification, NotSent, RawRequest
from bcbridge.errors import OpenCircuit, Retry
from bcbridge.model.ids import Noun, Ref
from bcbridge.model.order import (
    Address,
    Allowance,
    LineKind,
    Order,
    OrderLine,
    PaymentStatus,
    Shipping,
    Tax,
    Tender,
    TenderKind,
)
from bcbridge.model.stock import ShelfItem, StockChange, Written
from bcbridge.sandbox import bigcommerce as sandbox
from tests.connectors.bigcommerce import answers
from tests.connectors.bigcommerce.answers import HASH, NOON
from tests.contract.kit import (
    Asked,
    Json,
    Kit,
    Outside,
    Place,
    Reply,
    Row,
    Sample,
    Shelf,
    ShelfKit,
    SourceKit,
    WebhookKit,
)

SECRETS = {"env:TOKEN": "token-of-bigcommerce", "env:WORD": "w0rd-of-our-own", "env:KEY": "k3y-of-the-app"}
WRONG = SECRETS | {"env:TOKEN": "token-of-another-store", "env:WORD": "w0rd-of-a-stranger"}
PAGE = 40


def settings(url: str) -> Json:
    return {
        "store_hash": HASH,
        "base_url": url,
        "code": "BC",
        "access_token": "env:TOKEN",
        "webhook_secret": "env:WORD",
        "client_secret": "env:KEY",
        "page_size": PAGE,
        "request_timeout_seconds": 3,
    }


@asynccontextmanager
async def a_store(folder: Path) -> AsyncIterator[str]:
    at_once = (0.0, 0.0)
    ample = sandbox.BigCommerceSettings(
        store_hash=HASH, access_token=SECRETS["env:TOKEN"], quota=1e6, settle_seconds=at_once
    )
    async with sandbox.serving(folder, settings=ample) as server:
        yield server.url


# -- payloads ---------------------------------------------------------------------------------------------------

ADA = Address(
    name="Ada Lovelace",
    address1="12 St James's Square",
    city="Hoboken",
    state="New Jersey",
    postcode="07030",
    country="US",
    phone="+15550100",
    email="ada@example.com",
)
PLACED = datetime(2026, 11, 20, 11, 59, tzinfo=UTC)
LINE = OrderLine(
    ref=Ref("65"),
    kind=LineKind.GOODS,
    sku="012345678905",
    sku_sold="012345678905",
    barcode="012345678905",
    title="Wrap Dress",
    variant=Ref("135"),
    ordered=1,
    quantity=1,
    unit_price=Decimal("100.00"),
    amount=Decimal("100.00"),
)
PLAIN = Order(
    ref=Ref("218"),
    id="218",
    name="#218",
    created=PLACED,
    modified=NOON,
    processed=PLACED,
    currency="USD",
    prices_include_tax=False,
    payment=PaymentStatus.PAID,
    gateways=("Credit Card",),
    cancelled=None,
    test=False,
    edited=False,
    source="www",
    tags=(),
    lines=(LINE,),
    shipping=(Shipping(ref=Ref("51"), title="Standard", code="", amount=Decimal("5.00")),),
    tenders=(
        Tender(
            ref=Ref("218/payment"),
            kind=TenderKind.CAPTURED,
            gateway="Credit Card",
            amount=Decimal("105.00"),
            at=PLACED,
        ),
    ),
    total=Decimal("105.00"),
    original_total=Decimal("105.00"),
    outstanding=Decimal(0),
    refunded=Decimal(0),
    ship_to=ADA,
    bill_to=ADA,
    customer=Ref("5"),
    attributes=(("channel_id", "1"),),
)
DISCOUNTED = PLAIN.model_copy(
    update={
        "lines": (
            LINE.model_copy(
                update={
                    "ordered": 3,
                    "quantity": 3,
                    "unit_price": Decimal("33.33"),
                    "amount": Decimal("99.99"),
                    "allowances": (Allowance(name="WELCOME10", amount=Decimal("10.00")),),
                    "taxes": (Tax(title="NJ State Tax", rate=Decimal("0.06625"), amount=Decimal("5.96")),),
                    "attributes": (("Size", "S"),),
                }
            ),
        ),
        "total": Decimal("100.95"),
        "original_total": Decimal("100.95"),
        "tenders": (PLAIN.tenders[0].model_copy(update={"amount": Decimal("100.95")}),),
        "note": "leave at the door",
    }
)
VARIANTS = {"135": {"sku": "012345678905", "upc": "012345678905"}}


def discounted() -> Json:
    """3 x 33.33, 10.00 off, 6.625 % of 89.99, shipping untaxed."""
    line = answers.line(
        price="33.33",
        total="99.99",
        tax="5.96",
        quantity=3,
        applied_discounts=[answers.discount("10.00")],
        product_options=[answers.size()],
    )
    return answers.order(
        line,
        ex_tax="94.99",
        tax="5.96",
        inc_tax="100.95",
        coupon_discount="10.0000",
        customer_message="leave at the door",
    )


def _broken(**changes: Any) -> bytes:
    return answers.whole(answers.order(**changes))


NONSENSE = {
    "no bytes": b"",
    "a web page": b"<html>",
    "half a document": _broken()[:400],
    "bytes that are no text": b'{"order": "\xff\xfe"}',
    "null": b"null",
    "a list": b"[]",
    "depth without end": b"[" * 100_000,
    "what was built oddly": b'{"unreadable": "KeyError", "order": {"id": 218}}',
    "another order": _broken(id=219),
    "an amount that is none": _broken(total_inc_tax="NaN"),
    "an amount that is infinite": _broken(total_tax="Infinity"),
    "an amount beyond any price": _broken(total_inc_tax="1e999"),
    "a stamp before the calendar": _broken(date_created="0001-01-01T00:00:00+23:59"),
    "a stamp beyond the calendar": _broken(date_modified="9999-12-31T23:59:59-23:59"),
    "a stamp without its zone": _broken(date_created="2026-11-20T11:59:00"),
    "a payment status of another world": _broken(payment_status="ADA LOVELACE"),
    "a status of another world": _broken(status_id=15),
    "no currency": _broken(default_currency_code=""),
    "half a piece": _broken(consignments=answers.consignments(answers.parcel(answers.line(quantity=1.5)))),  # type: ignore[arg-type]
    "lines that are a text": _broken(consignments=answers.consignments(answers.parcel(line_items="Ada Lovelace"))),
}


# -- lists ------------------------------------------------------------------------------------------------------


def serve(shelf: Shelf, asked: Asked) -> Reply:
    """Rows by stamp, a page at a time; a list that is at its end says nothing at all."""
    by = asked.query["sort"].removesuffix(":asc")
    floor = datetime.fromisoformat(asked.query[f"min_{by}"])
    size, page = int(asked.query["limit"]), int(asked.query["page"])
    rows = shelf.page(floor, skip=lambda row: False, start=(page - 1) * size, size=size)
    return Reply(200, json.dumps([_row(row) for row in rows]).encode()) if rows else Reply(204, b"")


def _row(row: Row) -> Json:
    stamp = format_datetime(row.modified)
    return {"id": int(row.ref), "status_id": 11, "date_modified": stamp, "date_created": stamp}


async def place(outside: Outside) -> None:
    for _ in range(5):
        await outside.post("/_sandbox/orders", {"lines": [{"sku": "040123000020", "quantity": 1, "price": "28.00"}]})


async def placed(outside: Outside) -> set[Ref]:
    return {Ref(str(order["id"])) for order in (await outside.books())["orders"]}


# -- ringing ----------------------------------------------------------------------------------------------------

DELIVERY = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"


def ring(body: bytes, key: str) -> RawRequest:
    """With our word, and signed: a Standard Webhook of this moment."""
    word = (SECRETS | {"stranger": "w0rd-of-a-stranger"})[key]
    now = str(int(time.time()))
    signed = hmac.digest(SECRETS["env:KEY"].encode(), f"{DELIVERY}.{now}.".encode() + body, "sha256")
    headers = {
        "x-bcbridge-secret": word,
        "webhook-id": DELIVERY,
        "webhook-timestamp": now,
        "webhook-signature": "v1," + base64.b64encode(signed).decode(),
    }
    return RawRequest("POST", "/hooks/bc", {}, headers, body)


RINGING = (
    b'{"scope": "store/order/updated", "store_id": "1025646", "data": {"type": "order", "id": 250},'
    b' "hash": "dd70c0976e06b67aaf671e73f49dcb79230ebf9d", "created_at": 1795176005, "producer": "stores/abc123"}'
)
RUNG = Notification(
    topic="store/order/updated",
    delivery=DELIVERY,
    noun=Noun("orders"),
    ref=Ref("250"),
    modified=NOON,
)


# -- answers ----------------------------------------------------------------------------------------------------


def said(status: int, body: object, **headers: str) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, raw, {name.replace("_", "-"): value for name, value in headers.items()})


def v2(status: int, message: str = "no") -> list[Json]:
    return [{"status": status, "message": message}]


def v3(status: int, title: str = "no", **errors: str) -> Json:
    return {"status": status, "title": title, "type": "/api-docs/getting-started/api-status-codes", "errors": errors}


QUOTA = {
    "X_Rate_Limit_Requests_Left": "0",
    "X_Rate_Limit_Requests_Quota": "150",
    "X_Rate_Limit_Time_Window_Ms": "30000",
    "X_Rate_Limit_Time_Reset_Ms": "15000",
}
ANSWERS: dict[str, tuple[Reply, type]] = {
    "401, a token revoked": (said(401, v3(401)), OpenCircuit),
    "403, a scope missing": (said(403, v2(403)), OpenCircuit),
    "404, a store that is not there": (said(404, v2(404)), OpenCircuit),
    "404, a page": (said(404, b"<html>"), OpenCircuit),
    "400, not understood": (said(400, v2(400)), OpenCircuit),
    "413, a page too large": (said(413, v3(413)), OpenCircuit),
    "422, not accepted": (said(422, v3(422, limit="too large")), OpenCircuit),
    "507, a plan at its limit": (said(507, v3(507)), OpenCircuit),
    "301, moved": (said(301, b"", Location="https://elsewhere.example/"), OpenCircuit),
    "409, in conflict": (said(409, v3(409)), Retry),
    "423, locked": (said(423, v3(423)), Retry),
    "429, the quota used up": (said(429, v3(429), **QUOTA), Retry),
    "429, the platform overloaded": (said(429, b""), Retry),
    "408, too late": (said(408, b""), Retry),
    "500, with a page": (said(500, b"<html>"), Retry),
    "502, a gateway's page": (said(502, b"<html>"), Retry),
    "503, down": (said(503, v2(503), Retry_After="30"), Retry),
    "200, a web page": (said(200, b"<html>Log in</html>"), Retry),
    "200, nothing": (said(200, b""), Retry),
    "200, a number that is none": (said(200, b'{"id": NaN}'), Retry),
}


def complaints(text: str) -> list[Reply]:
    """The four shapes of their errors, and a text where an answer should be."""
    problem = {"type": text, "title": text, "status": 422, "detail": text, "errors": {text: text}}
    refund = {"status": 422, "title": text, "errors": [{"code": 1, "message": text}]}
    return [
        *(said(status, body) for status in (400, 403, 422, 500) for body in (v2(status, text), v3(status, text))),
        said(404, v2(404, text)),
        said(422, problem),
        said(422, refund),
        said(200, {"data": {text: text}, "id": text}),
        said(200, [{"id": text, "date_modified": text}]),
    ]


ORDERS = SourceKit(
    noun="orders",
    samples=(
        Sample("plain", answers.document(answers.order(), variants=VARIANTS), PLAIN),
        Sample(
            "with discount, tax and options",
            answers.document(discounted(), variants=VARIANTS, taxes=[answers.tax_row("5.96")]),
            DISCOUNTED,
        ),
    ),
    nonsense=NONSENSE,
    serve=serve,
    row=lambda number: Ref(str(number)),
    stock=place,
    held=placed,
    gone=(Ref("987654321"), Ref("0"), Ref("1001x"), Ref("../store"), Ref("")),
)
# -- the shelf --------------------------------------------------------------------------------------------------

PLACES = ("1", "2")


async def numbers(there: Outside) -> dict[Place, int]:
    """Where nobody has counted yet, nothing lies."""
    rows = (await there.http.get(f"{there.url}/_sandbox/books/stock?limit=5000")).json()["stock"]
    nothing = {(Ref(place), Ref(one["item"])): 0 for one in rows for place in PLACES}
    return nothing | {(Ref(one["location"]), Ref(one["item"])): one["number"] for one in rows}


async def untracked(there: Outside, item: ShelfItem) -> None:
    """Its product's inventory tracking becomes none."""
    variants = (await there.http.get(f"{there.url}/_sandbox/books/variants?limit=5000")).json()["variants"]
    product = next(one["product_id"] for one in variants if str(one["id"]) == item.variant)
    path = f"{there.url}/_sandbox/products/{product}"
    (await there.http.patch(path, json={"inventory_tracking": "none"})).raise_for_status()


def looked_at(asked: Asked) -> Reply:
    """One item at one location, or the products that are asked for; all of them tracked by variant."""
    if asked.path.endswith("/catalog/products"):
        return said(200, {"data": [{"id": 7, "inventory_tracking": "variant"}]})
    identity = {"sku": "1", "variant_id": 11, "product_id": 7}
    shown = {"available_to_sell": 3, "total_inventory_onhand": 3, "settings": {"safety_stock": 0}}
    return said(200, {"data": [{"identity": identity, **shown}]})


WRITE_ANSWERS: dict[str, tuple[Reply, type]] = {
    "200, a transaction": (said(200, {"transaction_id": "a-1"}), Written),
    "422, a row not taken": (said(422, v3(422)), Written),
    "400, not understood": (said(400, v3(400)), Written),
    "413, too many": (said(413, v3(413)), Written),
    "401, a token revoked": (said(401, v3(401)), OpenCircuit),
    "403, a scope missing": (said(403, v3(403)), OpenCircuit),
    "404, a store that is not there": (said(404, v3(404)), OpenCircuit),
    "405, not so": (said(405, b""), OpenCircuit),
    "507, a plan at its limit": (said(507, v3(507)), OpenCircuit),
    "409, in conflict": (said(409, v3(409)), NotSent),
    "423, locked": (said(423, v3(423)), NotSent),
    "429, the quota used up": (said(429, v3(429), **QUOTA), NotSent),
    "429, the platform overloaded": (said(429, b""), NotSent),
    "301, moved": (said(301, b"", Location="https://elsewhere.example/"), Doubtful),
    "408, too late": (said(408, b""), Doubtful),
    "500, now and then": (said(500, v3(500)), Doubtful),
    "502, a gateway's page": (said(502, b"<html>"), Doubtful),
    "503, down": (said(503, v3(503), Retry_After="30"), Doubtful),
    "200, a web page": (said(200, b"<html>Log in</html>"), Doubtful),
    "200, nothing": (said(200, b""), Doubtful),
    "200, no transaction": (said(200, {"data": []}), Doubtful),
}
SHELF = ShelfKit(
    noun="stock",
    held=numbers,
    unknown=lambda item: StockChange(item.location, Ref("999999"), Ref(""), 1, None),
    leave_alone=untracked,
    done_without_a_word={"once": {"answer_lost": 1}},
    lost_on_the_way={"once": {"timeout": 1}, "values": {"timeout_ms": 50}},
    answers=WRITE_ANSWERS,
    reads=looked_at,
)
KIT = Kit(
    kind="bigcommerce",
    settings=settings,
    secrets=SECRETS,
    wrong_secrets=WRONG,
    private=("Lovelace", "St James's Square", "ada@example.com", "+15550100"),
    sandbox=a_store,
    busy=("servedPaid",),
    answers=ANSWERS,
    complaints=complaints,
    sources=(ORDERS,),
    shelf=SHELF,
    webhook=WebhookKit(
        ring=ring,
        keys=("env:WORD",),
        wrong_key="stranger",
        signatures=("x-bcbridge-secret", "webhook-signature"),
        deliveries=((RINGING, RUNG),),
    ),
    keeper=True,
)
