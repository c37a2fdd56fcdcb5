"""BlueCherry's orders after they are booked: changed by its people, and by the assumed write for corrections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from bcbridge.sandbox.bluecherry import BlueCherrySettings
from tests.sandbox.bluecherry_kit import JEAN, STILL, TEE, Erp, an_order, erp_in, eventually

CHANGING = replace(STILL, change_path="orderchange")
MINE: dict[str, Any] = {"po_num": "BC1"}


async def booked(erp: Erp) -> dict[str, Any]:
    """The kit's order: two tees in NJ1, one jean in CA1."""
    await erp.accept(an_order())
    await erp.cycle()
    return await held(erp)


async def held(erp: Erp) -> dict[str, Any]:
    (order,) = await erp.orders("po_num eq 'BC1'")
    return order


def pieces(order: dict[str, Any]) -> list[tuple[int, ...]]:
    """Of each line: ordered, open, picked, invoiced, cancelled."""
    names = ("ord_qty", "open_qty", "pick_qty", "inv_qty", "cxl_qty")
    return [tuple(row[name] for name in names) for row in order["orderdetail"]["rows"]]


def ship_to(order: dict[str, Any]) -> dict[str, Any]:
    (row,) = (row for row in order["orderaddress"]["rows"] if row["addr_type"] == "ST")
    return dict(row)


def add_up(found: Iterable[tuple[int, ...]]) -> bool:
    return all(ordered == sum(rest) and min(rest) >= 0 for ordered, *rest in found)


async def cancels(erp: Erp) -> list[tuple[str, int, int]]:
    return [(row["rec_type"], row["line_seq"], row["pieces"]) for row in await erp.books("cancels")]


# --- the ERP's people ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("quantity", "open_"), [(5, 4), (3, 2), (1, 0)])
async def test_a_line_is_amended_within_what_is_open(tmp_path: Path, quantity: int, open_: int) -> None:
    async with erp_in(tmp_path) as erp:
        before = await booked(erp)
        await erp.stock({"do": "pick", **MINE, "line_seq": 1, "qty": 1})
        free = await erp.truth(TEE.upc)
        await erp.later(60)
        await erp.stock({"do": "amend", **MINE, "line_seq": 1, "ord_qty": quantity})
        after, left = await held(erp), await erp.truth(TEE.upc)
    assert pieces(after)[0] == (quantity, open_, 1, 0, 0)
    assert after["orderdetail"]["rows"][0]["total_qty"] == quantity
    assert after["total_qty"] == quantity + 1
    assert (left["ots"], left["qoh"]) == (free["ots"] - (quantity - 2), free["qoh"])
    stamps = [after["last_mod"], *(row["last_mod"] for row in after["orderdetail"]["rows"])]
    assert stamps[0] == stamps[1] > stamps[2] == before["last_mod"]


