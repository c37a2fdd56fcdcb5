"""Figures over HTTP: what changed, all of them and when that is proven, what is odd, and the count of the echo SKU."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from bcbridge.connectors.base import StockFeed
from bcbridge.errors import Misconfigured, OpenCircuit, Reject, Retry
from bcbridge.model.ids import Upc
from bcbridge.model.stock import Evidence, EvidenceRules, StockPage
from tests.connectors.bluecherry.gateway import NOW, Answer, Call, Gateway, calling, ok, said
from tests.connectors.bluecherry.season import stock_row

_GT = re.compile(r"last_mod gt '([^']*)'")
SMALL = {"page_size": 2, "page_size_max": 2}


@dataclass
class Figures:
    """An ERP's inventory: strict ``gt``, pages in the order of ``rows``; ``between`` changes it after each page."""

    rows: list[dict[str, Any]]
    between: Callable[[int], None] = lambda asked: None
    beside: dict[str, Any] = field(default_factory=dict)
    asked: int = 0

    def __call__(self, call: Call) -> web.Response:
        after = _GT.fullmatch(call.filter)
        found = [row for row in self.rows if after is None or row["last_mod"] > after[1]]
        size, page = int(call.query["_pgsize"]), int(call.query["_pgno"])
        answer = ok({"data": found[(page - 1) * size : page * size], **self.beside})
        self.asked += 1
        self.between(self.asked)
        return answer


def season(many: int, **changes: Any) -> list[dict[str, Any]]:
    return [stock_row(f"0401230{number:05}", 100 + number, **changes) for number in range(1, many + 1)]


@asynccontextmanager
async def feed(answer: Answer, **changes: Any) -> AsyncIterator[tuple[StockFeed, Gateway]]:
    async with calling(answer, **SMALL | changes) as (connector, gateway):
        yield connector.stock, gateway


async def pulled(answer: Answer, **changes: Any) -> list[StockPage]:
    async with feed(answer, **changes) as (stock, _):
        return [page async for page in stock.everything()]


def upcs(pages: Sequence[StockPage]) -> list[str]:
    return [row.upc for page in pages for row in page.rows]


# -- everything ------------------------------------------------------------------------------------------------


async def test_a_pull_of_one_page_is_whole() -> None:
    pages = await pulled(Figures(season(1)))
    assert upcs(pages) == ["040123000001"]
    assert [(page.last, page.whole) for page in pages] == [(False, False), (True, True)]
    assert pages[0].asked == NOW


@pytest.mark.parametrize("many", [0, 1, 2, 3, 4, 7])
async def test_every_figure_is_shown_and_only_the_last_page_says_so(many: int) -> None:
    pages = await pulled(Figures(season(many)))
    assert set(upcs(pages)) == {row["upc"] for row in season(many)}
    assert [page.whole for page in pages if page.last] == [True]
    assert not any(page.whole or page.last for page in pages[:-1])


async def test_both_envelopes_are_taken() -> None:
    pages = await pulled(lambda call: ok({"data": {"header": season(1) if call.query["_pgno"] == "1" else []}}))
    assert upcs(pages) == ["040123000001"]


async def test_a_row_that_leaves_takes_another_out_of_sight_and_is_found_out() -> None:
    """Keys rise all the way, and the row behind the page that was read has crossed to it."""
    figures = Figures(season(6))

    def leave(asked: int) -> None:
        if asked == 1:
            del figures.rows[0]

    figures.between = leave
    pages = await pulled(figures)
    assert set(upcs(pages)) == {row["upc"] for row in season(6)}
    assert pages[-1].whole
    assert figures.asked > 2 * 4  # one pass lost the third row, one found it, one found no more


async def test_a_list_that_never_stands_still_is_not_called_whole() -> None:
    figures = Figures(season(6))

    def another(asked: int) -> None:
        figures.rows.insert(0, stock_row(f"9{asked:011}", 1000 + asked))
        del figures.rows[-1]

    figures.between = another
    pages = await pulled(figures)
    assert [page.last for page in pages].count(True) == 1
    assert not any(page.whole for page in pages)


async def test_one_publication_is_whole_in_one_pass() -> None:
    built = {"built": "2026-03-01 09:45:00"}
    profile = {"stock_export_field": "built"}
    for figures in (Figures(season(5, **built)), Figures(season(5), beside=built), Figures(season(4), beside=built)):
        pages = await pulled(figures, profile=profile)
        assert (figures.asked, pages[-1].whole) == (3, True)
        assert {row.export for page in pages for row in page.rows} == {datetime(2026, 3, 1, 14, 45, tzinfo=UTC)}


