"""Every order a real WooCommerce was recorded with, in every state it was seen in, read to exactly this record.

Where several recordings hold one order in one state, one expectation serves them all. Prices are typed in with 20 % VAT
over there: 24.00 a tee is 20.00 + 4.00, 58.00 a hoodie 48.33 + 9.67; delivery is 3.95 + 0.79. Every amount of ours
stands net, its tax beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from bcbridge.connectors.base import Document
from bcbridge.connectors.woocommerce import WooCommerceSettings, mapper
from bcbridge.connectors.woocommerce.answers import json_of
from bcbridge.connectors.woocommerce.orders import NO_ORDERS, ORDERS, stamp
from bcbridge.errors import Malformed
from bcbridge.model.ids import Ref
from bcbridge.model.order import (
    Address,
    Allowance,
    AsSold,
    Charge,
    Hold,
    LineKind,
    Order,
    OrderLine,
    PaymentStatus,
    Reduction,
    Shipping,
    Tax,
    Tender,
    TenderKind,
)
from tests.conftest import contract_path
from tests.connectors.woocommerce.answers import NOON, SETTINGS, given_back, recorded, refund, tax
from tests.connectors.woocommerce.test_reading import adds_up, paid

pytestmark = pytest.mark.contract

Json = dict[str, Any]
D = Decimal

# -- what is expected, piece by piece ---------------------------------------------------------------------------


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-21T{clock}").replace(tzinfo=UTC)


def vat(amount: str) -> tuple[Tax, ...]:
    return (Tax(title="VAT", rate=D("0.2"), amount=D(amount)),)


def alex(number: int, phone: str = "01632 960001") -> Address:
    """Mail and telephone are told with the bill alone; here as everywhere they stand on both."""
    return Address(
        name=f"Alex Sample{number}",
        company="",
        address1=f"{number} Example Street",
        address2="",
        city="Testtown",
        state="",
        postcode="TE57 1NG",
        country="GB",
        phone=phone,
        email=f"alex.sample{number}@example.com",
    )


Article = tuple[str, str, str, str, str, str]
"""Title, SKU, GTIN, variation, and the two attributes it is told by."""

TEE_BLACK: Article = ("Harbour Tee - Black, S", "BC-1001-BLK-S", "2000001000014", "12", "black", "s")
TEE_WHITE_M: Article = ("Harbour Tee - White, M", "BC-1001-WHT-M", "2000001000052", "16", "white", "m")
TEE_WHITE_L: Article = ("Harbour Tee - White, L", "BC-1001-WHT-L", "2000001000069", "17", "white", "l")
HOODIE_NAVY_S: Article = ("Quayside Hoodie - Navy, S", "BC-1002-NVY-S", "2000001000076", "19", "navy", "s")
HOODIE_NAVY_M: Article = ("Quayside Hoodie - Navy, M", "BC-1002-NVY-M", "2000001000083", "20", "navy", "m")
HOODIE_NAVY_L: Article = ("Quayside Hoodie - Navy, L", "BC-1002-NVY-L", "2000001000090", "21", "navy", "l")
HOODIE_GREY: Article = ("Quayside Hoodie - Grey, S", "BC-1002-GRY-S", "2000001000106", "22", "grey", "s")
JACKET_BLACK: Article = ("Breakwater Jacket - Black, S", "BC-1003-BLK-S", "2000001000137", "26", "black", "s")
JACKET_RED: Article = ("Breakwater Jacket - Red, L", "BC-1003-RED-L", "2000001000182", "31", "red", "l")


def line(
    number: int,
    article: Article,
    quantity: int,
    each: str,
    amount: str,
    taxed: str,
    *,
    stock: Mapping[str, str] | None = None,
    **said: Any,
) -> OrderLine:
    """``stock``: what the shop's own hidden attributes say was taken out of stock, and put back."""
    title, sku, gtin, variation, colour, size = article
    facts: Json = {
        "barcode": gtin,
        "variant": Ref(variation),
        "attributes": (("pa_colour", colour), ("pa_size", size), *(stock or {}).items()),
        "ordered": quantity,
        "allowances": (),
        "taken": int((stock or {}).get("_reduced_stock", "0")),
        **said,
    }
    return OrderLine(
        ref=Ref(str(number)),
        kind=LineKind.GOODS,
        sku=sku,
        title=title,
        quantity=quantity,
        unit_price=D(each),
        amount=D(amount),
        taxes=vat(taxed),
        charges=(),
        requires_shipping=True,
        assignments=(),
        marks=(),
        sku_is_live=True,
        sku_sold=None,
        ship_to=None,
        **facts,
    )


