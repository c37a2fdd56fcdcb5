"""Sixty seconds of the live view answer: how many came in, were booked, are blocked and why, how old is the oldest
waiting, is the ERP slow.
"""

from __future__ import annotations

import io
import shlex
import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import orjson
import pytest
from rich.console import Console

from bcbridge.house.live import Feed, LiveView, Seen, StockSeen, frame, line, look
from bcbridge.store.alerts import Box, Told
from bcbridge.store.db import Store
from bcbridge.store.stock.views import ChannelStock, FeedFacts, Oversold
from bcbridge.store.views import STATES, After, Booking, Oldest, Overview, Pulse, Reason
from bcbridge.web.protocols import Unconfirmed
from tests.stores import empty_store

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
COUNTS = {"booked": 96, "blocked": 5, "not_yet": 7, "accepted": 3, "sending": 1, "in_doubt": 2, "never": 4, "ready": 2}
OVERVIEW = Overview(
    came_in=120,
    states={**dict.fromkeys(STATES, 0), **COUNTS},
    of_channel={"shopify_us": {"booked": 90, "blocked": 5, "ready": 5}, "woocommerce_eu": {"booked": 6, "never": 14}},
    blocked=(Reason("no_ship_via", "ship_via/Overnight", 3), Reason("unknown_sku", "sku/012345678905", 2)),
    not_yet=(Reason("payment_pending", "", 6), Reason("channel_hold", "", 1)),
    oldest_waiting=Oldest("shopify_us", "#1043", "accepted", NOW - timedelta(seconds=192)),
    jobs_waiting=9,
    oldest_job=NOW - timedelta(seconds=2),
    jobs_dead=0,
    incidents=1,
    last_bookings=(Booking("shopify_us", "#1050", ("SO100234",), NOW, "USD", Decimal("1204.50")),),
)
ERP = Pulse(
    "bluecherry",
    "bluecherry",
    calls_per_minute=142,
    latency_p50_seconds=2.6,
    slow=True,
    posting_lag_seconds=61.4,
    last_success=NOW,
)
SHOP = Pulse("shopify_us", "shopify", circuit="open", why="the token was refused")
TOLD = Told(Box("finance", "email"), NOW, "no_house_account", "shopify_us", 3)
WOO = Pulse("woocommerce_eu", "woocommerce")
SEEN = Seen(OVERVIEW, (ERP, SHOP, WOO), (), NOW, told=TOLD)


STOCK = StockSeen(
    channels={"shopify_us": ChannelStock(waiting=12, oldest=NOW, told=480)},
    feeds={"bluecherry": FeedFacts("bluecherry", NOW - timedelta(seconds=14), NOW, NOW, whole=True, held="")},
    oversold=(Oversold("040123000013", 2, 5, ("shopify_us:#1041",)), Oversold("040123000020", 1, 1, ())),
)