async def test_a_publication_that_changes_under_the_pull_is_not_whole_in_one_pass() -> None:
    figures = Figures(season(5), beside={"built": "2026-03-01 09:45:00"})

    def publish(asked: int) -> None:
        if asked == 2:
            figures.beside = {"built": "2026-03-01 10:00:00"}
            del figures.rows[0]

    figures.between = publish
    pages = await pulled(figures, profile={"stock_export_field": "built"})
    stamps = [{row.export for row in page.rows} for page in pages if page.rows]
    assert all(len(one) == 1 for one in stamps)
    assert len(set.union(*stamps)) == 2
    assert set(upcs(pages)) == {row["upc"] for row in season(5)}
    assert pages[-1].whole


async def test_an_empty_last_page_without_a_stamp_may_be_another_publications() -> None:
    figures = Figures(season(4, built="2026-03-01 09:45:00"))
    pages = await pulled(figures, profile={"stock_export_field": "built"})
    assert figures.asked == 6
    assert pages[-1].whole


async def test_page_numbers_that_are_ignored_open_the_circuit() -> None:
    with pytest.raises(OpenCircuit, match="repeats") as opened:
        await pulled(lambda call: ok({"data": season(2)}))
    assert opened.value.by_content


# -- what changed ----------------------------------------------------------------------------------------------


async def test_a_delta_is_read_again_from_a_build_before_the_newest_stamp() -> None:
    figures = Figures(season(3, last_mod="2026-03-01 07:00:00"))
    async with feed(figures, profile={"stock_build_seconds": 600}) as (stock, gateway):
        mark = [page async for page in stock.everything()][-1].mark
        figures.rows += [stock_row("900000000001", 900, last_mod="2026-03-01 06:50:00")]  # built late
        figures.rows += [stock_row("900000000002", 901, last_mod="2026-03-01 06:40:00")]
        gateway.calls.clear()
        pages = [page async for page in stock.changed(mark)]
    assert gateway.calls[0].filter == "last_mod gt '2026-03-01 06:45:00'"
    assert set(upcs(pages)) == {row["upc"] for row in season(3)} | {"900000000001"}
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    assert pages[-1].mark == mark


async def test_what_is_changed_while_the_pull_runs_is_read_by_the_next() -> None:
    """The row of page 1 moves when page 1 was read; page 2 shows a later stamp than that."""
    now = [NOW]
    figures = Figures([stock_row("1", 1), stock_row("2", 2), stock_row("3", 3, last_mod="2026-03-01 10:20:00")])

    def move(asked: int) -> None:
        now[0] += timedelta(minutes=25)
        if asked == 1:
            figures.rows[0] = stock_row("1", 1, ots=5, last_mod="2026-03-01 10:00:30")

    figures.between = move
    changes: dict[str, Any] = {"now": lambda: now[0], "profile": {"stock_build_seconds": 0}}
    async with feed(figures, **changes) as (stock, _):
        pages = [page async for page in stock.everything()]
        figures.between = lambda asked: None
        again = [page async for page in stock.changed(pages[-1].mark)]
    assert [row.ots for page in again for row in page.rows if row.upc == "1"] == [5]


async def test_without_stamps_everything_is_what_changed() -> None:
    async with feed(Figures(season(3, last_mod=None))) as (stock, gateway):
        mark = [page async for page in stock.changed("")][-1].mark
        gateway.calls.clear()
        pages = [page async for page in stock.changed(mark)]
    assert set(upcs(pages)) == {row["upc"] for row in season(3)}
    assert pages[-1].whole
    assert {call.filter for call in gateway.calls} == {""}


async def test_one_stamp_of_tomorrow_hides_nothing_that_changes_until_then() -> None:
    figures = Figures(season(4, last_mod="2026-03-01 07:00:00"))
    figures.rows[0]["last_mod"] = "2026-03-02 03:00:00"
    async with feed(figures) as (stock, _):
        mark = [page async for page in stock.everything()][-1].mark
        figures.rows[2] |= {"last_mod": "2026-03-01 10:00:00", "op": 7}
        changed = [page async for page in stock.changed(mark)]
    assert figures.rows[2]["upc"] in upcs(changed)


async def test_a_mark_never_goes_back_and_never_follows_a_stamp_of_the_future() -> None:
    figures = Figures(season(1, last_mod="2026-03-01 07:00:00"))
    async with feed(figures) as (stock, _):
        mark = [page async for page in stock.everything()][-1].mark
        figures.rows = [stock_row("1", 1, last_mod="2031-01-01 00:00:00")]
        (page, *_) = [page async for page in stock.changed(mark)]
    assert page.mark == mark
    assert page.rows[0].stamp is None