def taken(pieces: int, put_back: int = 0) -> Mapping[str, str]:
    back = {"_restock_refunded_items": str(put_back)} if put_back else {}
    return {"_reduced_stock": str(pieces), **back}


def delivery(number: int) -> tuple[Shipping, ...]:
    way = Shipping(
        ref=Ref(str(number)),
        title="Standard delivery",
        code="flat_rate",
        amount=D("3.95"),
        allowances=(),
        taxes=vat("0.79"),
        ship_to=None,
    )
    return (way,)


def tender(ref: str, kind: TenderKind, amount: str, moment: datetime) -> Tender:
    return Tender(ref=Ref(ref), kind=kind, gateway="bacs", amount=D(amount), at=moment)


def order(
    number: int,
    lines: Sequence[OrderLine],
    shipping: tuple[Shipping, ...],
    total: str,
    *,
    who: Address,
    created: str,
    modified: str,
    paid: str = "",
    **said: Any,
) -> Order:
    """``paid``: when, by a bank transfer of the whole; not, where it does not say."""
    came = (tender(f"{number}/payment", TenderKind.CAPTURED, total, at(paid)),) if paid else ()
    facts: Json = {
        "payment": PaymentStatus.PAID if paid else PaymentStatus.PENDING,
        "cancelled": None,
        "source": "rest-api",
        "charges": (),
        "reductions": (),
        "tenders": came,
        "total": D(total),
        "original_total": D(total),
        "outstanding": D(0) if paid else D(total),
        "refunded": D(0),
        "holds": (),
        "note": "",
        "attributes": (),
        "as_sold": None,
        **said,
    }
    return Order(
        ref=Ref(str(number)),
        id=str(number),
        name=f"#{number}",
        created=at(created),
        modified=at(modified),
        processed=at(created),
        currency="GBP",
        prices_include_tax=False,
        gateways=("bacs",),
        test=False,
        edited=False,
        tags=(),
        marks=(),
        lines=tuple(lines),
        shipping=shipping,
        tip=D(0),
        rounding=D(0),
        routed=True,
        ship_to=who,
        bill_to=who,
        customer=None,
        **facts,
    )


COMPLETED = (Hold(reason="status completed", note="", done=True),)

# -- order 32: two lines, paid; its meta is written; refunded four times; completed -----------------------------


def of_32(modified: str, ref: str, tee: OrderLine) -> Order:
    lines = (tee, line(2, HOODIE_NAVY_M, 1, "48.33", "48.33", "9.67", stock=taken(1)))
    told: Json = {"note": "Please leave it with the porter.", "attributes": (("wh_ref", ref),)}
    stamps = {"created": "00:18:39", "modified": modified, "paid": "00:18:39"}
    return order(32, lines, delivery(3), "110.74", who=alex(1), **stamps, **told)


TEES = line(1, TEE_BLACK, 2, "20.00", "40.00", "8.00", stock=taken(2))
SOLD = of_32("00:18:39", "A-1", TEES)
WITH_META = of_32("00:18:53", "A-3", TEES)

TEES_PUT_BACK = line(1, TEE_BLACK, 2, "20.00", "40.00", "8.00", stock=taken(0, 2))
TEES_OWED = line(1, TEE_BLACK, -1, "20.00", "-20.00", "-4.00", stock=taken(0, 2), ordered=2)
"""Three of two were given back; nothing prevents it over there (trap 6)."""


