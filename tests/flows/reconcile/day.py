"""An order of two lines, booked as one document, all sides agreeing; and what may be otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from bcbridge.flows.reconcile.compare import Facts
from bcbridge.model.changes import Document
from bcbridge.model.dispatch import DispatchView, Fulfilment, LinePieces
from bcbridge.model.ids import Ref, Reference
from bcbridge.model.reconcile import KnownOrder
from bcbridge.model.sales_order import BookedLine, BookedOrder
from bcbridge.model.shipment import Shipment, ShippedLine
from tests.flows.at_hand import CREATED, DRESS, SKIRT
from tests.flows.changes.two import PART, ROWS, held_lines, the_document, the_order

PRICES = {DRESS: Decimal("80.00"), SKIRT: Decimal("40.00")}
NUMBER = "0100001"
LINES = {DRESS: Ref(f"line-{DRESS}"), SKIRT: Ref(f"line-{SKIRT}")}
AT = datetime(2026, 3, 1, tzinfo=UTC)
DOCUMENT = Document(PART, b"sent", (), None)


def held(number: str = NUMBER, **said: Any) -> BookedOrder:
    """The document as the ERP holds it; ``lines`` by UPC: ordered, cancelled, picked, shipped."""
    rows: Mapping[str, tuple[int, int, int, int]] | None = said.pop("lines", None)
    lines = tuple(_priced(one) for one in held_lines(rows))
    found = the_document(lines).held
    assert found is not None
    nothing = dict.fromkeys(("tax", "freight", "allowances", "charges"), Decimal(0))
    return found.model_copy(update={"number": number, **nothing, **said})


def _priced(line: BookedLine) -> BookedLine:
    return line.model_copy(update={"price": PRICES.get(line.upc, Decimal("10.00"))})


def known(**said: Any) -> KnownOrder:
    facts: dict[str, Any] = {
        "id": 1,
        "ref": Ref("gid://shop/Order/5001"),
        "name": "#1001",
        "state": "booked",
        "code": "",
        "content_hash": "1:x",
        "created": CREATED,
        "under_way": False,
        "waits": "",
        "documents": (DOCUMENT,),
        "on_its_way": False,
        "numbers": {PART: NUMBER},
        "booked": ROWS,
        **said,
    }
    return KnownOrder(**facts)


def facts(**said: Any) -> Facts:
    """Of the known order, and of the rest."""
    ours = {name: said.pop(name) for name in list(said) if name in KnownOrder.__dataclass_fields__}
    given: dict[str, Any] = {"order": the_order(), "held": {PART: (held(),)}, "view": view(), **said}
    return Facts(channel="shop", known=known(**ours), **given)


def shipment(number: str, *pieces: tuple[str, int], void: bool = False, reference: Reference = PART) -> Shipment:
    lines = tuple(ShippedLine(upc=upc, pieces=count, line_seq=0, warehouse="NJ1") for upc, count in pieces)  # type: ignore[arg-type]
    return Shipment(
        number=number,
        key=number,
        reference=reference,
        order_number=NUMBER,
        ship_via="UPG",
        shipped=date(2026, 3, 1),
        lines=lines,
        tracks=("1Z",),
        void=void,
        stamp="2026-03-01 09:00:00",
    )


def view(**pieces: int) -> DispatchView:
    """``dress`` and ``skirt``, and lines by their refs: pieces shown as left."""
    refs = {"dress": LINES[DRESS], "skirt": LINES[SKIRT]}
    lines = tuple(LinePieces(line=refs.get(name, Ref(name)), pieces=count) for name, count in pieces.items())
    parcel = Fulfilment(ref=Ref("f1"), location=None, lines=lines, company="", tracks=(), at=AT)
    return DispatchView(ref=Ref("o"), cancelled=False, fulfilments=(parcel,) if lines else (), fulfillable=())


def left(dress: int = 0, skirt: int = 0) -> dict[Reference, tuple[BookedOrder, ...]]:
    """The ERP's side when so many left."""
    return {PART: (held(lines={DRESS: (2, 0, dress, dress), SKIRT: (1, 0, skirt, skirt)}),)}
