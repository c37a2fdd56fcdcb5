"""The room against the simulated BlueCherry, which was written from the same notes by somebody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import httpx
import pytest

from bcbridge.connectors.base import Erp, Found, Severity, Tools, Unproven
from bcbridge.connectors.bluecherry.connector import build
from bcbridge.connectors.bluecherry.settings import BlueCherrySettings
from bcbridge.errors import BridgeError, Malformed, OpenCircuit, Retry
from bcbridge.model.answers import Accepted, Doubtful, NotSent, Rejected
from bcbridge.model.catalog import CatalogSku
from bcbridge.model.ids import ConnectorName, Reference, Upc
from bcbridge.model.sales_order import SalesOrder
from bcbridge.model.stock import StockRow
from bcbridge.sandbox import bluecherry as sandbox
from tests.connectors.bluecherry import season

KEY = "sandbox-bluecherry-subscription-key"
MINE = Reference("SU1001P1G1")

HONOLULU = ZoneInfo("Pacific/Honolulu")  # its file is read here, before a loop runs


@dataclass
class World:
    """The simulated ERP and the room that calls it."""

    erp: Erp
    outside: httpx.AsyncClient

    async def faults(self, **said: Mapping[str, float]) -> None:
        (await self.outside.post("/_sandbox/faults", json=said)).raise_for_status()

    async def books(self, noun: str = "orders") -> list[dict[str, Any]]:
        answer = (await self.outside.get("/_sandbox/books")).raise_for_status()
        rows: list[dict[str, Any]] = answer.json()[noun]
        return rows

    async def held(self, reference: str = MINE) -> int:
        return sum(row.get("po_num") == reference for row in await self.books())

    async def skus(self) -> list[CatalogSku]:
        source = self.erp.styles
        pages = [page async for page in source.lists[0].pages("")]
        return [sku for page in pages for one in page.documents for sku in source.read(one)]

    async def put(self, reference: str = MINE) -> object:
        return await self.erp.sales_orders.put(self.erp.sales_orders.render(order(reference)))


@asynccontextmanager
async def world(
    folder: Path, *, post_every_seconds: float = 0.1, there: Mapping[str, Any] | None = None, **changes: Any
) -> AsyncIterator[World]:
    """``there``: what this ERP is like; ``changes``: what our settings say of it."""
    ways: dict[str, Any] = {"post_every_seconds": post_every_seconds, "calls_per_minute": 100_000, **(there or {})}
    erp = sandbox.BlueCherrySettings(**ways)
    async with sandbox.serving(folder, settings=erp) as server, httpx.AsyncClient(base_url=server.url) as outside:
        given = {
            "base_url": f"{server.url}/SNDBX",
            "subscription_key": "env:KEY",
            "erp_timezone": "America/New_York",
            "requests_per_minute": 60_000,
            "request_timeout_seconds": 1,
            "profile": {"stock_watch_seconds": 0, **changes.pop("profile", {})},
        }
        tools = Tools(now=lambda: datetime.now(UTC), secret=lambda reference: KEY)
        connector = build(ConnectorName("bluecherry"), BlueCherrySettings.model_validate(given | changes), tools)
        try:
            yield World(connector, outside)
        finally:
            await connector.aclose()


def order(reference: str = MINE, **changes: Any) -> SalesOrder:
    line = season.line(upc=Upc("040123000020"))
    sku = line.sku.model_copy(update={"lbl_code": ""})
    return season.order(reference, lines=(line.model_copy(update={"sku": sku}),), **changes)


async def until(true: Callable[[], Awaitable[object]]) -> None:
    with anyio.fail_after(10):
        while not await true():
            await anyio.sleep(0.02)


async def posted(erp: Erp, since: str = "") -> tuple[list[str], str]:
    seen: list[str] = []
    async for page in erp.sales_orders.posted(since):
        seen += [one.reference for one in page.orders]
        since = page.cursor
    return seen, since


# -- masters ---------------------------------------------------------------------------------------------------


async def test_the_style_master_reads_whole_with_leading_zeros_flags_and_prices(tmp_path: Path) -> None:
    async with world(tmp_path, page_size=7) as there:
        skus = await there.skus()
        upcs = [sku.upc for sku in skus]
    assert len(upcs) == len(set(upcs)) > 250
    assert all(len(upc) == 12 for upc in upcs)
    assert any(upc.startswith("0") for upc in upcs)
    assert any(sku.parts.style.startswith("0") for sku in skus)
    assert {sku.parts.division for sku in skus} == {"WOM", "MEN"}
    assert any(not sku.active for sku in skus)
    assert all(sku.price for sku in skus)


async def test_a_delta_of_styles_shows_nothing_old_and_any_cursor_can_be_resumed(tmp_path: Path) -> None:
    async with world(tmp_path, page_size=7) as there:
        source = there.erp.styles
        pages = [page async for page in source.lists[0].pages("")]
        whole = {one.ref for page in pages for one in page.documents}
        before: set[str] = set()
        for page in pages:
            before |= {one.ref for one in page.documents}
            rest = {one.ref async for later in source.lists[0].pages(page.cursor) for one in later.documents}
            assert before | rest == whole
        assert len(rest) < len(whole)
        (fetched,) = await source.fetch([pages[0].documents[0].ref])
        assert source.read(fetched) == source.read(pages[0].documents[0])


async def test_warehouses_and_ship_vias_are_the_erps(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        codes = set()
        for source in (there.erp.warehouses, there.erp.ship_vias):
            async for page in source.lists[0].pages(""):
                codes |= {source.read(one).code for one in page.documents}
    assert codes == {"NJ1", "CA1", "UPG", "UP2", "FXO", "USP"}


async def test_a_upc_on_two_skus_is_seen_as_two(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        await there.faults(rates={"duplicate_upc": 1.0})
        upcs = [sku.upc for sku in await there.skus()]
        assert len(upcs) > len(set(upcs))
        findings = await there.erp.doctor()
    assert any(one.topic == "UPC" and one.severity is Severity.ERROR for one in findings)


# -- one order, end to end -------------------------------------------------------------------------------------


async def test_accepted_is_not_posted_and_posted_is_found_as_it_was_sent(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        await there.faults(rates={"posting_stopped": 1.0})
        body = there.erp.sales_orders.render(order())
        _, cursor = await posted(there.erp)
        assert isinstance(await there.erp.sales_orders.put(body), Accepted)
        assert await there.erp.sales_orders.find([MINE]) == Found({MINE: ()})
        await there.faults(rates={"posting_stopped": 0.0})
        await until(there.held)
        found = await there.erp.sales_orders.find([MINE])
        assert isinstance(found, Found)
        (held,) = found.hits[MINE]
        assert there.erp.sales_orders.differences(body, held) == ()
        assert MINE in (await posted(there.erp, cursor))[0]


async def test_what_the_posting_job_altered_is_named(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        await there.faults(rates={"changed_on_posting": 1.0})
        body = there.erp.sales_orders.render(order())
        await there.erp.sales_orders.put(body)
        await until(there.held)
        found = await there.erp.sales_orders.find([MINE])
        assert there.erp.sales_orders.differences(body, found.hits[MINE][0])


async def test_orders_that_were_never_sent_twice_are_held_twice_where_the_erp_lets_it(tmp_path: Path) -> None:
    """Why the read-back must tell every hit: nothing over there refuses a second one."""
    async with world(tmp_path) as there:
        assert isinstance(await there.put(), Accepted)
        assert isinstance(await there.put(), Accepted)

        async def both() -> bool:
            return await there.held() == 2

        await until(both)
        assert len((await there.erp.sales_orders.find([MINE])).hits[MINE]) == 2


async def test_three_hundred_orders_of_one_second_are_all_listed(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        await there.faults(rates={"posting_stopped": 1.0})
        sent = [f"SU{number}P1G1" for number in range(300)]
        for reference in sent:
            assert isinstance(await there.put(reference), Accepted)
        _, cursor = await posted(there.erp)
        await there.faults(rates={"posting_stopped": 0.0})

        async def all_held() -> bool:
            seen, _ = await posted(there.erp, cursor)
            return set(sent) <= set(seen)

        await until(all_held)
        seen, _ = await posted(there.erp, cursor)
        assert len([one for one in seen if one in sent]) == 300


# -- what goes wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "answer", "kept"),
    [
        ("answer_lost", Doubtful, 1),
        ("answer_lost_before", Doubtful, 0),
        ("error_500_after", Doubtful, 1),
        ("error_500", Doubtful, 0),
        ("error_502_html", Doubtful, 0),
        ("timeout_after", Doubtful, 1),
        ("timeout", Doubtful, 0),
        ("contract_break", Doubtful, 1),
        ("throttle_429", NotSent, 0),
        ("refuse_errorMessage", Rejected, 0),
        ("refuse_message", Rejected, 0),
        ("refuse_message_list", Rejected, 0),
        ("refuse_text", Rejected, 0),
    ],
)
async def test_a_post_says_no_more_than_is_certain(fault: str, answer: type[object], kept: int, tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        await there.faults(once={fault: 1}, values={"retry_after_seconds": 0})
        assert isinstance(await there.put(), answer)
        probe = Reference("SU9999P1G1")
        await there.put(probe)  # accepted later; when it is posted, so is what came before it
        await until(lambda: there.held(probe))
        found = await there.erp.sales_orders.find([MINE])
        assert isinstance(found, Found)
        assert len(found.hits[MINE]) == await there.held() == kept


@pytest.mark.parametrize("fault", ["key_401", "quota_403"])
async def test_a_post_that_is_not_let_in_opens_the_circuit(fault: str, tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        await there.faults(once={fault: 1})
        with pytest.raises(OpenCircuit) as told:
            await there.put()
        assert KEY not in str(told.value)


@pytest.mark.parametrize(
    ("fault", "decision"),
    [
        ("error_500", Retry),
        ("error_502_html", Retry),
        ("throttle_429", Retry),
        ("timeout", Retry),
        ("key_401", OpenCircuit),
        ("quota_403", OpenCircuit),
        ("list_wrong_shape", OpenCircuit),
        ("missing_children", OpenCircuit),
        ("contract_break", OpenCircuit),
    ],
)
async def test_a_read_that_fails_becomes_the_right_decision(
    fault: str, decision: type[BridgeError], tmp_path: Path
) -> None:
    async with world(tmp_path) as there:
        await there.faults(rates={fault: 1.0}, values={"retry_after_seconds": 0})
        with pytest.raises(decision):
            await there.skus()
        with pytest.raises(decision):
            await posted(there.erp)


async def test_styles_whose_colours_were_left_out_do_not_pass_for_styles_without_any(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        await there.faults(rates={"empty_children": 1.0})
        with pytest.raises(Malformed):
            await there.skus()


async def test_with_an_ignored_filter_no_absence_is_proven_and_hits_still_count(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        await there.put()
        await until(there.held)
        await there.faults(rates={"filter_ignored": 1.0})
        found = await there.erp.sales_orders.find([MINE, Reference("SU9999P1G1")])
        assert isinstance(found, Unproven)
        await there.faults(rates={"filter_ignored": 0.0})
        assert isinstance(await there.erp.sales_orders.find([MINE]), Found)


async def test_a_doctor_finds_a_fresh_sandbox_in_order(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        findings = await there.erp.doctor()
    assert [one for one in findings if one.severity is Severity.ERROR] == []
    assert {one.topic for one in findings} >= {"version", "time zone", "read-back", "styles", "locations"}
    assert any("order" in one.topic and one.severity is Severity.WARNING for one in findings)


async def test_a_doctor_notices_a_wrong_zone(tmp_path: Path) -> None:
    async with world(tmp_path, erp_timezone=HONOLULU.key) as there:
        await there.put()
        await until(there.held)
        findings = await there.erp.doctor()
    (zone,) = (one for one in findings if one.topic == "time zone")
    assert zone.severity is Severity.ERROR


# -- figures ---------------------------------------------------------------------------------------------------

EXPORTS = {"stock_cycle_seconds": 3_600.0, "stock_stamp": "export_start"}
WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "live, with components": ({}, {"stock_evidence": ["live"]}),
    "the erp's own numbers": ({"stock_components": False}, {}),
    "exports": (EXPORTS, {"stock_export_field": "export_date", "stock_evidence": ["export_start"]}),
    "no stamps": ({"stock_stamp": "none"}, {"stock_evidence": ["unchanged"]}),
    "buckets": ({"stock_rows": "buckets"}, {"stock_rows": "buckets"}),
    "the ledger's own rows": ({"stock_rows": "ledger"}, {"stock_rows": "buckets", "stock_bucket_number": "rec_type"}),
}


async def _ledger(there: World) -> dict[tuple[str, str, str], tuple[int, int]]:
    """By the books, where stock is real: open to sell, and the same with work in progress."""
    found: dict[tuple[str, str, str], tuple[int, int]] = {}
    after: str | None = "0"
    while after:
        path = f"/_sandbox/books/inventory?limit=5000&after={after}"
        said = (await there.outside.get(path)).raise_for_status().json()
        found |= {(row["upc"], row["location"], row["lot"]): (row["ots"], row["ots_wip"]) for row in said["inventory"]}
        after = said["next"]
    return {place: ots for place, ots in found.items() if place[1] not in ("POE", "FOB", "")}


async def _shown(there: World) -> dict[tuple[str, str, str], StockRow]:
    pages = [page async for page in there.erp.stock.everything()]
    return {(row.upc, row.warehouse, row.lot): row for page in pages for row in page.rows}


@pytest.mark.parametrize("way", WAYS)
async def test_figures_are_the_books_however_they_are_shown(tmp_path: Path, way: str) -> None:
    here, profile = WAYS[way]
    async with world(tmp_path, there=here, profile=profile) as there:
        held = await _ledger(there)
        pages = [page async for page in there.erp.stock.everything()]
        findings = await there.erp.doctor()
    rows = [row for page in pages for row in page.rows]
    told = {(row.upc, row.warehouse, row.lot): (row.ots, row.ots if way == "buckets" else row.ots_wip) for row in rows}
    none = {place: (0, 0) for place in told if "buckets" in WAYS[way][1].values()}  # a live size without a row
    assert told == none | {place: (ots, ots if way == "buckets" else wip) for place, (ots, wip) in held.items()}
    assert [text for page in pages for text in page.odd] == []
    assert pages[-1].whole
    assert [one for one in findings if one.topic.startswith("stock") and one.severity is Severity.ERROR] == []
    assert (way == "exports") == all(row.export for row in rows)
    assert (way == "no stamps") == (not any(row.stamp for row in rows))


async def test_a_publication_in_the_middle_of_a_pull_hides_nothing(tmp_path: Path) -> None:
    here, profile = WAYS["exports"]
    sizes = {"page_size": 50, "page_size_max": 50}
    async with world(tmp_path, there=here, profile=profile, **sizes) as there:
        held = await _ledger(there)
        (await there.outside.post("/_sandbox/clock", json={"advance_seconds": 60})).raise_for_status()
        await there.faults(once={"publish_between_pages": 1})
        pages = [page async for page in there.erp.stock.everything()]
    rows = [row for page in pages for row in page.rows]
    assert {(row.upc, row.warehouse, row.lot) for row in rows} == set(held)
    assert len({row.export for row in rows}) == 2
    assert all(len({row.export for row in page.rows}) <= 1 for page in pages)


async def test_a_booked_order_and_its_figure_are_stamped_together(tmp_path: Path) -> None:
    """What "row_ledger" rests on: the figure that contains an order is not older than the order."""
    async with world(tmp_path) as there:
        before = await _shown(there)
        await there.put()
        await until(there.held)
        after = await _shown(there)
        found = await there.erp.sales_orders.find([MINE])
    assert isinstance(found, Found)
    (booked,) = found.hits[MINE]
    assert booked.commits
    assert booked.posted_by is not None
    moved = [row for place, row in after.items() if row.ots != before[place].ots]
    assert {(row.upc, row.warehouse) for row in moved} == {(line.upc, line.warehouse) for line in booked.lines}
    assert all(row.stamp is not None and row.stamp >= booked.posted_by for row in moved)