def of_32_given_back(holds: tuple[Hold, ...] = ()) -> Order:
    """24.00 three times, and 1.00 of goodwill: 110.74 - 73.00."""
    whole = of_32("00:18:55", "A-3", TEES_PUT_BACK)
    back = (
        tender("47", TenderKind.REFUNDED, "1.00", at("00:18:55")),
        tender("46", TenderKind.REFUNDED, "24.00", at("00:18:55")),
        tender("45", TenderKind.REFUNDED, "24.00", at("00:18:54")),
        tender("44", TenderKind.REFUNDED, "24.00", at("00:18:54")),
    )
    changes = {
        "payment": PaymentStatus.PARTIALLY_REFUNDED,
        "lines": (TEES_OWED, whole.lines[1]),
        "reductions": (Reduction(name="(refunded)", amount=D("1.00"), taxes=()),),
        "tenders": (*whole.tenders, *back),
        "total": D("37.74"),
        "refunded": D("73.00"),
        "holds": holds,
        "as_sold": sold(whole),
    }
    return whole.model_copy(update=changes)


def sold(whole: Order) -> AsSold:
    return AsSold(
        lines=whole.lines,
        shipping=whole.shipping,
        charges=whole.charges,
        reductions=(),
        tip=D(0),
        rounding=D(0),
    )


# -- order 33: not paid; a note is written to it; on hold; sent -------------------------------------------------


def of_33(modified: str, note: str, stock: Mapping[str, str] | None = None) -> Order:
    lines = [line(5, JACKET_RED, 1, "100.00", "100.00", "20.00", stock=stock)]
    return order(33, lines, delivery(6), "124.74", who=alex(2), created="00:18:39", modified=modified, note=note)


# -- orders 34 and 35: of what the shop does not know: a line of nothing, and delivery --------------------------


def of_nothing(number: int, part: int, created: str) -> Order:
    nothing: Article = ("", "", "", "", "", "")
    empty = line(part, nothing, 1, "0.00", "0.00", "0.00", barcode=None, variant=None, attributes=())
    stamps = {"created": created, "modified": "00:18:40", "paid": created}
    return order(number, [empty], delivery(part + 1), "4.74", who=alex(3), holds=COMPLETED, **stamps)


# -- order 36: thirty jackets; two for the same money; a hoodie with them; the hoodie alone ---------------------


def of_36(modified: str, total: str, *lines: OrderLine) -> Order:
    who = alex(5)
    return order(36, lines, delivery(15), total, who=who, created="00:18:40", modified=modified, paid="00:18:40")


THIRTY = line(14, JACKET_BLACK, 30, "100.00", "3000.00", "600.00", stock=taken(30))
TWO = line(14, JACKET_BLACK, 2, "1500.00", "3000.00", "600.00", stock=taken(2))
HOODIE = line(22, HOODIE_NAVY_S, 1, "48.33", "48.33", "9.67", stock=taken(1))

# -- order 38: a coupon of ten per cent and a fee ---------------------------------------------------------------

TEN_OFF = order(
    38,
    [
        line(
            17,
            TEE_WHITE_L,
            3,
            "20.00",
            "60.00",
            "10.80",
            stock=taken(3),
            allowances=(Allowance(name="ten", amount=D("6.00")),),
        )
    ],
    delivery(18),
    "71.94",
    who=alex(6),
    created="00:18:40",
    modified="00:18:40",
    paid="00:18:40",
    charges=(Charge(kind="fee", name="Gift wrap", amount=D("2.00"), taxes=vat("0.40")),),
)

# -- order 42: set to refunded; the shop makes the refund itself, of money alone --------------------------------


def of_42() -> Order:
    lines = [line(32, HOODIE_GREY, 1, "48.33", "48.33", "9.67", stock=taken(1))]
    stamps = {"created": "00:18:42", "modified": "00:18:56", "paid": "00:18:42"}
    whole = order(42, lines, delivery(33), "62.74", who=alex(13), **stamps)
    return whole.model_copy(
        update={
            "payment": PaymentStatus.REFUNDED,
            "reductions": (Reduction(name="(refunded)", amount=D("62.74"), taxes=()),),
            "tenders": (*whole.tenders, tender("49", TenderKind.REFUNDED, "62.74", at("00:18:56"))),
            "total": D(0),
            "refunded": D("62.74"),
            "as_sold": sold(whole),
        }
    )


