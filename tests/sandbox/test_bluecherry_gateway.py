"""The gateway's manners, and what is left after a restart (contracts/bluecherry/NOTES.md 1, 1.4)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from blockbuster import blockbuster_ctx

from bcbridge.sandbox.bluecherry.settings import FAULTS, VALUES
from tests.sandbox.bluecherry_kit import STILL, an_order, erp_in


async def test_without_the_right_key_there_is_a_401_in_azures_shape(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp, httpx.AsyncClient() as stranger:
        for headers in ({}, {"Ocp-Apim-Subscription-Key": "wrong"}):
            reply = await stranger.get(f"{erp.url}/SNDBX/api/pick", headers=headers)
            assert reply.status_code == 401
            assert set(reply.json()) == {"statusCode", "message"}


@pytest.mark.parametrize("path", ["/SNDBX/api/nothing", "/OTHER/api/order", "/SNDBX/api/Order", "/"])
async def test_an_unknown_path_is_a_404_in_azures_shape(tmp_path: Path, path: str) -> None:
    async with erp_in(tmp_path) as erp:
        reply = await erp.http.get(erp.url + path)
    assert (reply.status_code, reply.json()["statusCode"]) == (404, 404)


async def test_nothing_is_put_or_deleted(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        assert (await erp.http.delete(f"{erp.url}/SNDBX/api/order")).status_code == 404


async def test_one_call_too_many_in_a_minute_is_a_429_that_says_how_long(tmp_path: Path) -> None:
    async with erp_in(tmp_path, replace(STILL, calls_per_minute=3)) as erp:
        replies = [await erp.ask("Shipper") for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert 1 <= int(replies[-1].headers["Retry-After"]) <= 60
    assert replies[-1].json()["statusCode"] == 429


@pytest.mark.parametrize(
    ("fault", "status"),
    [("throttle_429", 429), ("key_401", 401), ("quota_403", 403), ("error_500", 500), ("error_502_html", 502)],
)
async def test_the_gateways_failures_can_be_ordered(tmp_path: Path, fault: str, status: int) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.faults(once={fault: 2})
        read, wrote, well = await erp.ask("order"), await erp.send([an_order()]), await erp.ask("order")
        assert await erp.books("inbound") == []
    assert (read.status_code, wrote.status_code, well.status_code) == (status, status, 200)


async def test_a_failure_can_be_ordered_for_reads_or_writes_alone(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.faults(rates={"error_502_html_on_get": 1})
        read = await erp.ask("order")
        await erp.accept(an_order())
        shown = await erp.faults()
    assert (read.status_code, read.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert shown["error_502_html_on_get"]["happened"] == 1


async def test_a_slow_call_is_answered_all_the_same(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        shown = await erp.faults(once={"slow": 1}, values={"slow_ms": 1})
        assert shown["slow"]["left"] == 1
        assert (await erp.ask("order")).status_code == 200
        assert (await erp.faults())["slow"]["happened"] == 1


async def test_a_call_that_times_out_ends_with_its_client_and_accepts_nothing(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.faults(once={"timeout": 1})
        with pytest.raises(httpx.ReadTimeout):
            await erp.http.post(f"{erp.url}/SNDBX/api/order", json=[an_order()], timeout=0.1)
        assert await erp.books("inbound") == []


async def test_calls_are_counted_by_path_and_status(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.ask("Shipper")
        await erp.ask("Shipper")
        await erp.accept(an_order())
        counted = {(row["path"], row["status"]): row["count"] for row in await erp.books("calls")}
        about = (await erp.http.get(f"{erp.url}/_sandbox/")).json()
    assert counted == {("GET /SNDBX/api/Shipper", 200): 2, ("POST /SNDBX/api/order", 200): 1}
    assert about["most_in_flight"] == 1


async def test_a_restart_goes_on_where_it_stopped(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.accept(an_order("BC1"))
        await erp.cycle()
        await erp.accept(an_order("BC2"))
        before = await erp.orders()
    async with erp_in(tmp_path) as erp:
        assert await erp.orders() == before
        await erp.cycle()
        after = await erp.orders()
        assert [row["status"] for row in await erp.books("inbound")] == ["posted", "posted"]
        assert (await erp.books("calls"))[0]["count"] > 0
    assert [order["po_num"] for order in after[len(before) :]] == ["BC2"]


async def test_a_reset_is_the_season_again(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.accept(an_order("BC1"))
        await erp.cycle()
        await erp.faults(rates={"error_500": 1})
        season = [order["po_num"] for order in await erp.books("orders")][:12]
        await erp.http.post(f"{erp.url}/_sandbox/reset", json={"seed": 1})
        assert [order["po_num"] for order in await erp.orders()] == season
        assert await erp.books("inbound") == []
        await erp.http.post(f"{erp.url}/_sandbox/reset", json={"seed": 2})
        assert [order["po_num"] for order in await erp.orders()] != season


async def test_the_books_show_records_as_the_api_does(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        await erp.accept(an_order("BC1"))
        await erp.cycle()
        everything = (await erp.http.get(f"{erp.url}/_sandbox/books")).json()
        assert everything["orders"] == await erp.orders()
        assert everything["styles"] == (await erp.read("style"))["header"]
    assert set(everything) == {
        *("orders", "inbound", "styles", "locations", "shippers", "picks", "invoices", "inventory", "calls", "next"),
        *("ledger", "oversold", "cancels", "publications", "counts"),
    }
    assert everything["inbound"][0]["body"]["po_num"] == "BC1"


async def test_nothing_blocks_the_loop(tmp_path: Path) -> None:
    async with erp_in(tmp_path) as erp:
        with blockbuster_ctx():
            await erp.accept(an_order("BC1"))
            await erp.cycle()
            await erp.orders()
            await erp.books("orders")
            await erp.faults(rates={"posting_stopped": 1})
            await erp.http.post(f"{erp.url}/_sandbox/reset")


def test_every_fault_is_documented() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()
    names = {name.removesuffix("_on_get").removesuffix("_on_post") for name in FAULTS} | set(VALUES)
    assert [name for name in sorted(names) if f"`{name}`" not in documented] == []