def drawn(seen: Seen, *, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(frame(seen, started_at=NOW - timedelta(seconds=72)))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize(
    "fact",
    [
        *("120", "96", "#1043 (shopify_us) 3 m 12 s accepted", "no ship via  ship_via/Overnight", "6 payment pending"),
        "finance/email: no house account on shopify_us and 2 more",
        "standing   1 incident (bcbridge incidents list)",
        *("2.6 s", "slow", "1 m 01 s", "paused: the token was refused", "SO100234", "USD 1,204.50", "1 m 12 s"),
    ],
)
def test_a_frame_of_eighty_columns_answers_the_questions(fact: str) -> None:
    assert fact in drawn(SEEN)


def test_what_each_shop_sold_stands_beside_it() -> None:
    rows = [row.split() for row in drawn(SEEN).splitlines()]
    assert ["shopify_us", "100", "90", "5", "paused:", "the", "token", "was", "refused"] in rows
    assert ["woocommerce_eu", "20", "6", "0", "well"] in rows
    assert "woocommerce_eu.came_in=20 woocommerce_eu.booked=6" in line(SEEN)


def test_the_numbers_each_shop_is_told_and_how_old_the_figures_are_stand_beside_it() -> None:
    rows = [row.split() for row in drawn(replace(SEEN, stock=STOCK), width=100).splitlines()]
    assert ["shopify_us", "100", "90", "5", "480", "12", "paused:", "the", "token", "was", "refused"] in rows
    assert ["woocommerce_eu", "20", "6", "0", "0", "0", "well"] in rows
    assert any(row[:1] == ["bluecherry"] and row[-4:] == ["14", "s", "old", "slow"] for row in rows)


def test_how_often_figures_come_and_how_late_stands_beside_their_age() -> None:
    looks = [NOW + timedelta(seconds=20 * at) for at in range(5)]
    seen = [[at, at + timedelta(seconds=1), at + timedelta(seconds=3)] for at in looks]
    feed = replace(STOCK.feeds["bluecherry"], cycles=orjson.dumps(seen).decode())
    text = drawn(replace(SEEN, stock=replace(STOCK, feeds={"bluecherry": feed})), width=120)
    assert "14 s old, each 20 s, 3 s late" in text


AFTER = After(left={"shopify_us": 117}, told={"shopify_us": 106}, owed=6, untold=1, differing=2)


def test_what_left_and_what_shops_show_of_it_is_a_line() -> None:
    seen = replace(SEEN, overview=replace(OVERVIEW, after=AFTER), stock=STOCK)
    text = drawn(seen)
    assert "117 pieces, of which their shops show 106 as sent" in text
    assert "6 to be told, 1 cannot be told, 2 differ (bcbridge exceptions)" in text
    facts = dict(fact.split("=", 1) for fact in line(seen).split() if "=" in fact)
    assert (facts["owed"], facts["untold"], facts["differing"]) == ("6", "1", "2")
    assert (facts["shopify_us.left"], facts["shopify_us.shown_as_sent"]) == ("117", "106")
    assert "as sent" not in drawn(SEEN)


def test_what_is_oversold_stands_beside_what_the_race_accounts_for() -> None:
    text = drawn(replace(SEEN, stock=STOCK))
    assert "oversold   3 pieces (the race between shops accounts for 6 at most; others were" in text
    nothing = drawn(replace(SEEN, stock=replace(STOCK, oversold=())))
    assert "oversold   0 pieces\n" in "\n".join(row.rstrip() for row in nothing.splitlines()) + "\n"
    assert "oversold" not in drawn(SEEN)
    facts = line(replace(SEEN, stock=STOCK)).split()
    assert {"oversold=3", "raced=6", "shopify_us.numbers_waiting=12", "bluecherry.figures_seconds=14"} <= set(facts)


def test_a_pull_that_was_not_believed_is_said_aloud() -> None:
    held = replace(STOCK.feeds["bluecherry"], held="all figures: 41 of 90 figures with stock would be none")
    text = drawn(replace(SEEN, stock=replace(STOCK, feeds={"bluecherry": held})))
    assert "A pull was not stored: all figures: 41 of 90" in text


@pytest.mark.parametrize("seen", [SEEN, replace(SEEN, stock=STOCK)])
def test_a_frame_fits_a_small_terminal(seen: Seen) -> None:
    text = drawn(seen)
    assert len(text.splitlines()) <= 24
    assert max(len(row.rstrip()) for row in text.splitlines()) <= 80


def test_the_columns_add_up_to_what_came_in() -> None:
    parts = (*(COUNTS[state] for state in ("booked", "blocked", "not_yet", "in_doubt", "never")), OVERVIEW.waiting)
    assert sum(parts) == OVERVIEW.came_in


def test_a_long_cause_does_not_break_the_frame() -> None:
    reasons = (Reason("no_ship_via", "ship_via/" + "x" * 300, 3),)
    text = drawn(replace(SEEN, overview=replace(OVERVIEW, blocked=reasons)))
    assert len(text.splitlines()) <= 24


def test_what_stops_all_booking_is_said_aloud() -> None:
    text = drawn(replace(SEEN, stopped=("a reference of ours that this store does not know",)), width=120)
    assert "Nothing is booked: a reference of ours that this store does not know" in text


def test_the_line_has_the_same_fields() -> None:
    facts = dict(word.partition("=")[::2] for word in shlex.split(line(SEEN)))
    assert facts["came_in"] == "120"
    assert facts["booked"] == "96"
    assert facts["blocked_why"] == "no_ship_via:3,unknown_sku:2"
    assert facts["not_yet_why"] == "payment_pending:6,channel_hold:1"
    assert (facts["oldest_waiting"], facts["oldest_waiting_seconds"]) == ("#1043", "192")
    assert (facts["bluecherry.slow"], facts["bluecherry.p50"]) == ("yes", "2.6s")
    assert facts["bluecherry.posting_lag_seconds"] == "61"
    assert (facts["shopify_us.circuit"], facts["shopify_us.why"]) == ("open", "the token was refused")


def test_a_line_names_a_code_once_however_many_causes_it_has() -> None:
    skus = (
        Reason("unknown_sku", "sku/1", 2),
        Reason("no_ship_via", "ship_via/Air", 4),
        Reason("unknown_sku", "sku/2", 1),
    )
    seen = replace(SEEN, overview=replace(OVERVIEW, blocked=skus))
    assert "blocked_why=unknown_sku:3,no_ship_via:4 " in line(seen)


def test_a_line_stays_one_line_whatever_a_system_says() -> None:
    wild = replace(SHOP, why='a "quoted"\nmessage')
    assert "\n" not in line(replace(SEEN, pulses=(wild,)))


class Alive:
    def pulses(self) -> Sequence[Pulse]:
        return [ERP]

    def notes(self) -> Sequence[str]:
        return ()

    def stopped(self) -> Sequence[str]:
        return []

    def unconfirmed(self) -> Sequence[Unconfirmed]:
        return [Unconfirmed("bluecherry.orders", "sales orders by po_num")]


@pytest.fixture
async def feed(tmp_path: Path) -> AsyncIterator[Feed]:
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as store:
        yield Feed(store.read, Alive(), {"health": "http://127.0.0.1:8080/health"}, lambda: NOW, NOW)


@pytest.mark.parametrize("redraw", [True, False])
async def test_addresses_come_first_and_then_the_bridge_at_work(feed: Feed, redraw: bool) -> None:
    screen = io.StringIO()
    view = LiveView(Console(file=screen, width=100, force_terminal=redraw), redraw=redraw)
    with anyio.move_on_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(view.run, feed)
            while "bluecherry" not in screen.getvalue():
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    text = screen.getvalue()
    assert text.index("http://127.0.0.1:8080/health") < text.index("bluecherry")


async def test_a_write_that_waits_for_its_operator_is_said_aloud(feed: Feed) -> None:
    seen = await look(feed)
    assert "Nothing is booked: bluecherry.orders is not confirmed for production" in drawn(seen)
    assert 'stopped="bluecherry.orders is not confirmed' in line(seen)


async def test_a_store_that_cannot_be_read_is_shown_not_raised(feed: Feed) -> None:
    screen = io.StringIO()

    class Gone:
        async def rows(self, sql: str, parameters: object = ()) -> list[sqlite3.Row]:
            raise TimeoutError("the disk hangs")

        async def row(self, sql: str, parameters: object = ()) -> sqlite3.Row | None:
            raise TimeoutError("the disk hangs")

    view = LiveView(Console(file=screen, width=100), redraw=False)
    with anyio.move_on_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(view.run, replace(feed, reads=Gone()))
            while "unreadable" not in screen.getvalue():
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    assert 'why="the disk hangs"' in screen.getvalue()


class FullDisk(io.StringIO):
    """Says no until there is room again."""

    def __init__(self) -> None:
        super().__init__()
        self.full = True

    def flush(self) -> None:
        if self.full:
            self.full = False
            raise OSError(28, "No space left on device")


class ClosedTerminal(io.StringIO):
    """A terminal that was closed."""

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


async def test_a_terminal_that_went_away_ends_its_view_and_nothing_else(feed: Feed) -> None:
    with anyio.fail_after(10):
        await LiveView(Console(file=ClosedTerminal(), force_terminal=True), redraw=True).run(feed)


async def test_a_line_that_cannot_be_written_is_lost_and_the_view_goes_on(feed: Feed) -> None:
    paper = FullDisk()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(LiveView(Console(file=paper, force_terminal=False), redraw=False).run, feed)
        with anyio.fail_after(10):
            while "came_in=" not in paper.getvalue():
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert not paper.full