# -- order 43: cancelled; the stock it took is told no more -----------------------------------------------------

CANCELLED = order(
    43,
    [line(35, HOODIE_GREY, 1, "48.33", "48.33", "9.67")],
    delivery(36),
    "62.74",
    who=alex(14),
    created="00:18:42",
    modified="00:18:55",
    paid="00:18:42",
    cancelled=at("00:18:55"),
)

# -- order 51: as it rang, and as it rang once its tee was given back -------------------------------------------


def of_51(modified: str, tee: OrderLine) -> Order:
    stamps = {"created": "00:19:00", "modified": modified, "paid": "00:19:00"}
    return order(51, [tee], delivery(48), "28.74", who=alex(30), **stamps)


RANG = of_51("00:19:00", line(47, TEE_WHITE_M, 1, "20.00", "20.00", "4.00", stock=taken(1)))


def of_51_given_back() -> Order:
    """24.00 of 28.74; what is left is delivery."""
    whole = of_51("00:19:06", line(47, TEE_WHITE_M, 1, "20.00", "20.00", "4.00", stock=taken(0, 1)))
    changes = {
        "payment": PaymentStatus.PARTIALLY_REFUNDED,
        "lines": (line(47, TEE_WHITE_M, 0, "20.00", "0.00", "0.00", stock=taken(0, 1), ordered=1),),
        "tenders": (*whole.tenders, tender("55", TenderKind.REFUNDED, "24.00", at("00:19:06"))),
        "total": D("4.74"),
        "refunded": D("24.00"),
        "as_sold": sold(whole),
        "note": "three",
    }
    return whole.model_copy(update=changes)


# -- order 53: from the shop's own checkout, by bank transfer; not in yet ---------------------------------------

FROM_CHECKOUT = order(
    53,
    [line(54, HOODIE_NAVY_L, 2, "48.34", "96.67", "19.33", stock=taken(2))],
    delivery(55),
    "120.74",
    who=alex(34, "01632 960034"),
    created="00:19:02",
    modified="00:19:03",
    source="store-api",
    attributes=(("is_vat_exempt", "no"),),
)

# -- which recording holds which --------------------------------------------------------------------------------

EXPECTED = {
    "orders/create_paid.json": SOLD,
    "orders/get.json": SOLD,
    "orders/list_page1.json 0": SOLD,
    "orders/put_meta_data.json": WITH_META,
    "orders/get_after_refunds.json": of_32_given_back(),
    "orders/put_completed.json": of_32_given_back(holds=COMPLETED),
    "orders/create_unpaid_by_sku.json": of_33("00:18:39", ""),
    "orders/list_page1.json 1": of_33("00:18:39", ""),
    "orders/modified_after_gmt.json 0": of_33("00:18:44", "changed"),
    "orders/batch.json update 0": of_33("00:18:56", "changed", taken(1)),
    "orders/get_with_fulfillment.json": of_33("00:18:57", "changed", taken(1)),
    "orders/create_unknown_sku.json": of_nothing(34, 8, "00:18:39"),
    "orders/list_page1.json 2": of_nothing(34, 8, "00:18:39"),
    "orders/create_unknown_product.json": of_nothing(35, 11, "00:18:40"),
    "orders/create_beyond_stock.json": of_36("00:18:40", "3604.74", THIRTY),
    "orders/put_line_quantity.json": of_36("00:18:41", "3604.74", TWO),
    "orders/put_line_add.json": of_36("00:18:41", "3662.74", TWO, HOODIE),
    "orders/put_line_remove.json": of_36("00:18:41", "62.74", HOODIE),
    "orders/create_with_coupon_and_fee.json": TEN_OFF,
    "orders/put_refunded.json": of_42(),
    "orders/put_cancelled.json": CANCELLED,
    "orders/delete_to_trash.json": CANCELLED,
    "webhooks/cause_order_create.json": RANG,
    "webhooks/delivery_1_order.created.json": RANG,
    "webhooks/delivery_2_order.updated.json": RANG,
    "webhooks/delivery_order.updated_after_refund.json": of_51_given_back(),
    "orders/get_from_checkout.json": FROM_CHECKOUT,
    "webhooks/delivery_checkout_order.created.json": FROM_CHECKOUT,
    "webhooks/delivery_checkout_order.updated.json": FROM_CHECKOUT,
}


