"""BlueCherry's stock: the ledger that moves, the exports that lag, the books that know (NOTES 3, 7.7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import pytest

from bcbridge.sandbox import catalogue
from bcbridge.sandbox.bluecherry import ledger
from bcbridge.sandbox.bluecherry.range import nth_upc
from tests.sandbox.bluecherry_kit import JEAN, STILL, TEE, Erp, a_line, an_order, erp_in, eventually

EXPORTS = replace(STILL, stock_cycle_seconds=3_600)
"""Publishes at the beginning, and when told to."""

UPC, OTHER = TEE.upc, JEAN.upc


def put(pieces: int, upc: str = UPC, **changes: Any) -> dict[str, Any]:
    return {"do": "set", "upc": upc, "location": "NJ1", "pieces": pieces, "only": True, **changes}


def moved(do: str, qty: int, **changes: Any) -> dict[str, Any]:
    return {"do": do, "upc": UPC, "location": "NJ1", "qty": qty, **changes}


def an_order_of(qty: int, po_num: str = "BC1", **changes: Any) -> dict[str, Any]:
    return an_order(po_num, orderdetail=a_line(ord_qty=qty), **changes)


async def booked(erp: Erp, *documents: dict[str, Any]) -> None:
    await erp.accept(*documents)
    await erp.cycle()


async def numbers(erp: Erp) -> tuple[int, int, int, int]:
    """On hand, open, picked, open to sell."""
    row = await erp.figure(UPC)
    return row["qoh"], row["open_qty"], row["pick_qty"], row["ots"]


# --- the ledger ------------------------------------------------------------------------------------------------


async def test_an_order_is_open_then_picked_then_gone_and_only_then_is_less_on_hand(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.stock(put(0), moved("post", 0, types={"op": -12, "pk": -10, "rs": -3, "sa": -25}))
        await erp.stock(put(20))
        before = await numbers(erp)
        await booked(erp, an_order_of(3))
        open_ = await numbers(erp)
        await erp.stock({"do": "pick", "po_num": "BC1"})
        picked = await numbers(erp)
        await erp.stock({"do": "ship", "po_num": "BC1", "line_seq": 1, "qty": 2})
        shipped = await numbers(erp)
    on_hand = before[0]
    assert before == (on_hand, 0, 0, 20)
    assert open_ == (on_hand, 3, 0, 17)
    assert picked == (on_hand, 0, 3, 17)
    assert shipped == (on_hand - 2, 0, 1, 17)


async def test_each_piece_of_a_line_is_somewhere_and_the_orders_stamp_moves_with_it(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await booked(erp, an_order_of(6))
        (first,) = await erp.orders("po_num eq 'BC1'")
        stamps = [first["last_mod"]]
        for step, qty in (("pick", 4), ("ship", 3), ("unpick", 1), ("cancel", 2)):
            await erp.later(60)
            await erp.stock({"do": step, "ord_num": first["ord_num"], "line_seq": 1, "qty": qty})
            (order,) = await erp.orders("po_num eq 'BC1'")
            stamps.append(order["last_mod"])
    (line,) = order["orderdetail"]["rows"]
    assert (line["open_qty"], line["pick_qty"], line["inv_qty"], line["cxl_qty"]) == (1, 0, 3, 2)
    assert stamps == sorted(set(stamps))
    assert line["last_mod"] == order["last_mod"]


async def test_a_house_cancel_frees_its_pieces(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await booked(erp, an_order_of(5))
        before = await erp.truth(UPC)
        await erp.stock({"do": "cancel", "po_num": "BC1", "line_seq": 1, "qty": 2})
        after = await erp.truth(UPC)
    assert (after["ots"], after["qoh"]) == (before["ots"] + 2, before["qoh"])


@pytest.mark.parametrize(
    ("movement", "on_hand", "free", "free_with_wip"),
    [
        (moved("adjust", -2), -2, -2, -2),
        (moved("receive", 5), 5, 5, 5),
        (moved("receive_irregular", 1), 1, 1, 1),
        (moved("return", 1), 1, 1, 1),
        (moved("consume", 4), -4, -4, -4),
        (moved("reserve", 3), 0, -3, -3),
        (moved("work_order", 60), 0, 0, 60),
        (moved("work_done", 20), 20, 20, 0),
        (moved("post", 0, types={"rv": 2, "ro": 1}), 2, 0, 1),
    ],
)
async def test_a_movement_moves_the_three_numbers_as_the_formulas_say(
    tmp_path: Path, movement: dict[str, Any], on_hand: int, free: int, free_with_wip: int
) -> None:
    async with erp_in(tmp_path) as erp:
        before = await erp.truth(UPC)
        await erp.stock(movement)
        after = await erp.truth(UPC)
        shown = await erp.figure(UPC)
    for name, change in (("qoh", on_hand), ("ots", free), ("ots_wip", free_with_wip)):
        assert (after[name] - before[name], shown[name]) == (change, after[name]), name


async def test_a_return_into_quarantine_is_nothing_to_sell(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        before = await erp.truth(UPC)
        await erp.stock(moved("return", 2, location="QRN"))
        assert await erp.truth(UPC) == before
        assert (await erp.truth(UPC, "QRN"))["ots"] == 2


async def test_a_held_order_takes_stock_only_when_it_is_released(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.stock(put(9))
        await booked(erp, an_order_of(4, ord_status="H"))
        held = (await erp.truth(UPC))["ots"]
        await erp.stock({"do": "release", "po_num": "BC1"})
        released = (await erp.truth(UPC))["ots"]
        (order,) = await erp.orders("po_num eq 'BC1'")
        await erp.stock({"do": "hold", "po_num": "BC1"})
        again = (await erp.truth(UPC))["ots"]
    assert (held, released, again, order["ord_status"]) == (9, 5, 9, "O")


async def test_an_order_of_another_channel_takes_the_same_pieces(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.stock(put(9))
        said = await erp.stock({"do": "order", "lines": [{"upc": UPC, "qty": 4}], "customer": "BLOOM"})
        (order,) = await erp.orders(f"ord_num eq '{said['ord_nums'][0]}'")
        assert (await erp.truth(UPC))["ots"] == 5
    assert (order["customer"], order["orderdetail"]["rows"][0]["location"]) == ("BLOOM", "NJ1")


async def test_picking_makes_a_pick_ticket_and_shipping_its_invoice(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await booked(erp, an_order_of(2))
        await erp.stock({"do": "pick", "po_num": "BC1"})
        (picked,) = (await erp.read("pick", "po_num eq 'BC1'"))["header"]
        await erp.stock({"do": "ship", "po_num": "BC1"})
        (shipped,) = (await erp.read("pick", "po_num eq 'BC1'"))["header"]
    assert [(row["upc"], row["bk_qty"]) for row in picked["pickdetail"]["rows"]] == [(UPC, 2)]
    assert (picked["inv_num"], bool(shipped["inv_num"])) == ("", True)


async def test_the_wholesale_orders_of_the_season_can_be_picked_from_what_came_in_for_them(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        order = next(one for one in await erp.orders() if one["ord_status"] == "O")
        await erp.stock({"do": "pick", "ord_num": order["ord_num"]}, {"do": "ship", "ord_num": order["ord_num"]})
        rows = await erp.figures("location eq 'NJ1'")
    assert min(row["open_qty"] for row in rows) >= 0


@pytest.mark.parametrize(
    "movement",
    [
        {"do": "fly"},
        moved("receive", 0),
        moved("adjust", 1, upc="000000000000"),
        {"do": "pick", "po_num": "BC0"},
        {"do": "pick", "po_num": "BC1", "line_seq": 1, "qty": 7},
        {"do": "pick", "po_num": "BC1", "line_seq": 9},
        {"do": "ship", "po_num": "BC1", "line_seq": 1, "qty": 1},
        moved("post", 0, types={"cc": 1}),
        {"do": "order", "lines": []},
    ],
)
async def test_a_list_of_movements_with_nonsense_in_it_moves_nothing(tmp_path: Path, movement: dict[str, Any]) -> None:
    async with erp_in(tmp_path) as erp:
        await booked(erp, an_order_of(2))
        before = await erp.books("inventory")
        reply = await erp.http.post(f"{erp.url}/_sandbox/stock", json={"movements": [moved("receive", 5), movement]})
        assert reply.status_code == 400, reply.text
        assert await erp.books("inventory") == before


async def test_one_colour_of_a_style_can_be_blocked(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.door("styles", style=TEE.style.number, color_code=TEE.colour.code, active_ok="N")
        await booked(erp, an_order_of(1))
        styles = (await erp.read("style", f"style eq '{TEE.style.number}'"))["header"]
        (refused,) = await erp.books("inbound")
        assert (await erp.figure(UPC))["ots"] == 92, "its pieces are there all the same"
    (style,) = styles
    blocked = [row["color_code"] for row in style["styledetail"]["rows"] if row["active_ok"] == "N"]
    assert (style["active_ok"], blocked) == ("Y", [TEE.colour.code])
    assert "is not active" in refused["reason"]


# --- exports ---------------------------------------------------------------------------------------------------


async def test_an_export_is_served_until_the_next_one(tmp_path: Path) -> None:
    async with erp_in(tmp_path, EXPORTS) as erp:
        await erp.stock(put(20))
        await erp.publish()
        await booked(erp, an_order_of(3))
        assert ((await erp.figure(UPC))["ots"], (await erp.truth(UPC))["ots"]) == (20, 17)
        await erp.publish()
        assert (await erp.figure(UPC))["ots"] == 17


async def test_exports_come_by_themselves_and_their_cycle_can_be_moved(tmp_path: Path) -> None:
    async with erp_in(tmp_path, EXPORTS) as erp:
        await erp.stock(put(20))
        await erp.faults(values={"stock_cycle_seconds": 0.05})

        async def shown() -> list[dict[str, Any]]:
            row = await erp.figure(UPC)
            return [row] if row["ots"] == 20 else []

        assert await eventually(shown)
        await erp.faults(values={"stock_cycle_seconds": 0})
        await erp.stock(put(7))
        assert (await erp.figure(UPC))["ots"] == 7, "a cycle of nothing is live"


async def test_what_is_booked_while_an_export_builds_is_not_in_it_though_its_stamp_is_later(tmp_path: Path) -> None:
    """History 4: captured, booked, written."""
    async with erp_in(tmp_path, replace(EXPORTS, stock_stamp="export_written")) as erp:
        await erp.stock(put(20))
        await erp.publish(share=1)
        await erp.later(60)
        await booked(erp, an_order_of(3))
        (order,) = await erp.orders("po_num eq 'BC1'")
        await erp.later(60)
        await erp.publish()
        row = await erp.figure(UPC)
    assert row["ots"] == 20
    assert row["last_mod"] > order["last_mod"], "the row looks newer than the order it lacks"


async def test_an_export_row_by_row_has_of_one_moment_only_a_part(tmp_path: Path) -> None:
    async with erp_in(tmp_path, replace(EXPORTS, stock_capture="rows", stock_stamp="export_written")) as erp:
        last = catalogue.SKUS[-1].upc
        await erp.stock(put(20), put(20, last))
        await erp.publish(share=0.5)
        await erp.later(60)
        await erp.stock(put(5), put(5, last))
        await erp.publish()
        first_row, last_row = await erp.figure(UPC), await erp.figure(last)
    assert (first_row["ots"], last_row["ots"]) == (20, 5)
    assert first_row["last_mod"] < last_row["last_mod"]


async def test_rows_can_say_when_their_ledger_moved(tmp_path: Path) -> None:
    async with erp_in(tmp_path, EXPORTS) as erp:
        await booked(erp, an_order_of(3))
        await erp.later(600)
        await erp.publish()
        (order,) = await erp.orders("po_num eq 'BC1'")
        row = await erp.figure(UPC)
    assert row["last_mod"] == order["last_mod"], "both were stamped in one booking"
    assert "export_date" not in row


async def test_rows_can_say_when_their_export_began(tmp_path: Path) -> None:
    async with erp_in(tmp_path, replace(EXPORTS, stock_stamp="export_start")) as erp:
        await erp.stock(put(20))
        await erp.publish(share=1)
        await erp.later(600)
        done = await erp.publish()
        rows = await erp.figures()
        since = await erp.figures(f"export_date gt '{done['stamp']}'")
        row = next(one for one in rows if one["upc"] == UPC and one["location"] == "NJ1")
    assert {one["export_date"] for one in rows} == {done["stamp"]}
    assert row["last_mod"] > done["stamp"]
    assert since == []


async def test_rows_can_be_without_any_stamp_and_then_there_is_no_delta(tmp_path: Path) -> None:
    async with erp_in(tmp_path, replace(EXPORTS, stock_stamp="none")) as erp:
        rows = await erp.figures()
        refused = await erp.ask("inventory", **{"$filter": "last_mod gt '2026-01-01 00:00:00'"})
    assert not any({"last_mod", "export_date"} & set(row) for row in rows)
    assert refused.json()["errors"][0]["message"] == "Invalid column name 'last_mod'."


@pytest.mark.parametrize("all_of_them", [False, True])
async def test_an_export_stamps_what_changed_or_everything(tmp_path: Path, *, all_of_them: bool) -> None:
    there = replace(EXPORTS, stock_stamp="export_written", stock_rewrites_all=all_of_them)
    async with erp_in(tmp_path, there) as erp:
        every = await erp.figures()
        newest = max(row["last_mod"] for row in every)
        await erp.later(600)
        await erp.stock(moved("receive", 5))
        await erp.publish()
        changed = await erp.figures(f"last_mod gt '{newest}'")
    assert len(changed) == (len(every) if all_of_them else 1)


async def test_the_clock_of_the_exports_may_be_another(tmp_path: Path) -> None:
    async with erp_in(tmp_path, replace(EXPORTS, stock_stamp="export_start")) as erp:
        await erp.faults(values={"stamps_ahead_seconds": 7_200})
        done = await erp.publish()
        (publication,) = [row for row in await erp.books("publications") if row["pkey"] == done["pkey"]]
    zone = ZoneInfo("America/New_York")
    written = datetime.strptime(done["stamp"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone)
    ahead = (written - datetime.fromisoformat(publication["begun_at"])).total_seconds()
    assert 7_198 < ahead <= 7_200


async def test_stamps_can_be_made_equal(tmp_path: Path) -> None:
    async with erp_in(tmp_path, replace(EXPORTS, stock_stamp="export_start")) as erp:
        await erp.faults(values={"stamp_grain_seconds": 864_000_000})
        await booked(erp, an_order_of(3))
        await erp.later(60)
        done = await erp.publish()
        (order,) = await erp.orders("po_num eq 'BC1'")
    assert order["last_mod"] == done["stamp"]


@pytest.mark.parametrize(("fault", "share"), [("export_rows_missing", 0.8), ("export_cut", 0.5)])
async def test_an_export_can_lack_rows(tmp_path: Path, fault: str, share: float) -> None:
    async with erp_in(tmp_path, EXPORTS) as erp:
        whole = await erp.figures()
        await erp.faults(once={fault: 1})
        done = await erp.publish()
        broken = await erp.figures()
        await erp.publish()
        assert await erp.figures() == whole
    assert done["broken"] == fault
    assert len(broken) == done["rows"]
    assert abs(len(broken) / len(whole) - share) < 0.05


async def test_an_export_can_be_all_zeros(tmp_path: Path) -> None:
    async with erp_in(tmp_path, replace(EXPORTS, stock_stamp="export_written")) as erp:
        newest = max(row["last_mod"] for row in await erp.figures())
        await erp.later(60)
        await erp.faults(once={"export_all_zero": 1})
        await erp.publish()
        zeros = await erp.figures()
    assert {(row["qoh"], row["ots"], row["ots_wip"]) for row in zeros} == {(0, 0, 0)}
    assert min(row["last_mod"] for row in zeros) > newest


async def test_an_export_can_be_missing(tmp_path: Path) -> None:
    async with erp_in(tmp_path, EXPORTS) as erp:
        await erp.stock(put(20))
        await erp.faults(once={"export_missing": 2}, values={"stock_cycle_seconds": 0.05})

        async def again() -> list[dict[str, Any]]:
            row = await erp.figure(UPC)
            return [row] if row["ots"] == 20 else []

        assert await eventually(again)
        states = [row["state"] for row in await erp.books("publications")]
    assert states[1:3] == ["missing", "missing"]


async def test_an_export_can_be_late(tmp_path: Path) -> None:
    async with erp_in(tmp_path, EXPORTS) as erp:
        late = {"export_late_seconds": 3_600.0, "stock_cycle_seconds": 0.05}
        shown = await erp.faults(once={"export_late": 1}, values=late)
        assert shown["export_late"]["left"] == 1

        async def struck() -> list[int]:
            faults = (await erp.http.get(f"{erp.url}/_sandbox/faults")).json()["faults"]
            return [1] if faults["export_late"]["happened"] else []

        assert await eventually(struck)
        assert len(await erp.books("publications")) == 1, "only the first"


async def test_an_old_export_is_answered_now_and_then(tmp_path: Path) -> None:
    async with erp_in(tmp_path, EXPORTS) as erp:
        await erp.stock(put(20))
        await erp.publish()
        await erp.stock(put(3))
        await erp.publish()
        await erp.faults(once={"stock_replica_behind": 1})
        assert [(await erp.figure(UPC))["ots"] for _ in range(2)] == [20, 3]


async def test_an_export_can_change_between_two_pages(tmp_path: Path) -> None:
    async with erp_in(tmp_path, replace(EXPORTS, stock_stamp="export_start")) as erp:
        await erp.faults(once={"publish_between_pages": 1})
        await erp.later(60)
        first = await erp.read("inventory", _pgno=1, _pgsize=100)
        second = await erp.read("inventory", _pgno=2, _pgsize=100)
    assert {row["export_date"] for row in first} < {row["export_date"] for row in [*first, *second]}
    assert not {row["pkey"] for row in first} & {row["pkey"] for row in second}


async def test_pages_of_an_export_are_all_its_rows_once(tmp_path: Path) -> None:
    async with erp_in(tmp_path, EXPORTS) as erp:
        rows = await erp.figures(_pgsize=97)
        some = await erp.figures("location eq 'CA1'", _pgsize=97)
        live = await erp.books("inventory")
    assert [row["pkey"] for row in rows] == [row["pkey"] for row in live]
    assert {row["location"] for row in some} == {"CA1"}
    assert len(some) == len(catalogue.SKUS)
    assert rows == live, "nothing has happened since"


async def test_a_build_that_was_killed_is_dropped_and_the_export_before_goes_on(tmp_path: Path) -> None:
    async with erp_in(tmp_path, EXPORTS) as erp:
        await erp.stock(put(20))
        await erp.publish()
        await erp.stock(put(3))
        await erp.publish(share=1)
    async with erp_in(tmp_path, EXPORTS) as erp:
        assert (await erp.figure(UPC))["ots"] == 20
        assert [row["state"] for row in await erp.books("publications")] == ["before", "served", "dropped"]


async def test_a_new_world_has_an_export_of_its_own(tmp_path: Path) -> None:
    async with erp_in(tmp_path, EXPORTS) as erp:
        season = await erp.figures()
        await erp.stock(put(20))
        await erp.publish()
        await erp.figures()
        await erp.door("reset")
        again = await erp.figures()
    assert [(row["pkey"], row["ots"]) for row in again] == [(row["pkey"], row["ots"]) for row in season]


async def test_where_figures_are_live_nothing_is_published(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        assert (await erp.http.post(f"{erp.url}/_sandbox/publish")).status_code == 400
        assert await erp.books("publications") == []


# --- how rows look ---------------------------------------------------------------------------------------------


async def test_rows_can_have_the_numbers_alone(tmp_path: Path) -> None:
    async with erp_in(tmp_path, replace(STILL, stock_components=False)) as erp:
        row = await erp.figure(catalogue.SKUS[0].upc)
    assert (row["qoh"], row["ots"], row["ots_wip"], row["pick_qty"]) == (121, 92, 113, 10)
    assert not set(ledger.TYPES) & set(row)


@pytest.mark.parametrize("settings", [STILL, EXPORTS])
@pytest.mark.parametrize("number", ["ots", "ots_wip", "qoh"])
async def test_bucket_wide_rows_say_the_same_as_exploded_ones(tmp_path: Path, settings: Any, number: str) -> None:
    async with erp_in(tmp_path / "1", settings) as erp:
        exploded = {(row["upc"], row["location"], row["lot"]): row for row in await erp.figures()}
    there = replace(settings, stock_rows="buckets", stock_bucket_number=number)
    async with erp_in(tmp_path / "2", there) as erp:
        rows = await erp.figures(_pgsize=60)
    found = {
        (row[f"upc{n:02d}"], row["location"], row["lot"]): (row[f"size{n:02d}_qty"], row[f"sz{n:02d}"])
        for row in rows
        for n in range(1, 25)
        if row[f"call{n:02d}"] == "Y"
    }
    assert {key: found[key] for key in exploded} == {k: (row[number], row["size_desc"]) for k, row in exploded.items()}
    assert {pieces for key, (pieces, _) in found.items() if key not in exploded} == {0}
    assert len({row["pkey"] for row in rows}) == len(rows) < len(exploded)


async def test_the_ledgers_own_rows_are_one_for_each_transaction_type(tmp_path: Path) -> None:
    async with erp_in(tmp_path, replace(STILL, stock_rows="ledger")) as erp:
        rows = await erp.figures(f"style eq '{TEE.style.number}' and color_code eq '{TEE.colour.code}'")
    sums = {
        row["rec_type"].lower(): row[f"size{n:02d}_qty"]
        for row in rows
        for n in range(1, 25)
        if row["location"] == "NJ1" and row["lot"] == "" and row[f"upc{n:02d}"] == UPC
    }
    assert (ledger.number(ledger.QOH, sums), ledger.number(ledger.OTS, sums)) == (121, 92)
    assert ledger.number(ledger.OTS_WIP, sums) == 113


async def test_what_stands_in_a_size_that_is_not_live_is_a_leftover(tmp_path: Path) -> None:
    async with erp_in(tmp_path, replace(STILL, stock_rows="buckets")) as erp:
        rows = await erp.figures("style eq '00401' and location eq 'NJ1'")
        sized = await erp.ask("inventory", upc=UPC)
    assert {(row["size_code"], row["sz01"], row["upc01"], row["call01"], row["size01_qty"]) for row in rows} == {
        ("ALP", "XXS", "", "N", 7)
    }
    assert "errors" in sized.json(), "a row of many sizes has no UPC to ask for"


# --- counts ----------------------------------------------------------------------------------------------------


def a_count(adj_num: str, pieces: Any, **changes: Any) -> dict[str, Any]:
    return {
        "adj_num": adj_num,
        "location": "NJ1",
        "upc_num": catalogue.ECHO.upc,
        "size_qty": pieces,
        "size_adj": "A",
        "pix_type": "605",
        "receipt_date": "2026-11-20",
        **changes,
    }


async def count(erp: Erp, *rows: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = (await erp.http.post(f"{erp.url}/SNDBX/api/PhysicalInventoryTM", json=rows)).json()
    return said


async def test_a_count_is_booked_by_the_posting_job_and_shows_with_the_next_export(tmp_path: Path) -> None:
    echo = catalogue.ECHO.upc
    async with erp_in(tmp_path, EXPORTS) as erp:
        assert set(await count(erp, a_count("A1", 17))) == {"pkey"}
        assert (await erp.truth(echo))["qoh"] == 0, "accepted is not booked"
        await erp.cycle()
        await count(erp, a_count("A2", "16"))
        await erp.cycle()
        assert ((await erp.truth(echo))["ots"], (await erp.figure(echo))["ots"]) == (16, 0)
        await erp.publish()
        row = await erp.figure(echo)
    assert (row["sa"], row["qoh"], row["ots"]) == (16, 16, 16)


async def test_a_count_moves_only_what_is_on_hand(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        before = await erp.figure(UPC)
        await count(erp, a_count("A1", before["qoh"] + 4, upc_num=UPC))
        await erp.cycle()
        after = await erp.figure(UPC)
    assert (after["sa"] - before["sa"], after["ots"] - before["ots"]) == (4, 4)
    assert (after["open_qty"], after["pick_qty"]) == (before["open_qty"], before["pick_qty"])


async def test_a_count_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        missing = await count(erp, {"adj_num": "A1"})
        wrong = await count(erp, a_count("A1", -1), a_count("A2", 1, receipt_date="11/20/2026"))
        await count(erp, a_count("A1", 5))
        twice = await count(erp, a_count("A1", 6))
        await count(erp, a_count("A3", 1, upc_num="000000000000"))
        await erp.cycle()
        kept = await erp.books("counts")
    assert len(missing["errors"]) == 4
    assert [m["message"] for m in wrong["message"]] == ["size_qty is not a quantity.", "receipt_date is not a date."]
    assert "already exists" in twice["errors"][0]["errorMessage"]
    assert [(row["status"], row["reason"]) for row in kept] == [
        ("posted", ""),
        ("refused", "000000000000 is not on file"),
    ]


# --- the truth -------------------------------------------------------------------------------------------------


async def test_what_was_sold_and_not_there_is_counted_as_oversold(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.stock(put(2), put(10, OTHER))
        await booked(erp, an_order_of(2, "BC1"))
        assert await oversold(erp) == {}
        await booked(erp, an_order_of(3, "BC2"))
        await erp.stock({"do": "order", "lines": [{"upc": UPC, "qty": 1}]}, moved("receive", 50))
        await booked(erp, an_order_of(4, "BC3"))
        found = await oversold(erp)
    assert found == {(UPC, "NJ1"): (-4, 4, 3, 2), (UPC, "*"): (-4, 4, 3, 2)}


async def test_pieces_in_another_warehouse_are_there_for_all_of_them_together(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.stock(put(1), moved("receive", 5, location="CA1"), moved("return", 9, location="QRN"))
        await booked(erp, an_order_of(4, "BC1"))
        assert await oversold(erp) == {(UPC, "NJ1"): (-3, 3, 3, 1)}
        await booked(erp, an_order_of(3, "BC2"))
        found = await oversold(erp)
    assert found[UPC, "*"] == (-1, 1, 1, 1), "what is in quarantine is not"


async def oversold(erp: Erp) -> dict[tuple[str, str], tuple[int, int, int, int]]:
    """Per SKU and place: the worst, pieces, of them the shops', bookings."""
    return {
        (row["upc"], row["location"]): (row["worst"], row["pieces"], row["house_pieces"], row["bookings"])
        for row in await erp.books("oversold")
    }


