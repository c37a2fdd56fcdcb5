"""What people are shown is what the store holds, at the same cost however much of it is finished."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from bcbridge.mappings import TABLES
from bcbridge.store import views
from bcbridge.store.db import Store
from bcbridge.store.stamps import stamp
from tests.stores import empty_store

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SHOP = "shopify_us"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as opened:
        yield opened


def ago(seconds: float) -> str:
    return stamp(NOW - timedelta(seconds=seconds))


def put_order(
    tx: sqlite3.Connection,
    number: int,
    state: str,
    *,
    connector: str = SHOP,
    seconds: float = 60,
    code: str = "",
    problems: Sequence[tuple[str, str]] = (),
    currency: str = "USD",
    total: str = "10.00",
) -> int:
    texts = [{"code": c, "subject": "line 1", "text": f"{c} it is", "cause": cause} for c, cause in problems]
    row = tx.execute(
        """
        INSERT INTO orders (connector, ref, channel_id, name, state, code, problems, since, first_seen, currency, total,
                            booked_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id
        """,
        (
            connector,
            f"gid://shopify/Order/{number}",
            str(number),
            f"#{number}",
            state,
            code or (problems[0][0] if problems else ""),
            orjson.dumps(texts).decode(),
            ago(seconds),
            ago(seconds),
            currency,
            total,
            ago(seconds) if state == "booked" else None,
        ),
    ).fetchone()
    tx.executemany(
        "INSERT OR IGNORE INTO order_causes VALUES (?, ?)", [(cause, row["id"]) for _, cause in problems if cause]
    )
    return int(row["id"])


def put_document(
    tx: sqlite3.Connection, order_id: int, reference: str, *, state: str = "posted", number: str = "", part: int = 1
) -> None:
    tx.execute(
        """
        INSERT INTO outbox (sink, order_id, part, parts, generation, reference, body, body_hash, state, written_at,
                            number, differences)
        VALUES ('bluecherry.orders', ?, ?, 1, 1, ?, ?, 'h', ?, ?, ?, '["freight 5.00, sent 6.00"]')
        """,
        (order_id, part, reference, b'{"name": "Jane Doe"}', state, ago(30), number),
    )


async def test_the_overview_counts_what_came_in_was_booked_and_is_blocked_and_why(store: Store) -> None:
    def fill(tx: sqlite3.Connection) -> None:
        for number in range(1, 4):
            put_order(tx, number, "booked", seconds=number)
        put_order(tx, 4, "blocked", problems=[("no_ship_via", "ship_via/Overnight"), ("unknown_sku", "sku/1")])
        put_order(tx, 5, "blocked", problems=[("no_ship_via", "ship_via/Overnight")])
        put_order(tx, 6, "not_yet", code="payment_pending")
        put_order(tx, 7, "accepted", seconds=100)
        put_order(tx, 8, "sending", seconds=5)

    await store.write(fill)
    seen = await views.overview(store.read, now=NOW, bookings=2)
    assert (seen.came_in, seen.booked, seen.states["blocked"], seen.waiting) == (8, 3, 2, 2)
    assert seen.blocked == (
        views.Reason("no_ship_via", "ship_via/Overnight", 2),
        views.Reason("unknown_sku", "sku/1", 1),
    )
    assert seen.not_yet == (views.Reason("payment_pending", "", 1),)
    assert seen.oldest_waiting == views.Oldest(SHOP, "#7", "accepted", NOW - timedelta(seconds=100))
    assert [booking.name for booking in seen.last_bookings] == ["#1", "#2"]


async def test_counts_follow_every_move_of_an_order(store: Store) -> None:
    def fill(tx: sqlite3.Connection) -> None:
        order = put_order(tx, 1, "ready")
        put_order(tx, 2, "ready")
        for state in ("sending", "sending", "accepted", "booked"):
            tx.execute("UPDATE orders SET state = ? WHERE id = ?", (state, order))

    await store.write(fill)
    counted = await views.counts(store.read)
    assert counted[SHOP, "ready"] == 1
    assert counted[SHOP, "booked"] == 1
    assert counted[SHOP, "sending"] == counted[SHOP, "accepted"] == 0


async def test_an_empty_store_shows_nothing_waiting(store: Store) -> None:
    seen = await views.overview(store.read, now=NOW)
    assert (seen.came_in, seen.waiting, seen.oldest_waiting, seen.blocked) == (0, 0, None, ())


@pytest.mark.parametrize(
    "text",
    ["#1001", "1001", "5001", "gid://shopify/Order/5001", "USS5001P1", "uss5001p1", "SO-77", "shopify_us:1001"],
)
async def test_an_order_is_found_by_whatever_a_person_has_in_hand(store: Store, text: str) -> None:
    def fill(tx: sqlite3.Connection) -> None:
        order = put_order(tx, 5001, "booked")
        tx.execute("UPDATE orders SET name = '#1001' WHERE id = ?", (order,))
        put_document(tx, order, "USS5001P1", number="SO-77")
        put_order(tx, 5002, "ready")

    await store.write(fill)
    assert [one.name for one in await views.find_order(store.read, text)] == ["#1001"]


async def test_a_name_that_two_shops_use_finds_both(store: Store) -> None:
    def fill(tx: sqlite3.Connection) -> None:
        put_order(tx, 1001, "ready")
        put_order(tx, 1001, "ready", connector="shopify_eu")

    await store.write(fill)
    assert {one.connector for one in await views.find_order(store.read, "1001")} == {"shopify_us", "shopify_eu"}
    assert [one.connector for one in await views.find_order(store.read, "shopify_eu:#1001")] == ["shopify_eu"]


@pytest.mark.parametrize("text", ["", "#", "  ", "9999", "shopify_us:", "'; DROP TABLE orders"])
async def test_what_is_no_order_finds_nothing(store: Store, text: str) -> None:
    await store.write(lambda tx: put_order(tx, 1, "ready"))
    assert await views.find_order(store.read, text) == ()


async def test_the_story_tells_both_systems_without_personal_data(store: Store) -> None:
    def fill(tx: sqlite3.Connection) -> int:
        order = put_order(tx, 7, "booked")
        put_document(tx, order, "USS7P1", number="SO-7")
        tx.execute(
            "INSERT INTO events VALUES (?, 1, ?, 'came_in', '{}'), (?, 2, ?, 'booked', '{\"number\": \"SO-7\"}')",
            (order, ago(60), order, ago(1)),
        )
        tx.execute(
            "INSERT INTO links VALUES (?, 'orders', 'gid://shopify/Order/7', 'bluecherry', 'orders', 'SO-7', ?)",
            (SHOP, ago(1)),
        )
        return order

    order = await store.write(fill)
    story = await views.story(store.read, order)
    assert story is not None
    assert [event.kind for event in story.events] == ["came_in", "booked"]
    assert [link.other_ref for link in story.links] == ["SO-7"]
    assert story.parts[0].differences == ("freight 5.00, sent 6.00",)
    assert "Jane" not in repr(story)


async def test_the_story_of_nobody_is_none(store: Store) -> None:
    assert await views.story(store.read, 42) is None


async def test_exceptions_are_grouped_by_cause_with_age_and_value_per_currency(store: Store) -> None:
    def fill(tx: sqlite3.Connection) -> None:
        put_order(tx, 1, "blocked", seconds=50, problems=[("no_ship_via", "ship_via/Air")], total="0.10")
        put_order(tx, 2, "blocked", seconds=900, problems=[("no_ship_via", "ship_via/Air")], total="0.20")
        put_order(
            tx,
            3,
            "blocked",
            seconds=10,
            problems=[("no_ship_via", "ship_via/Air"), ("unknown_sku", "sku/9"), ("unknown_sku", "sku/9")],
            currency="EUR",
            total="5.00",
        )

    await store.write(fill)
    air, sku = await views.exceptions(store.read)
    assert (air.cause, air.orders, air.names) == ("ship_via/Air", 3, ("#2", "#1", "#3"))
    assert air.value == {"USD": Decimal("0.30"), "EUR": Decimal("5.00")}
    assert air.oldest_since == NOW - timedelta(seconds=900)
    assert (sku.cause, sku.orders, sku.value) == ("sku/9", 1, {"EUR": Decimal("5.00")})


async def test_a_blocked_order_without_a_listed_problem_is_still_an_exception(store: Store) -> None:
    await store.write(lambda tx: put_order(tx, 1, "blocked", code="malformed"))
    (group,) = await views.exceptions(store.read)
    assert (group.code, group.orders) == ("malformed", 1)


async def test_exceptions_of_one_channel_leave_the_others_out(store: Store) -> None:
    def fill(tx: sqlite3.Connection) -> None:
        put_order(tx, 1, "blocked", problems=[("unknown_sku", "sku/1")])
        put_order(tx, 2, "blocked", problems=[("unknown_sku", "sku/1")], connector="shopify_eu")

    await store.write(fill)
    (group,) = await views.exceptions(store.read, channel="shopify_eu")
    assert group.names == ("#2",)


async def test_a_cause_of_several_channels_says_whose_each_order_is(store: Store) -> None:
    """Names are alike in all shops, and a row of mappings is one shop's."""

    def fill(tx: sqlite3.Connection) -> None:
        put_order(tx, 1, "blocked", problems=[("no_warehouse", "warehouses/(none)")])
        put_order(tx, 2, "blocked", problems=[("no_warehouse", "warehouses/(none)")], connector="shopify_eu")

    await store.write(fill)
    (group,) = await views.exceptions(store.read)
    assert set(group.channels) == {"shopify_us", "shopify_eu"}
    assert set(group.names) == {"shopify_us:#1", "shopify_eu:#2"}


async def test_names_of_a_big_group_are_capped_but_all_are_counted(store: Store) -> None:
    def fill(tx: sqlite3.Connection) -> None:
        for number in range(60):
            put_order(tx, number, "blocked", problems=[("unknown_sku", "sku/1")])

    await store.write(fill)
    (group,) = await views.exceptions(store.read)
    assert (group.orders, len(group.names)) == (60, views.NAMES_SHOWN)
    (whole,) = await views.exceptions(store.read, names=None)
    assert set(whole.names) == {f"#{number}" for number in range(60)}


async def test_unmapped_values_are_counted_by_table_and_value(store: Store) -> None:
    def fill(tx: sqlite3.Connection) -> None:
        put_order(tx, 1, "blocked", problems=[("no_ship_via", "ship_via/Over/night"), ("unknown_sku", "sku/1")])
        put_order(tx, 2, "blocked", problems=[("no_ship_via", "ship_via/Over/night"), ("no_terms", "terms/paypal")])
        booked = put_order(tx, 3, "blocked", problems=[("no_terms", "terms/paypal")])
        tx.execute("UPDATE orders SET state = 'booked' WHERE id = ?", (booked,))

    await store.write(fill)
    found = await views.unmapped(store.read, TABLES)
    assert [(one.table, one.key, one.channel, one.orders) for one in found] == [
        ("ship_via", "Over/night", "shopify_us", 2),
        ("terms", "paypal", "shopify_us", 1),
    ]


def put_job(tx: sqlite3.Connection, ref: str, state: str, *, due: float = 10, flow: str = "orders") -> None:
    tx.execute(
        """
        INSERT INTO jobs (flow, connector, ref, ordering_key, priority, state, enqueued_at, due_at)
        VALUES (?, ?, ?, ?, 0, ?, ?, ?)
        """,
        (flow, SHOP, ref, ref, state, ago(due + 5), ago(due)),
    )


async def test_jobs_show_what_waits_runs_and_was_given_up(store: Store) -> None:
    def fill(tx: sqlite3.Connection) -> None:
        put_job(tx, "a", "waiting", due=30)
        put_job(tx, "b", "waiting", due=-60)
        put_job(tx, "c", "running")
        put_job(tx, "d", "dead")
        put_job(tx, "e", "done")

    await store.write(fill)
    found = await views.jobs(store.read, now=NOW)
    assert {(count.state, count.jobs, count.due) for count in found.counts} == {
        ("waiting", 2, 1),
        ("running", 1, 0),
        ("dead", 1, 0),
    }
    assert [job.ref for job in found.jobs] == ["d", "c", "a", "b"]


async def test_readiness_tells_how_long_the_oldest_has_been_due(store: Store) -> None:
    def fill(tx: sqlite3.Connection) -> None:
        put_job(tx, "a", "waiting", due=30)
        put_job(tx, "b", "waiting", due=-60)
        tx.execute("INSERT INTO cursors VALUES (?, 'orders', 'updated', '{}', ?)", (SHOP, ago(12)))

    await store.write(fill)
    marks = await views.readiness(store.read, now=NOW)
    assert marks.flows == (views.FlowMark("orders", SHOP, 2, NOW - timedelta(seconds=30)),)
    assert marks.lists == (views.ListMark(SHOP, "orders", "updated", NOW - timedelta(seconds=12)),)


async def test_open_incidents_name_their_order(store: Store) -> None:
    def fill(tx: sqlite3.Connection) -> None:
        order = put_order(tx, 5, "booked")
        for fingerprint, closed in (("one", None), ("two", ago(1))):
            tx.execute(
                """
                INSERT INTO incidents (fingerprint, code, connector, text, order_id, opened_at, last_at, closed_at)
                VALUES (?, 'booked_differs', 'bluecherry', 'freight', ?, ?, ?, ?)
                """,
                (fingerprint, order, ago(9), ago(3), closed),
            )

    await store.write(fill)
    (incident,) = await views.incidents(store.read)
    assert (incident.order, incident.code, incident.closed_at) == ("#5", "booked_differs", None)


FINISHED = ("orders", "jobs", "outbox", "events", "incidents")
"""Tables that grow for ever."""


async def test_no_view_reads_through_what_is_finished(store: Store) -> None:
    """Asked of SQLite itself: every statement finds its rows by an index that holds open ones, or by a key."""
    statements: list[tuple[str, object]] = []

    class Watched:
        async def rows(self, sql: str, parameters: Sequence[object] | dict[str, object] = ()) -> list[sqlite3.Row]:
            statements.append((sql, parameters))
            return await store.read.rows(sql, parameters)

        async def row(self, sql: str, parameters: Sequence[object] | dict[str, object] = ()) -> sqlite3.Row | None:
            statements.append((sql, parameters))
            return await store.read.row(sql, parameters)

    order = await store.write(lambda tx: put_order(tx, 1, "blocked", problems=[("unknown_sku", "sku/1")]))
    watched = Watched()
    await views.overview(watched, now=NOW)
    await views.find_order(watched, "1")
    await views.story(watched, order)
    await views.exceptions(watched)
    await views.jobs(watched, now=NOW)
    await views.incidents(watched)
    await views.readiness(watched, now=NOW)
    await views.unmapped(watched, TABLES)
    scans = [scan for sql, parameters in statements for scan in await whole_scans(store, sql, parameters)]
    assert scans == []


async def whole_scans(store: Store, sql: str, parameters: object) -> list[str]:
    plan = await store.read.rows(f"EXPLAIN QUERY PLAN {sql}", parameters)  # type: ignore[arg-type]
    details = [str(row["detail"]) for row in plan]
    names = {"orders": ("orders", "o"), "incidents": ("incidents", "i")}
    bare = {f"SCAN {name}" for table in FINISHED for name in names.get(table, (table,))}
    return [f"{detail} in {sql}" for detail in details if detail in bare]
