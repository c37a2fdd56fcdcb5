"""BlueCherry's intake and its posting job: accepted is not posted (contracts/bluecherry/NOTES.md 1.3, 4.3, 7.4)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import orjson
import pytest

from bcbridge.sandbox import catalogue
from tests.sandbox.bluecherry_kit import JEAN, STILL, TEE, a_line, an_order, erp_in, eventually


async def test_an_accepted_order_is_no_sales_order_until_it_is_posted(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        pkey = await erp.accept(an_order("BC7"))
        assert await erp.orders("po_num eq 'BC7'") == []
        assert await erp.cycle() == {"posted": 1, "refused": 0, "stopped": False}
        (order,) = await erp.orders("po_num eq 'BC7'")
        (inbound,) = await erp.books("inbound")
    assert (inbound["pkey"], inbound["status"], inbound["ord_num"]) == (pkey, "posted", order["ord_num"])
    assert order["pkey"] != pkey
    assert order["ord_num"] == "0100013"


async def test_a_posted_order_echoes_what_was_sent(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.accept(an_order("BC7"))
        await erp.cycle()
        (order,) = await erp.orders("po_num eq 'BC7'")
    sent = an_order("BC7")
    for name in ("customer", "altpo", "division", "location", "shipper", "terms", "curr_code", "notes", "end_date"):
        assert order[name] == sent[name]
    assert (order["ord_status"], order["total_qty"]) == ("O", 3)
    tee, jean = order["orderdetail"]["rows"]
    assert (tee["upc"], tee["ord_qty"], tee["open_qty"], tee["price"], tee["location"]) == (TEE.upc, 2, 2, 28.5, "NJ1")
    assert (jean["style"], jean["color_code"], jean["size_desc"]) == ("02101", JEAN.colour.code, JEAN.size)
    assert (jean["lbl_code"], jean["location"], jean["fkey"]) == ("MAIN", "CA1", order["pkey"])
    assert order["orderdiscount"]["rows"][0]["allow_code"] == "WEL10"
    assert order["ordercharge"]["rows"][0]["amount"] == 3
    assert order["orderaddress"]["rows"][0]["addr1"] == "5 Elm St"


async def test_amounts_come_back_to_the_cent_as_numbers(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.accept(an_order("BC7", tax_amt="0.10", disc_amt=19.99))
        await erp.cycle()
        reply = await erp.ask("order", **{"$filter": "po_num eq 'BC7'", "_include": "all"})
    (order,) = json.loads(reply.content, parse_float=Decimal)["data"]["header"]
    assert (order["tax_amt"], order["disc_amt"], order["misc_amt"]) == (Decimal("0.10"), Decimal("19.99"), Decimal(0))


async def test_an_array_has_one_pkey_and_becomes_several_orders(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.accept(an_order("BC1"), an_order("BC2"))
        await erp.cycle()
        inbound = await erp.books("inbound")
        orders = await erp.orders("customer eq 'SHOPUSD'")
    assert len({row["pkey"] for row in inbound}) == 1
    assert [order["po_num"] for order in orders] == ["BC1", "BC2"]


async def test_orders_of_one_cycle_share_one_stamp_in_the_erps_zone(tmp_path: Path) -> None:
    async with erp_in(tmp_path, replace(STILL, erp_timezone="Asia/Tokyo")) as erp:
        await erp.accept(an_order("BC1"))
        await erp.accept(an_order("BC2"))
        await erp.cycle()
        orders = await erp.orders("customer eq 'SHOPUSD'")
    (stamp,) = {order["last_mod"] for order in orders}
    written = datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S").replace(tzinfo=ZoneInfo("Asia/Tokyo"))
    assert abs((datetime.now(ZoneInfo("UTC")) - written).total_seconds()) < 60


async def test_the_stamp_follows_the_sandbox_clock(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.accept(an_order("BC1"))
        await erp.cycle()
        await erp.http.post(f"{erp.url}/_sandbox/clock", json={"advance_seconds": 86_400})
        await erp.accept(an_order("BC2"))
        await erp.cycle()
        before, after = await erp.orders("customer eq 'SHOPUSD'")
    assert after["last_mod"] > before["last_mod"]
    assert after["orgentdate"][:10] > before["orgentdate"][:10]


async def test_the_job_posts_by_itself(tmp_path: Path) -> None:
    async with erp_in(tmp_path, replace(STILL, post_every_seconds=0.05)) as erp:
        await erp.accept(an_order("BC7"))
        assert await eventually(lambda: erp.orders("po_num eq 'BC7'"))


async def test_the_jobs_interval_can_be_moved_while_it_waits(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.accept(an_order("BC7"))
        await erp.faults(values={"post_every_seconds": 0.05})
        assert await eventually(lambda: erp.orders("po_num eq 'BC7'"))


async def test_the_same_reference_twice_is_two_orders(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.accept(an_order("BC1"))
        await erp.accept(an_order("BC1"))
        await erp.cycle()
        assert len(await erp.orders("po_num eq 'BC1'")) == 2


async def test_duplicates_are_refused_where_the_erp_is_set_so(tmp_path: Path) -> None:
    async with erp_in(tmp_path, replace(STILL, refuse_duplicates=True)) as erp:
        await erp.accept(an_order("BC1"))
        accepted_twice = await erp.send([an_order("BC1")])
        await erp.cycle()
        posted_twice = await erp.send([an_order("BC1")])
        await erp.accept(an_order("BC1", customer="SHOPEUR"))
    assert "already exists" in accepted_twice.json()["errors"][0]["errorMessage"]
    assert "already exists" in posted_twice.json()["errors"][0]["errorMessage"]


# --- refused at once -------------------------------------------------------------------------------------------


async def test_what_is_missing_is_said_as_error_messages_all_of_them(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        reply = await erp.send([{"customer": "SHOPUSD"}])
        assert await erp.books("inbound") == []
    assert reply.status_code == 200
    assert reply.json() == {
        "errors": [{"errorMessage": "po_num is required."}, {"errorMessage": "orderdetail is required."}]
    }


@pytest.mark.parametrize(
    "order",
    [
        an_order("X" * 31),
        an_order(altpo="#" * 31),
        an_order(division="WOMEN"),
        an_order(orderdetail=a_line(style="0123456789012")),
        an_order(orderdetail=a_line(color_code="PURPLE")),
    ],
)
async def test_what_is_too_wide_is_said_as_messages(tmp_path: Path, order: dict[str, Any]) -> None:
    async with erp_in(tmp_path) as erp:
        reply = await erp.send([an_order(), order])
        assert await erp.books("inbound") == [], "all of an array or nothing"
    assert "truncated" in reply.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "order",
    [
        an_order(tax_amt="much"),
        an_order(start_date="tomorrow"),
        an_order(orderdetail=a_line(ord_qty=0)),
        an_order(orderdetail=a_line(ord_qty=1.5)),
        an_order(orderdetail=a_line(price="x")),
        an_order(orderdetail=a_line(price=True)),
        an_order(orderdiscount={"rows": [{"allow_code": "A"}]}),
    ],
)
async def test_what_is_no_value_is_said_as_a_message_list(tmp_path: Path, order: dict[str, Any]) -> None:
    async with erp_in(tmp_path) as erp:
        reply = await erp.send([order])
    assert reply.json()["message"][0]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"{}",
        b"[]",
        b"[1]",
        b"[NaN]",
        orjson.dumps(an_order()),
        orjson.dumps([an_order(orderdetail=[])]),
        orjson.dumps([an_order(orderdetail={"rows": [1]})]),
    ],
)
async def test_what_is_no_array_of_orders_is_said_as_a_text(tmp_path: Path, body: bytes) -> None:
    async with erp_in(tmp_path) as erp:
        reply = await erp.http.post(f"{erp.url}/SNDBX/api/order", content=body)
    assert isinstance(reply.json()["message"], str)


# --- refused when posted ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"customer": "NOBODY"}, "customer NOBODY is not on file"),
        ({"location": "POE"}, "location POE is not a warehouse"),
        ({"shipper": "DHL"}, "shipper DHL is not on file"),
        ({"division": "KID"}, "division KID is not on file"),
        ({"division": "MEN"}, "belongs to division WOM"),
        ({"orderdetail": a_line(upc="999999999993")}, "line 1: 999999999993 is not on file"),
        ({"orderdetail": a_line(upc=str(int(TEE.upc)))}, "is not on file"),
        ({"orderdetail": a_line(style="99999")}, "style 99999 is not that of"),
        ({"orderdetail": a_line(upc=catalogue.INACTIVE_SKUS[0].upc)}, "style 00401 is not active"),
    ],
)
async def test_an_accepted_order_may_be_refused_when_posted(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.accept(an_order("BC9", **changes))
        assert (await erp.cycle())["refused"] == 1
        (inbound,) = await erp.books("inbound")
        assert await erp.orders("po_num eq 'BC9'") == []
    assert inbound["status"] == "refused"
    assert reason in inbound["reason"]


async def test_a_line_may_name_its_sku_by_parts(tmp_path: Path) -> None:
    parts = {"upc": "", "style": TEE.style.number, "color_code": TEE.colour.code, "size_desc": TEE.size}
    async with erp_in(tmp_path) as erp:
        await erp.accept(an_order("BC1", orderdetail=a_line(**parts)))
        await erp.cycle()
        (order,) = await erp.orders("po_num eq 'BC1'")
    assert order["orderdetail"]["rows"][0]["upc"] == TEE.upc


async def test_the_erps_people_can_mend_the_style_master(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        door = f"{erp.url}/_sandbox/styles"
        await erp.http.post(door, json={"style": "00401", "active_ok": "Y", "retail_price": "31.00"})
        new = {"upc": "040123099990", "color_code": "BLK", "size_desc": "XXL"}
        await erp.http.post(door, json={"style": "00417", "skus": [new]})
        await erp.http.post(door, json={"style": "00999", "skus": [{**new, "upc": "040123099983"}]})
        await erp.accept(
            an_order("BC1", orderdetail=a_line(upc=catalogue.INACTIVE_SKUS[0].upc)),
            an_order("BC2", orderdetail=a_line(upc="040123099990")),
            an_order("BC3", orderdetail=a_line(upc="040123099983")),
        )
        assert (await erp.cycle())["posted"] == 3
        wrong = await erp.http.post(door, json={"style": "00417", "active_ok": "maybe"})
        styles = {style["style"]: style for style in (await erp.read("style"))["header"]}
    assert wrong.status_code == 400
    assert {d["retail_price"] for d in styles["00401"]["styledetail"]["rows"]} == {31}
    black = styles["00417"]["styledetail"]["rows"][0]["stylecolorsizes"]["rows-i"]
    assert black[-1]["size_desc"] == "XXL"
    assert styles["00417"]["last_mod"] > styles["00418"]["last_mod"]


# --- bad manners -----------------------------------------------------------------------------------------------


async def test_an_answer_lost_after_acceptance_leaves_an_order(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.faults(once={"answer_lost": 1})
        with pytest.raises(httpx.TransportError):
            await erp.send([an_order("BC1")])
        await erp.cycle()
        assert len(await erp.orders("po_num eq 'BC1'")) == 1


async def test_an_answer_lost_before_acceptance_leaves_nothing(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.faults(once={"answer_lost_before": 1})
        with pytest.raises(httpx.TransportError):
            await erp.send([an_order("BC1")])
        assert await erp.books("inbound") == []


async def test_a_gateway_may_accept_long_after_its_client_gave_up(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.faults(once={"late_acceptance": 1}, values={"late_ms": 300})
        with pytest.raises(httpx.TransportError):
            await erp.send([an_order("BC1")])
        assert await erp.books("inbound") == []
        assert await eventually(lambda: erp.books("inbound"))


async def test_a_500_after_acceptance_leaves_an_order_and_one_before_does_not(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.faults(once={"error_500_after": 1})
        after = await erp.send([an_order("BC1")])
        await erp.faults(once={"error_500_on_post": 1})
        before = await erp.send([an_order("BC2")])
        assert [row["po_num"] for row in await erp.books("inbound")] == ["BC1"]
    assert (after.status_code, before.status_code) == (500, 500)


async def test_a_time_out_after_acceptance_leaves_an_order(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.faults(once={"timeout_after": 2}, values={"timeout_seconds": 0.05})
        assert (await erp.send([an_order("BC1")])).status_code == 504
        await erp.faults(values={"timeout_seconds": 60})
        with pytest.raises(httpx.ReadTimeout):
            await erp.http.post(f"{erp.url}/SNDBX/api/order", json=[an_order("BC2")], timeout=0.3)
        assert [row["po_num"] for row in await erp.books("inbound")] == ["BC1", "BC2"]


@pytest.mark.parametrize("fault", ["refuse_errorMessage", "refuse_message", "refuse_message_list", "refuse_text"])
async def test_each_error_shape_can_be_ordered_and_accepts_nothing(tmp_path: Path, fault: str) -> None:
    texts = ["The order was refused.", "The sandbox was told to."]
    shapes: dict[str, object] = {
        "refuse_errorMessage": {"errors": [{"errorMessage": text} for text in texts]},
        "refuse_message": {"errors": [{"message": text} for text in texts]},
        "refuse_message_list": {"message": [{"message": text} for text in texts]},
        "refuse_text": {"message": " ".join(texts)},
    }
    async with erp_in(tmp_path) as erp:
        await erp.faults(once={fault: 1})
        reply = await erp.send([an_order()])
        assert await erp.books("inbound") == []
    assert (reply.status_code, reply.json()) == (200, shapes[fault])


async def test_a_broken_contract_has_neither_pkey_nor_data_nor_error(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.faults(once={"contract_break": 2})
        wrote = await erp.send([an_order()])
        read = await erp.ask("order")
        assert len(await erp.books("inbound")) == 1
    for reply in (wrote, read):
        assert reply.status_code == 200
        assert not {"pkey", "data", "errors", "message"} & set(reply.json())


async def test_posting_can_stand_still_and_go_on(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.faults(rates={"posting_stopped": 1})
        await erp.accept(an_order("BC1"))
        assert (await erp.cycle())["stopped"]
        assert await erp.orders("po_num eq 'BC1'") == []
        await erp.faults(clear=True)
        assert (await erp.cycle())["posted"] == 1


async def test_posting_can_refuse_what_was_accepted(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.faults(once={"posting_refuses": 1})
        await erp.accept(an_order("BC1"), an_order("BC2"))
        assert await erp.cycle() == {"posted": 1, "refused": 1, "stopped": False}
        assert [row["status"] for row in await erp.books("inbound")] == ["refused", "posted"]


async def test_posting_can_take_the_newest_first(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.faults(once={"posting_out_of_order": 1})
        await erp.accept(*(an_order(f"BC{n}") for n in range(1, 5)))
        await erp.cycle()
        assert [order["po_num"] for order in await erp.orders("customer eq 'SHOPUSD'")] == ["BC4", "BC3"]
        await erp.cycle()
        assert [order["po_num"] for order in await erp.orders("customer eq 'SHOPUSD'")] == ["BC4", "BC3", "BC1", "BC2"]


async def test_posting_can_alter_an_order(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.faults(rates={"changed_on_posting": 1})
        await erp.accept(an_order("BC1"), an_order("BC2", orderdetail=a_line()))
        await erp.cycle()
        price, quantity = await erp.orders("customer eq 'SHOPUSD'")
    assert price["orderdetail"]["rows"][0]["price"] == 29.5
    assert quantity["orderdetail"]["rows"][0]["ord_qty"] == 2


async def test_a_gateway_can_ignore_its_filter(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.faults(once={"filter_ignored": 2})
        assert len(await erp.orders("po_num eq 'NOTHING'")) == 12
        assert len(await erp.orders(pkey=1)) == 12
        assert await erp.orders("po_num eq 'NOTHING'") == []


async def test_a_document_can_come_in_the_wrong_shape(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.faults(once={"list_wrong_shape": 1})
        assert isinstance(await erp.read("order"), list)
        await erp.faults(once={"empty_children": 1})
        assert (await erp.orders())[0]["orderdetail"] == {"rows": []}
        await erp.faults(once={"missing_children": 1})
        assert "orderdetail" not in (await erp.orders())[0]


async def test_one_upc_can_stand_on_two_skus(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.faults(once={"duplicate_upc": 1})
        styles = (await erp.read("style"))["header"]
    sizes = [s for style in styles for d in style["styledetail"]["rows"] for s in d["stylecolorsizes"]["rows-i"]]
    upcs = [size["upc"] for size in sizes]
    assert len(upcs) - len(set(upcs)) == 1