async def test_a_flash_sale_can_be_laid_out(tmp_path: Path) -> None:
    skus = catalogue.WEB_SKUS[:200]
    async with erp_in(tmp_path, EXPORTS) as erp:
        await erp.stock(*(put(10 + place % 91, sku.upc) for place, sku in enumerate(skus)))
        await erp.publish()
        shown = {row["upc"]: row["ots"] for row in await erp.figures("location eq 'NJ1'") if not row["lot"]}
        others = [row["ots"] for row in await erp.figures() if row["location"] != "NJ1" or row["lot"]]
        away = {row["upc"] for row in await erp.figures("location eq 'CA1'") if row["ots"]}
    assert [shown[sku.upc] for sku in skus] == [10 + place % 91 for place in range(200)]
    assert not away & {sku.upc for sku in skus}
    assert others


# --- its own life ----------------------------------------------------------------------------------------------


async def test_an_erp_without_life_stands_still(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        before = await erp.books("inventory")
        faults = (await erp.http.get(f"{erp.url}/_sandbox/faults")).json()
        assert faults["values"]["life"]["value"] == 0
        assert await erp.books("inventory") == before


async def test_an_erp_with_life_picks_ships_receives_and_sells(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await booked(erp, an_order_of(2))
        orders, before = len(await erp.orders()), await sums(erp)
        await erp.faults(values={"life": 60})

        async def lived() -> list[int]:
            after = await sums(erp)
            grown = all(after[name] > before[name] for name in ("in", "r1", "rt", "wp"))
            return [1] if grown and len(await erp.orders()) > orders else []

        assert await eventually(lived)
        await erp.faults(values={"life": 0})
        rows = await erp.books("inventory")
        order = next(one for one in await erp.orders() if one["po_num"] == "BC1")
    assert min(row["op"] for row in rows) >= 0
    assert min(row["pk"] for row in rows) >= 0
    assert order["orderdetail"]["rows"][0]["open_qty"] == 0


async def sums(erp: Erp) -> dict[str, int]:
    rows = await erp.books("inventory")
    return {name: sum(row[name] for row in rows) for name in ledger.TYPES}


# --- size ------------------------------------------------------------------------------------------------------


async def test_a_large_brand_can_be_made_and_published(tmp_path: Path) -> None:
    async with erp_in(tmp_path, replace(EXPORTS, wholesale_orders=0)) as erp:
        season = len(await erp.figures())
        made = await erp.door("skus", count=1_003, locations=["NJ1"], pieces=[10, 100])
        await erp.publish()
        rows = await erp.figures("division eq 'WOM' and location eq 'NJ1' and pkey gt '0'", _pgsize=200)
        everything = await erp.figures()
        styles = (await erp.read("style", "style gt 'R'", _pgsize=200))["header"]
        await booked(erp, an_order("BC1", orderdetail=a_line(upc=made["last"])))
        (row,) = await erp.orders("po_num eq 'BC1'")
    new = [one for one in rows if one["upc"].startswith("7")]
    assert len(everything) == season + 1_003
    assert [new[0]["upc"], new[-1]["upc"]] == [made["first"], made["last"]] == [nth_upc(0), nth_upc(1_002)]
    assert all(10 <= one["ots"] <= 100 for one in new)
    sizes = [s for style in styles for d in style["styledetail"]["rows"] for s in d["stylecolorsizes"]["rows-i"]]
    assert len(sizes) == 1_003
    assert row["orderdetail"]["rows"][0]["style"].startswith("R")


async def test_a_live_ledger_and_its_exports_are_read_at_the_same_time(tmp_path: Path) -> None:
    async with erp_in(tmp_path, EXPORTS) as erp, anyio.create_task_group() as tasks:
        for at in range(10):
            tasks.start_soon(erp.accept, an_order_of(1, f"BC{at}"))
            tasks.start_soon(erp.figures)
            tasks.start_soon(erp.publish)