async def test_a_filter_that_is_ignored_is_noticed() -> None:
    """Rows from long before the mark come with what changed since."""
    rows = [stock_row("1", 1, last_mod="2026-02-01 07:00:00"), stock_row("2", 2, last_mod="2026-03-01 07:00:00")]

    def deaf(call: Call) -> web.Response:
        return ok({"data": rows if call.query["_pgno"] == "1" else []})

    async with feed(deaf) as (stock, _):
        mark = [page async for page in stock.everything()][-1].mark
        with pytest.raises(Retry, match="is the filter ignored"):
            [page async for page in stock.changed(mark)]


# -- what is odd -----------------------------------------------------------------------------------------------


async def test_an_odd_row_is_said_and_what_is_absent_means_nothing_then() -> None:
    pages = await pulled(Figures([*season(5), stock_row("6", 6, ots="?")]), page_size_max=10)
    assert len(upcs(pages)) == 5
    assert [text for page in pages for text in page.odd] == [
        "inventory row 6: a quantity that is no whole number of pieces"
    ]
    assert [(page.last, page.whole) for page in pages][-1] == (True, False)


async def test_a_row_of_no_sku_does_not_spoil_the_proof() -> None:
    pages = await pulled(Figures([*season(3), stock_row("", 9)]), page_size_max=10)
    assert pages[-1].whole


async def test_a_page_of_odd_rows_opens_the_circuit() -> None:
    with pytest.raises(OpenCircuit, match="6 of 6 figures cannot be read") as opened:
        await pulled(Figures(season(6, ots=None)), page_size_max=10)
    assert opened.value.by_content


@pytest.mark.parametrize("body", [b"<html>", b"[]", {"data": 7}, {"data": {"rows": []}}, {}])
async def test_another_envelope_opens_the_circuit(body: object) -> None:
    with pytest.raises(OpenCircuit) as opened:
        await pulled(lambda call: said(200, body))
    assert opened.value.by_content


async def test_quiet_hours_are_kept() -> None:
    async with feed(Figures(season(1)), quiet_windows=["09:30-10:30"]) as (stock, gateway):
        with pytest.raises(OpenCircuit, match="quiet hours"):
            [page async for page in stock.everything()]
    assert gateway.calls == []


# -- the echo --------------------------------------------------------------------------------------------------

ECHO = {
    "stock_evidence": ["echo", "max_age"],
    "echo_sku": {"upc": "099999999999", "warehouse": "NJ1", "style": "ECHO", "division": "WOM"},
}


async def test_the_rules_are_the_profiles() -> None:
    times = {"stock_build_seconds": 60.0, "stock_max_age_seconds": 1800.0, "clock_skew_seconds": 2.0}
    async with feed(Figures([]), profile=ECHO | times | {"stock_cycle_seconds": 900.0}) as (stock, _):
        assert stock.rules == EvidenceRules(
            kinds=(Evidence.ECHO, Evidence.MAX_AGE),
            build=timedelta(minutes=1),
            max_age=timedelta(minutes=30),
            skew=timedelta(seconds=2),
            echo=(Upc("099999999999"), "NJ1"),
            cycle=timedelta(minutes=15),
        )


async def test_the_echo_is_one_count_of_that_sku() -> None:
    async with feed(lambda call: ok({"pkey": 5}), profile=ECHO) as (stock, gateway):
        await stock.set_echo(17)
    (call,) = gateway.calls
    (row,) = json.loads(call.body)
    assert (call.method, call.path) == ("POST", "/EXAMPL/api/PhysicalInventoryTM")
    assert {name: row[name] for name in ("upc_num", "location", "style", "division", "size_qty", "size_adj")} == {
        "upc_num": "099999999999",
        "location": "NJ1",
        "style": "ECHO",
        "division": "WOM",
        "size_qty": 17,
        "size_adj": "A",
    }
    assert (row["receipt_date"], len(row["isa_num"])) == ("2026-03-01", 9)
    assert "lbl_code" not in row


async def test_without_an_echo_sku_nothing_is_posted() -> None:
    async with feed(lambda call: ok({"pkey": 5})) as (stock, gateway):
        with pytest.raises(Misconfigured):
            await stock.set_echo(17)
    assert gateway.calls == []


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (said(200, {"errors": [{"errorMessage": "no"}]}), Reject),
        (said(200, {}), Retry),
        (said(200, b"<html>"), Retry),
        (said(500, {"message": "no"}), Retry),
        (said(429, {"message": "no"}), Retry),
        (said(401, {"message": "no"}), OpenCircuit),
    ],
)
async def test_a_count_that_was_not_taken_is_said(answer: web.Response, fault: type[Exception]) -> None:
    async with feed(lambda call: answer, profile=ECHO) as (stock, _):
        with pytest.raises(fault):
            await stock.set_echo(17)