# -- the recordings ---------------------------------------------------------------------------------------------


def orders_in(path: str) -> Iterator[tuple[str, Json]]:
    """Every whole order of a recording, by where it stands; what is in the trash or a draft is none."""
    told = json.loads(contract_path("woocommerce", "recorded", path).read_bytes())
    body = told["response"]["body"] if "response" in told else _delivered(told)
    for step, one in _within(body):
        if one["status"] not in NO_ORDERS:
            yield " ".join((path, *step)), one


def _delivered(told: Json) -> Any:
    """A webhook's body is kept byte for byte; some are no JSON."""
    raw = told.get("delivery", {}).get("body_raw", "")
    return json.loads(raw) if raw.startswith("{") else None


def _within(body: Any, *step: str) -> Iterator[tuple[tuple[str, ...], Json]]:
    if isinstance(body, dict) and {"order_key", "line_items"} <= body.keys():
        yield step, body
    elif isinstance(body, dict | list):
        for name, one in body.items() if isinstance(body, dict) else enumerate(body):
            yield from _within(one, *step, str(name))


def refunds_of(one: Json) -> list[Json]:
    """Those of order 32 were recorded; of the others the order tells number and amount, and the calls what was in
    them: the whole by the shop itself, and one tee."""
    if not one["refunds"]:
        return []
    made: dict[int, list[Json]] = {
        32: recorded("refunds", "list.json"),
        42: [refund(49, "62.74", date_created_gmt="2026-11-21T00:18:56")],
        51: [
            refund(
                55,
                "24.00",
                given_back(47, 1, "20.00", total_tax="-4.00", taxes=[tax("-4.00")]),
                date_created_gmt="2026-11-21T00:19:06",
            )
        ],
    }
    return made[one["id"]]


def as_kept(one: Json, refunds: list[Json]) -> Document:
    """As the room keeps what it was answered."""
    body = json.dumps(json_of(json.dumps({"order": one, "refunds": refunds}).encode())).encode()
    return Document(ORDERS, Ref(str(one["id"])), stamp(one["date_modified_gmt"]), NOON, body)


def read(kept: Document) -> Order:
    return mapper.read(kept, WooCommerceSettings.model_validate(SETTINGS))


@pytest.mark.parametrize("where", EXPECTED)
def test_a_recorded_order_reads_to_exactly_this(where: str) -> None:
    one = dict(orders_in(where.partition(" ")[0]))[where]
    found, expected = read(as_kept(one, refunds_of(one))), EXPECTED[where]
    assert found.model_dump() == expected.model_dump()
    assert adds_up(expected) == expected.total == paid(expected) + expected.outstanding


def test_every_recording_of_an_order_is_expected() -> None:
    folder = contract_path("woocommerce", "recorded")
    names = (str(path.relative_to(folder)) for path in sorted(folder.glob("*/*.json")) if path.parent.name != "schema")
    assert {where for name in names for where, _ in orders_in(name)} == EXPECTED.keys()


def test_trap_6_more_pieces_given_back_than_were_sold_are_told_as_they_are() -> None:
    """The recording: a line of two, refunded three times by one, and 1.00 of goodwill. Nothing is smoothed over."""
    found = read(as_kept(recorded("orders", "get_after_refunds.json"), recorded("refunds", "list.json")))
    assert [one.quantity for one in found.lines] == [-1, 1]
    assert (found.total, found.refunded, adds_up(found)) == (D("37.74"), D("73.00"), D("37.74"))
    assert found.as_sold is not None
    assert adds_up(found.as_sold) == found.original_total == D("110.74")


def test_an_order_without_the_refunds_it_names_is_not_read() -> None:
    """A delivery tells of a refund its number and amount: which piece came back, only a look at the shop says."""
    ((_, rang),) = orders_in("webhooks/delivery_order.updated_after_refund.json")
    with pytest.raises(Malformed) as fault:
        read(as_kept(rang, []))
    assert fault.value.where == "refunds"