async def test_what_is_amended_above_the_stock_is_oversold(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await booked(erp)
        await erp.stock({"do": "set", "upc": TEE.upc, "location": "NJ1", "pieces": 1, "only": True})
        await erp.stock({"do": "amend", **MINE, "line_seq": 1, "ord_qty": 5})
        here = [row for row in await erp.books("oversold") if (row["upc"], row["location"]) == (TEE.upc, "NJ1")]
    assert [(row["worst"], row["house_pieces"]) for row in here] == [(-2, 2)]


async def test_a_line_is_added_under_keys_of_its_own(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await booked(erp)
        free = await erp.truth(JEAN.upc)
        await erp.stock({"do": "add_line", **MINE, "upc": JEAN.upc, "qty": 3, "price": "99.90"})
        order, left = await held(erp), await erp.truth(JEAN.upc)
    rows = order["orderdetail"]["rows"]
    added = rows[2]
    assert (added["line_seq"], added["upc"], added["ord_qty"], added["open_qty"]) == (3, JEAN.upc, 3, 3)
    assert (added["price"], added["location"], added["style"]) == (99.9, "NJ1", "02101")
    assert (added["fkey"], added["last_mod"], order["total_qty"]) == (order["pkey"], order["last_mod"], 6)
    children = ("orderdetail", "orderaddress", "orderdiscount", "ordercharge")
    keys = [row["pkey"] for name in children for row in order[name]["rows"]]
    assert len(keys) == len(set(keys))
    assert left["ots"] == free["ots"] - 3


async def test_an_added_line_is_picked_and_shipped_like_any(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await booked(erp)
        await erp.stock({"do": "add_line", **MINE, "upc": JEAN.upc, "qty": 3, "price": 99, "location": "CA1"})
        await erp.stock({"do": "pick", **MINE, "line_seq": 3}, {"do": "ship", **MINE, "line_seq": 3, "qty": 2})
        (invoice,) = (await erp.read("invoice", "po_num eq 'BC1'"))["header"]
        order = await held(erp)
    assert [(row["line_seq"], row["inv_qty"]) for row in invoice["invoicedetail"]["rows"]] == [(3, 2)]
    assert pieces(order)[2] == (3, 0, 1, 2, 0)


async def test_an_order_is_readdressed_and_keeps_what_is_not_said(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await booked(erp)
        await erp.later(60)
        await erp.stock({"do": "readdress", **MINE, "addr1": "9 Oak Avenue", "zipcode": "08601"})
        await erp.stock({"do": "readdress", **MINE, "addr_type": "BT", "name": "B. Payer"})
        after = await held(erp)
    said = ship_to(after)
    assert (said["name"], said["addr1"], said["city"]) == ("A. Shopper", "9 Oak Avenue", "Trenton")
    assert said["zipcode"] == "08601"
    assert [row["name"] for row in after["orderaddress"]["rows"] if row["addr_type"] == "BT"] == ["B. Payer"]
    assert after["last_mod"] > after["orderdetail"]["rows"][0]["last_mod"]


async def test_a_cancelled_order_has_nothing_open_and_keeps_its_status(tmp_path: Path) -> None:
    """What is picked stays picked; no value of ``ord_status`` for it is documented."""
    async with erp_in(tmp_path) as erp:
        await booked(erp)
        await erp.stock({"do": "pick", **MINE, "line_seq": 1, "qty": 1})
        free = await erp.truth(TEE.upc)
        await erp.stock({"do": "cancel_order", **MINE})
        order, left = await held(erp), await erp.truth(TEE.upc)
        assert await cancels(erp) == [("CH", 1, 1), ("CH", 2, 1)]
    assert pieces(order) == [(2, 0, 1, 0, 1), (1, 0, 0, 0, 1)]
    assert (order["ord_status"], left["ots"]) == ("O", free["ots"] + 1)


async def test_a_held_order_is_changed_and_takes_no_stock_before_it_is_released(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await booked(erp)
        await erp.stock({"do": "hold", **MINE})
        free = await erp.truth(TEE.upc)
        await erp.stock({"do": "amend", **MINE, "line_seq": 1, "ord_qty": 4})
        await erp.stock({"do": "add_line", **MINE, "upc": TEE.upc, "qty": 2, "price": 1})
        await erp.stock({"do": "customer_cancel", **MINE, "line_seq": 1, "qty": 1})
        assert await erp.truth(TEE.upc) == free
        await erp.stock({"do": "release", **MINE})
        left = await erp.truth(TEE.upc)
    assert left["ots"] == free["ots"] - 5


@pytest.mark.parametrize(
    "movement",
    [
        {"do": "amend", "line_seq": 1, "ord_qty": 1},  # both are picked
        {"do": "amend", "line_seq": 1, "ord_qty": -1},
        {"do": "amend", "line_seq": 9, "ord_qty": 1},
        {"do": "amend", "line_seq": 1},
        {"do": "add_line", "upc": "000000000000", "qty": 1, "price": 1},
        {"do": "add_line", "upc": TEE.upc, "qty": 0, "price": 1},
        {"do": "add_line", "upc": TEE.upc, "qty": 1, "price": "dear"},
        {"do": "readdress"},
        {"do": "readdress", "addr_type": "XX", "addr1": "9 Oak Avenue"},
        {"do": "readdress", "po_num": "BC9", "addr1": "9 Oak Avenue"},
    ],
)
async def test_a_change_that_makes_no_sense_changes_nothing(tmp_path: Path, movement: dict[str, Any]) -> None:
    async with erp_in(tmp_path) as erp:
        await booked(erp)
        await erp.stock({"do": "pick", **MINE, "line_seq": 1})
        before = await erp.books("orders")
        asked = [{"do": "readdress", **MINE, "city": "Camden"}, {**MINE, **movement}]
        reply = await erp.http.post(f"{erp.url}/_sandbox/stock", json={"movements": asked})
        assert (reply.status_code, await erp.books("orders")) == (400, before)


async def test_its_people_change_orders_by_themselves_where_they_are_told_to(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        before = await booked(erp)
        usual = (await erp.http.get(f"{erp.url}/_sandbox/faults")).json()["values"]
        names = ("amends_per_minute", "readdresses_per_minute", "order_cancels_per_minute")
        assert [usual[name]["value"] for name in names] == [0, 0, 0]
        await erp.faults(values={"life": 60, "picks_per_minute": 0, "amends_per_minute": 20})
        assert await eventually(lambda: others_than(erp, lambda order: pieces(order) != pieces(before)))
        await erp.faults(values={"amends_per_minute": 0, "readdresses_per_minute": 20})
        assert await eventually(lambda: others_than(erp, lambda order: ship_to(order) != ship_to(before)))
        await erp.faults(values={"readdresses_per_minute": 0, "order_cancels_per_minute": 20})
        assert await eventually(lambda: others_than(erp, lambda order: not any(row[1] for row in pieces(order))))
        await erp.faults(values={"life": 0})
        assert all(add_up(pieces(order)) for order in await erp.orders())
        assert min(row["op"] for row in await erp.books("inventory")) >= 0


async def others_than(erp: Erp, true: Any) -> list[dict[str, Any]]:
    order = await held(erp)
    return [order] if true(order) else []


# --- the write for corrections ---------------------------------------------------------------------------------


def cancelled(*rows: tuple[int, int]) -> dict[str, Any]:
    """Of each line so many pieces all in all."""
    return {"orderdetail": {"rows": [{"line_seq": seq, "cxl_qty": count} for seq, count in rows]}}


def to(**fields: str) -> dict[str, Any]:
    return {"orderaddress": {"rows": [{"addr_type": "ST", **fields}]}}


async def send(erp: Erp, body: object) -> httpx.Response:
    return await erp.http.post(f"{erp.url}/SNDBX/api/orderchange", json=body)


async def correct(erp: Erp, rows: dict[str, Any], address: dict[str, Any] | None = None) -> Any:
    """The answer to one correction of the kit's order."""
    names = {"po_num": "BC1", "ord_num": (await held(erp))["ord_num"]}
    reply = await send(erp, [{**names, **rows, **(address or {})}])
    assert reply.status_code == 200
    return reply.json()


async def test_an_erp_has_no_such_write_unless_it_is_set_so(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        assert (await send(erp, [])).status_code == 404


@pytest.mark.parametrize("path", ["order", "PhysicalInventoryTM", "order/change", "a b"])
def test_the_write_is_a_resource_of_its_own(path: str) -> None:
    with pytest.raises(ValueError, match="change_path"):
        BlueCherrySettings(change_path=path)


async def test_what_is_asked_for_is_a_level_and_booked_as_the_customers_cancel(tmp_path: Path) -> None:
    async with erp_in(tmp_path, CHANGING) as erp:
        order = await booked(erp)
        free = await erp.truth(TEE.upc)
        assert await correct(erp, cancelled((1, 1))) == {"pkey": order["pkey"]}
        once = await held(erp)
        await erp.later(60)
        assert await correct(erp, cancelled((1, 1))) == {"pkey": order["pkey"]}
        assert await correct(erp, cancelled((1, 0))) == {"pkey": order["pkey"]}
        assert await held(erp) == once
        left = await erp.truth(TEE.upc)
        assert await cancels(erp) == [("CC", 1, 1)]
        await correct(erp, cancelled((1, 2), (2, 1)))
        assert await cancels(erp) == [("CC", 1, 1), ("CC", 1, 1), ("CC", 2, 1)]
        none = await held(erp)
    assert pieces(once) == [(2, 1, 0, 0, 1), (1, 1, 0, 0, 0)]
    assert left["ots"] == free["ots"] + 1
    assert pieces(none) == [(2, 0, 0, 0, 2), (1, 0, 0, 0, 1)]


async def test_it_takes_effect_at_once_and_moves_the_stamps(tmp_path: Path) -> None:
    async with erp_in(tmp_path, CHANGING) as erp:
        before = await booked(erp)
        await erp.later(60)
        await correct(erp, cancelled((1, 1)))
        first = await held(erp)
        await erp.later(60)
        await correct(erp, to(addr1="9 Oak Avenue"))
        second = await held(erp)
        inbound = await erp.books("inbound")
    assert before["last_mod"] < first["last_mod"] < second["last_mod"]
    assert first["orderdetail"]["rows"][0]["last_mod"] == first["last_mod"]
    assert ship_to(second)["addr1"] == "9 Oak Avenue"
    assert len(inbound) == 1


async def test_what_the_house_cancelled_counts_towards_the_level(tmp_path: Path) -> None:
    async with erp_in(tmp_path, CHANGING) as erp:
        await booked(erp)
        await erp.stock({"do": "cancel", **MINE, "line_seq": 1, "qty": 1})
        await correct(erp, cancelled((1, 2)))
        assert await cancels(erp) == [("CH", 1, 1), ("CC", 1, 1)]


async def test_an_address_that_is_so_already_changes_nothing_even_when_it_is_picked(tmp_path: Path) -> None:
    async with erp_in(tmp_path, CHANGING) as erp:
        await booked(erp)
        await correct(erp, to(addr1="9 Oak Avenue"))
        await erp.stock({"do": "pick", **MINE})
        before = await held(erp)
        await erp.later(60)
        assert await correct(erp, to(addr1="9 Oak Avenue", addr2="")) == {"pkey": before["pkey"]}
        assert await held(erp) == before


async def test_more_than_is_open_is_refused_as_a_whole_with_every_reason(tmp_path: Path) -> None:
    async with erp_in(tmp_path, CHANGING) as erp:
        await booked(erp)
        await erp.stock({"do": "pick", **MINE}, {"do": "ship", **MINE, "line_seq": 2})
        await erp.stock({"do": "add_line", **MINE, "upc": TEE.upc, "qty": 1, "price": 1})
        before = await erp.books("orders")
        said = await correct(erp, cancelled((1, 1), (2, 2), (3, 1), (7, 1)), to(city="Camden"))
        assert await erp.books("orders") == before
        assert await cancels(erp) == []
    assert [one["errorMessage"] for one in said["errors"]] == [
        "line 1: 2 pieces are picked.",
        "line 2: 1 piece is invoiced.",
        "line 2: cxl_qty 2 is more than the ord_qty 1.",
        "line 7 is not on file.",
        "address ST: 3 pieces are picked.",
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, {"message": "The request body must be an array of orders."}),
        ([{}, {}], {"message": "The request body must be an array of one order."}),
        ([{"orderdetail": [1]}], {"message": "A child collection must hold its list under rows."}),
        ([{}], {"errors": [{"errorMessage": "po_num is required."}, {"errorMessage": "ord_num is required."}]}),
        (
            [{"po_num": "BC1", "ord_num": "1", "orderdetail": {"rows": [{"upc": "1"}]}}],
            {
                "errors": [
                    {"errorMessage": "orderdetail 1: line_seq is required."},
                    {"errorMessage": "orderdetail 1: cxl_qty is required."},
                ]
            },
        ),
        (
            [{"po_num": "BC1", "ord_num": "1", **cancelled((1, -1)), "orderaddress": {"rows": [{"addr_type": "XX"}]}}],
            {"message": [{"message": "cxl_qty is not a quantity."}, {"message": "addr_type is not known."}]},
        ),
        (
            [{"po_num": "BC1", "ord_num": "0999999"}],
            {"errors": [{"errorMessage": "order 0999999 is not on file."}]},
        ),
        (
            [{"po_num": "BC2", "ord_num": "0100013"}],
            {"errors": [{"errorMessage": "order 0100013 has another po_num than BC2."}]},
        ),
        (
            [
                {
                    "po_num": "BC1",
                    "ord_num": "0100013",
                    "orderdetail": {"rows": [{"line_seq": 1, "upc": "1", "cxl_qty": 1}]},
                }
            ],
            {"errors": [{"errorMessage": "line 1: upc 1 is not that of the line."}]},
        ),
    ],
)
async def test_a_correction_that_makes_no_sense_is_refused(tmp_path: Path, body: object, said: object) -> None:
    async with erp_in(tmp_path, CHANGING) as erp:
        before = await booked(erp)
        assert (await send(erp, body)).json() == said
        assert await held(erp) == before


@pytest.mark.parametrize(("fault", "done"), [("change_answer_lost", 1), ("change_call_lost", 0)])
async def test_a_correction_is_lost_before_or_after_it_is_made_and_orders_are_not(
    tmp_path: Path, fault: str, done: int
) -> None:
    async with erp_in(tmp_path, CHANGING) as erp:
        await booked(erp)
        await erp.faults(once={fault: 1})
        await erp.accept(an_order("BC2"))
        with pytest.raises(httpx.TransportError):
            await correct(erp, cancelled((1, 1)))
        assert [line for _, line, _ in await cancels(erp)] == [1] * done
        await correct(erp, cancelled((1, 1)))
        assert await cancels(erp) == [("CC", 1, 1)]


async def test_a_correction_may_take_effect_when_nobody_waits_for_it_any_more(tmp_path: Path) -> None:
    async with erp_in(tmp_path, CHANGING) as erp:
        await booked(erp)
        await erp.faults(once={"late_acceptance": 1}, values={"late_ms": 50})
        with pytest.raises(httpx.TransportError):
            await correct(erp, cancelled((1, 1)))
        assert await eventually(lambda: cancels(erp))
