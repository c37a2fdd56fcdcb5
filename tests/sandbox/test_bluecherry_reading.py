"""BlueCherry's reads: envelopes, pages, filters, masters, stock (contracts/bluecherry/NOTES.md 1, 2, 3)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bcbridge.sandbox import catalogue
from tests.sandbox.bluecherry_kit import STILL, an_order, erp_in


async def test_a_document_has_its_headers_under_data_header_and_a_master_its_rows_under_data(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        for document in ("order", "pick", "style"):
            assert set(await erp.read(document)) == {"header"}
        for master in ("Location", "Shipper", "inventory"):
            assert isinstance(await erp.read(master), list)


async def test_children_come_only_when_asked_for(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        (bare,) = (await erp.ask("order", _pgsize=1)).json()["data"]["header"]
        (whole,) = await erp.orders(_pgsize=1)
    assert "orderdetail" not in bare
    assert set(whole) - set(bare) == {"orderdetail", "orderaddress", "orderdiscount", "ordercharge"}
    line = whole["orderdetail"]["rows"][0]
    assert line["fkey"] == whole["pkey"]
    assert line["pkey"] != whole["pkey"]


async def test_a_style_holds_its_sizes_under_rows_i(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        styles = (await erp.read("style"))["header"]
    tank = next(style for style in styles if style["style"] == "00417")
    black = tank["styledetail"]["rows"][0]
    sizes = black["stylecolorsizes"]["rows-i"]
    assert [size["size_desc"] for size in sizes] == ["XS", "S", "M", "L", "XL"]
    assert {size["fkey"] for size in sizes} == {black["pkey"]}
    assert sizes[0]["upc"].startswith("0")
    assert len(styles) == len(catalogue.STYLES) + 1, "and the one that is there to be counted"
    assert {style["active_ok"] for style in styles} == {"Y", "N"}
    stamps = [style["last_mod"] for style in styles]
    assert len(set(stamps)) < len(stamps), "rows share one last_mod, as after a mass update"


async def test_the_credential_check_finds_a_version(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        assert (await erp.ask("pick", _pgno=1, _pgsize=1)).json()["version"]
        assert "version" not in (await erp.ask("order", _pgsize=1)).json()


async def test_picks_have_zero_rows_and_one_upc_on_two_lines(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        picks = (await erp.read("pick"))["header"]
    rows = [row for pick in picks for row in pick["pickdetail"]["rows"]]
    assert any(row["bk_qty"] == 0 for row in rows)
    upcs = [row["upc"] for row in picks[0]["pickdetail"]["rows"]]
    assert len(set(upcs)) < len(upcs)
    assert "addr1" in picks[0]["pickaddress"]["rows"][0]


async def test_pages_are_cut_to_their_ceiling_without_a_word(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.accept(*(an_order(f"BC{n}") for n in range(220)))
        await erp.cycle()
        first = (await erp.ask("order", _pgno=1, _pgsize=1_000)).json()["data"]["header"]
        second = (await erp.ask("order", _pgno=2, _pgsize=1_000)).json()["data"]["header"]
        third = (await erp.ask("order", _pgno=3, _pgsize=1_000)).json()["data"]["header"]
        stock = (await erp.ask("inventory", _pgsize=1_000)).json()["data"]
        usual = (await erp.ask("order")).json()["data"]["header"]
    assert (len(first), len(second), len(third), len(stock), len(usual)) == (200, 32, 0, 500, 25)
    assert len({order["pkey"] for order in first + second}) == 232


async def test_eq_gt_and_plain_parameters_filter(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        warehouses = await erp.read("Location", "loc_type eq 'W'")
        some = await erp.orders("customer eq 'BLOOM' and ord_status eq 'O'")
        by_key = await erp.orders(pkey=200_001)
        after = await erp.orders("pkey gt '200010'")
    assert {row["location"] for row in warehouses} == {"NJ1", "CA1"}
    assert all((order["customer"], order["ord_status"]) == ("BLOOM", "O") for order in some)
    assert [order["pkey"] for order in by_key] == [200_001]
    assert [order["pkey"] for order in after] == [200_011, 200_012]


async def test_gt_is_strict_and_so_leaves_out_rows_of_the_same_second(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        every = await erp.orders()
        stamp = sorted(order["last_mod"] for order in every)[6]
        newer = await erp.orders(f"last_mod gt '{stamp}'")
    assert {order["pkey"] for order in newer} == {o["pkey"] for o in every if o["last_mod"] > stamp}
    assert sum(order["last_mod"] == stamp for order in every) > 1


async def test_a_quote_in_a_value_is_doubled(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        assert await erp.orders("po_num eq 'O''Hara'") == []


@pytest.mark.parametrize(
    "expression",
    [
        "po_num lt 'x'",
        "po_num eq x",
        "po_num eq 'x' or altpo eq 'y'",
        "po_num eq 'x' and ",
        "no_such_field eq 'x'",
        "po_num eq 'x'; drop table orders",
    ],
)
async def test_a_filter_beyond_the_grammar_is_an_error_inside_a_200(tmp_path: Path, expression: str) -> None:
    async with erp_in(tmp_path) as erp:
        reply = await erp.ask("order", **{"$filter": expression})
    assert reply.status_code == 200
    assert reply.json()["errors"][0]["message"]


@pytest.mark.parametrize("query", [{"_pgno": "0"}, {"_pgsize": "-1"}, {"_pgno": "x"}, {"nonsense": "1"}])
async def test_a_parameter_that_makes_no_sense_is_an_error_inside_a_200(tmp_path: Path, query: dict[str, str]) -> None:
    async with erp_in(tmp_path) as erp:
        assert "errors" in (await erp.ask("order", **query)).json()


async def test_stock_follows_the_documented_ledger(tmp_path: Path) -> None:
    """The worked example of NOTES 3: on hand 121, open to sell 92, with ship-to WIP 113."""
    async with erp_in(tmp_path) as erp:
        upc = catalogue.SKUS[0].upc
        (row,) = await erp.read("inventory", f"upc eq '{upc}' and location eq 'NJ1'")
    assert (row["qoh"], row["ots"], row["ots_wip"]) == (121, 92, 113)
    assert (row["pick_qty"], row["open_qty"], row["reserved_qty"]) == (10, 12, 3)


async def test_stock_lies_also_where_it_is_no_stock(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        places = [place for page in (1, 2) for place in await erp.read("inventory", _pgno=page)]
    assert {place["location"] for place in places} == {"NJ1", "CA1", "POE", "FOB", "QRN", ""}
    assert {place["lot"] for place in places} == {"", "L2"}


async def test_a_posted_order_takes_open_to_sell(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        (before,) = await erp.read("inventory", upc=catalogue.SKUS[0].upc, location="NJ1")
        await erp.accept(an_order())
        await erp.cycle()
        (after,) = await erp.read("inventory", upc=catalogue.SKUS[0].upc, location="NJ1")
    assert after["ots"] == before["ots"] - 2
    assert after["qoh"] == before["qoh"]
    assert after["last_mod"] > before["last_mod"]


async def test_the_season_can_begin_without_any_order(tmp_path: Path) -> None:
    async with erp_in(tmp_path, replace(STILL, wholesale_orders=0)) as erp:
        assert await erp.orders() == []
        assert (await erp.ask("pick")).json()["data"] == {"header": []}


async def test_every_wholesale_order_has_a_reference_of_its_own(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        references = [order["po_num"] for order in await erp.orders()]
    assert all(references)
    assert len(set(references)) == len(references) == 12
