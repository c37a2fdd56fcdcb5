"""BlueCherry's invoices: what left, when, in which cartons (contracts/bluecherry/NOTES.md 2.5, 2.7, 7.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.bluecherry_kit import JEAN, STILL, TEE, Erp, an_order, erp_in


async def booked(erp: Erp) -> None:
    await erp.accept(an_order())
    await erp.cycle()


async def invoices(erp: Erp, filter_: str = "po_num eq 'BC1'") -> list[dict[str, Any]]:
    return list((await erp.read("invoice", filter_))["header"])


def lines(invoice: dict[str, Any]) -> list[tuple[int, str, int, str]]:
    return [(row["line_seq"], row["upc"], row["inv_qty"], row["location"]) for row in invoice["invoicedetail"]["rows"]]


def tracks(invoice: dict[str, Any]) -> list[str]:
    return [row["track_no"] for row in invoice["invoicecarton"]["rows"]]


async def test_nothing_is_invoiced_before_it_is_shipped(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await booked(erp)
        await erp.stock({"do": "pick", "po_num": "BC1"})
        assert await invoices(erp) == []


async def test_each_shipment_is_an_invoice_with_its_lines_and_cartons(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await booked(erp)
        await erp.stock({"do": "pick", "po_num": "BC1"})
        await erp.stock({"do": "ship", "po_num": "BC1", "line_seq": 1, "qty": 1})
        await erp.stock({"do": "ship", "po_num": "BC1", "line_seq": 1, "qty": 1, "track_nos": ["A1", "A2"]})
        await erp.stock({"do": "ship", "po_num": "BC1", "track_nos": []})
        first, second, third = await invoices(erp)
        (pick,) = (await erp.read("pick", "po_num eq 'BC1'"))["header"]
    assert [lines(one) for one in (first, second, third)] == [
        [(1, TEE.upc, 1, "NJ1")],
        [(1, TEE.upc, 1, "NJ1")],
        [(2, JEAN.upc, 1, "CA1")],
    ]
    assert (third["location"], third["shipper"], third["altpo"]) == ("CA1", "UPG", "#1001")
    assert tracks(first)[0].startswith("1Z")
    assert (tracks(second), tracks(third)) == (["A1", "A2"], [])
    assert pick["inv_num"] == first["inv_num"] != second["inv_num"]
    assert first["pick_num"] == pick["pick_num"]


async def test_the_orders_amounts_are_charged_once(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await booked(erp)
        await erp.stock({"do": "pick", "po_num": "BC1"}, {"do": "ship", "po_num": "BC1", "line_seq": 1, "qty": 1})
        await erp.stock({"do": "ship", "po_num": "BC1"})
        first, second = await invoices(erp)
    assert (first["tax_amt"], first["frgt_amt"], first["merch_amt"]) == (10.35, 7.95, 28.5)
    assert (second["tax_amt"], second["frgt_amt"], second["merch_amt"]) == (0, 0, 156.5)


async def test_a_void_invoice_stays_and_its_pieces_are_picked_again(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await booked(erp)
        before = (await erp.truth(TEE.upc))["qoh"]
        await erp.stock({"do": "pick", "po_num": "BC1"}, {"do": "ship", "po_num": "BC1"})
        (made,) = await invoices(erp)
        await erp.stock({"do": "void", "inv_num": made["inv_num"]})
        (void,) = await invoices(erp, "void eq 'Y'")
        (order,) = await erp.orders("po_num eq 'BC1'")
        after = (await erp.truth(TEE.upc))["qoh"]
    assert (made["void"], void["void"], void["inv_num"]) == ("N", "Y", made["inv_num"])
    assert [(row["inv_qty"], row["pick_qty"]) for row in order["orderdetail"]["rows"]] == [(0, 2), (0, 1)]
    assert after == before


async def test_a_tracking_number_may_come_later(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await booked(erp)
        await erp.stock({"do": "pick", "po_num": "BC1"}, {"do": "ship", "po_num": "BC1", "track_nos": [""]})
        (made,) = await invoices(erp)
        await erp.stock({"do": "track", "inv_num": made["inv_num"], "track_nos": ["LATE1"]})
        (later,) = await invoices(erp)
    assert (tracks(made), tracks(later)) == ([""], ["LATE1"])


@pytest.mark.parametrize(
    "movement",
    [
        {"do": "ship", "po_num": "BC1"},
        {"do": "ship", "po_num": "BC1", "track_nos": "A1"},
        {"do": "void", "inv_num": "I9"},
        {"do": "track", "inv_num": "I9", "track_nos": []},
        {"do": "unship", "po_num": "BC1"},
    ],
)
async def test_what_cannot_be_is_told_so(tmp_path: Path, movement: dict[str, Any]) -> None:
    async with erp_in(tmp_path, STILL) as erp:
        await booked(erp)
        answer = await erp.http.post(f"{erp.url}/_sandbox/stock", json={"movements": [movement]})
    assert answer.status_code == 400, answer.text
