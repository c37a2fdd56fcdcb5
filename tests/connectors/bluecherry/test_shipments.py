"""Shipments: invoices of the ERP, read as what left (contracts/bluecherry/NOTES.md 4.2, 7.3)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from bcbridge.connectors.base import Erp
from bcbridge.errors import Malformed, OpenCircuit, Retry
from bcbridge.model.ids import Reference, Upc
from bcbridge.model.shipment import Shipment, ShippedLine
from tests.connectors.bluecherry.gateway import Orders, calling, headers
from tests.connectors.bluecherry.season import invoice_line, invoice_row

MINE = Reference("SU1001P1G1")


async def one(**changes: Any) -> Shipment:
    async with calling(Orders([invoice_row(**changes)])) as (connector, _):
        (found,) = await connector.shipments.of(MINE)
    return found


async def changed(connector: Erp, since: str = "") -> tuple[list[str], str, list[str]]:
    seen: list[str] = []
    odd: list[str] = []
    cursor = since
    async for page in connector.shipments.changed(since):
        seen += [shipment.number for shipment in page.shipments]
        odd += page.odd.values()
        cursor = page.cursor
    return seen, cursor, odd


async def test_an_invoice_reads_to_what_left() -> None:
    assert await one() == Shipment(
        number="I400201",
        key="400201",
        reference=MINE,
        order_number="0100201",
        ship_via="UPG",
        shipped=date(2026, 3, 1),
        lines=(ShippedLine(upc=Upc("040123000020"), pieces=2, line_seq=1, warehouse="NJ1"),),
        tracks=("1Z9",),
        void=False,
        stamp="2026-03-01 09:00:00",
    )


@pytest.mark.parametrize("said", ["2026-03-01", "03/01/2026", "2026-03-01 07:30:00"])
async def test_a_day_is_read_in_both_of_its_forms(said: str) -> None:
    assert (await one(ship_date=said)).shipped == date(2026, 3, 1)


@pytest.mark.parametrize("said", ["", "soon", "2026-13-01"])
async def test_a_day_that_is_none_holds_nothing_up(said: str) -> None:
    assert (await one(ship_date=said)).shipped is None


@pytest.mark.parametrize(
    ("cartons", "own", "tracks"),
    [
        ([{"track_no": "A"}, {"track_no": "B "}, {"track_no": "A"}], "", ("A", "B")),
        ([{"track_no": ""}, {"track_no": None}], "", ()),
        ([], "OWN", ("OWN",)),
        (None, "OWN", ("OWN",)),
    ],
)
async def test_each_tracking_number_once(cartons: list[Any] | None, own: str, tracks: tuple[str, ...]) -> None:
    row = {"invoicecarton": {"rows": cartons}, "track_no": own}
    if cartons is None:
        del row["invoicecarton"]
    invoice = invoice_row()
    del invoice["invoicecarton"]
    async with calling(Orders([invoice | row])) as (connector, _):
        (found,) = await connector.shipments.of(MINE)
    assert found.tracks == tracks


async def test_rows_of_no_pieces_are_none_and_a_row_without_a_place_is_at_its_invoices() -> None:
    rows = [invoice_line(inv_qty=0), invoice_line(line_seq=2, inv_qty=1, location=""), invoice_line(inv_qty=-1)]
    found = await one(location="CA1", invoicedetail={"rows": rows})
    assert [(line.line_seq, line.pieces, line.warehouse) for line in found.lines] == [(2, 1, "CA1"), (1, -1, "NJ1")]


@pytest.mark.parametrize(("said", "void"), [("Y", True), ("y", True), ("N", False), ("", False), (None, False)])
async def test_what_is_void_never_left(said: str | None, void: bool) -> None:
    assert (await one(void=said)).void is void


@pytest.mark.parametrize(
    "changes",
    [
        {"invoicedetail": {"rows": [invoice_line(inv_qty="two")]}},
        {"invoicedetail": {"rows": [invoice_line(inv_qty=0.5)]}},
        {"invoicedetail": {"rows": [{"upc": "1"}]}},
        {"inv_num": ""},
        {"po_num": 1001},
    ],
)
async def test_an_invoice_that_cannot_be_read_is_not_left_out_of_its_order(changes: dict[str, Any]) -> None:
    pages = {"1": [{**invoice_row(**changes), "po_num": changes.get("po_num", MINE)}]}

    async with calling(lambda call: headers(*pages.get(call.query["_pgno"], ()))) as (connector, _):
        with pytest.raises((Malformed, Retry)):
            await connector.shipments.of(MINE)


async def test_all_shipments_of_one_order_and_of_no_other() -> None:
    rows = [invoice_row(pkey=1), invoice_row("SU1002P1G1", 2), invoice_row(pkey=3, void="Y")]
    async with calling(Orders(rows)) as (connector, erp):
        found = await connector.shipments.of(MINE)
        assert await connector.shipments.of(Reference("SU9P1G1")) == ()
    assert [shipment.number for shipment in found] == ["I1", "I3"]
    assert erp.calls[0].path == "/EXAMPL/api/invoice"


async def test_a_filter_that_is_ignored_shows_no_shipments_of_others() -> None:
    rows = [invoice_row("SU1002P1G1", 2)]
    async with calling(lambda call: headers(*rows)) as (connector, _):
        with pytest.raises(Retry):
            await connector.shipments.of(MINE)


async def test_what_changed_is_listed_once_more_within_the_overlap() -> None:
    erp = Orders([invoice_row(pkey=1, last_mod="2026-03-01 06:00:00"), invoice_row(pkey=2)])
    async with calling(erp) as (connector, gateway):
        seen, cursor, _ = await changed(connector)
        assert seen == ["I1", "I2"]
        assert gateway.calls[0].filter == "last_mod gt '2026-02-22 09:55:00'"  # seven days, and the overlap
        erp.rows[0] |= {"void": "Y", "last_mod": "2026-03-01 09:00:00"}
        assert (await changed(connector, cursor))[0] == ["I1", "I2"]


async def test_one_odd_invoice_is_told_and_does_not_stop_the_list_and_many_do() -> None:
    erp = Orders([invoice_row(pkey=1), invoice_row(pkey=2, inv_num="")])
    async with calling(erp) as (connector, _):
        seen, _, odd = await changed(connector)
        assert (seen, len(odd)) == (["I1"], 1)
        erp.rows = [invoice_row(pkey=number, invoicedetail={"rows": [{}]}) for number in range(10)]
        with pytest.raises(OpenCircuit) as told:
            await changed(connector)
    assert told.value.by_content


async def test_names_are_the_customers_own() -> None:
    row = {("qty_shipped" if name == "inv_qty" else name): value for name, value in invoice_line().items()}
    invoice = invoice_row(invoicedetail={"rows": [row]})
    aliases = {"aliases": {"invoice": {"inv_qty": "qty_shipped"}}, "paths": {"invoice": "/api/Shipped"}}
    async with calling(Orders([invoice]), profile=aliases) as (connector, erp):
        (found,) = await connector.shipments.of(MINE)
    assert found.lines[0].pieces == 2
    assert erp.calls[0].path == "/EXAMPL/api/Shipped"
