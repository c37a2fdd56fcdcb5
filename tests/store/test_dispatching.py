"""What left and what was told, on disk: rows of documents, shipments, what is open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from bcbridge.model.answers import Accepted, Doubtful, NotSent, Rejected
from bcbridge.model.dispatch import DispatchReport
from bcbridge.model.ids import Ref
from bcbridge.model.outcome import Problem
from bcbridge.store import dispatching
from bcbridge.store.db import Store
from bcbridge.store.dispatching import DispatchMemory
from tests.flows.dispatches.test_owed import TEE, shipment
from tests.flows.dispatches.test_story import LINE, ORDER, book
from tests.stores import empty_store

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(empty_store(tmp_path / "store.db")).opened() as opened:
        await opened.write(book)
        yield opened


def memory(store: Store, at: datetime = AT) -> DispatchMemory:
    return DispatchMemory(store, "shop", lambda: at)


async def test_an_order_is_remembered_with_all_that_left(store: Store) -> None:
    shipments = [shipment("I2", (TEE, 1), tracks=["B"]), shipment("I1", (TEE, 2), tracks=["A"])]
    assert await store.write(lambda tx: dispatching.keep(tx, "erp", shipments, now=AT)) == [("shop", ORDER)]
    found = await memory(store).standing(ORDER)
    assert found is not None
    assert [one.number for one in found.shipments] == ["I1", "I2"]
    assert [(row.line, row.upc, row.pieces) for row in found.booked] == [(LINE, TEE, 4)]
    assert (dict(found.confirmed), found.doubt) == ({}, None)
    assert await memory(store).standing(Ref("another")) is None


async def test_a_shipment_is_news_when_it_says_something_else(store: Store) -> None:
    first, later = shipment("I1", (TEE, 1)), shipment("I1", (TEE, 1), tracks=["LATE"])
    news = [
        await store.write(partial(dispatching.keep, erp="erp", shipments=[one], now=AT))
        for one in (first, first, later)
    ]
    assert [bool(one) for one in news] == [True, False, True]
    kinds = [row["kind"] for row in await store.read.rows("SELECT kind FROM events ORDER BY seq")]
    assert kinds == ["shipped", "shipped"]


@pytest.mark.parametrize(
    ("answer", "state", "confirmed", "doubtful"),
    [
        (Accepted("f1"), "confirmed", {LINE: 2}, False),
        (Rejected(("a", "b")), "rejected", {}, False),
        (NotSent("busy"), "not_sent", {}, False),
        (Doubtful("lost"), "in_doubt", {}, True),
    ],
)
async def test_what_came_of_a_call_is_kept(
    store: Store,
    answer: Accepted | Rejected | NotSent | Doubtful,
    state: str,
    confirmed: dict[Ref, int],
    doubtful: bool,
) -> None:
    made = await memory(store).begin(1, "I1", b"{}", {LINE: 2})
    await memory(store).settle(made, answer)
    found = await memory(store).standing(ORDER)
    assert found is not None
    assert (dict(found.confirmed), found.doubt == AT) == (confirmed, doubtful)
    (row,) = await store.read.rows("SELECT state FROM dispatches")
    assert row["state"] == state


async def test_an_answer_is_kept_once(store: Store) -> None:
    made = await memory(store).begin(1, "I1", b"{}", {LINE: 1})
    await memory(store).settle(made, Accepted("f1"))
    await memory(store).settle(made, Doubtful("late"))
    (row,) = await store.read.rows("SELECT state, receipt FROM dispatches")
    assert tuple(row) == ("confirmed", "f1")


async def test_a_doubt_that_was_looked_for_is_none_any_more(store: Store) -> None:
    await memory(store).begin(1, "I1", b"{}", {LINE: 1})
    assert await store.write(lambda tx: dispatching.recover(tx, now=AT)) == 1
    await memory(store).looked(1)
    found = await memory(store).standing(ORDER)
    assert found is not None
    assert found.doubt is None


async def test_how_it_stands_is_dated_from_when_it_began(store: Store) -> None:
    later = AT + timedelta(hours=1)
    problem = Problem(code="no_tracking", subject="I1", text="none")
    for at, report in (
        (AT, DispatchReport(left=1, told=0, owed=1)),
        (later, DispatchReport(left=1, told=0, owed=1)),
        (later, DispatchReport(left=1, told=0, owed=1, problems=(problem,))),
    ):
        await memory(store, at).report(1, report)
    (row,) = await store.read.rows("SELECT since, checked_at, problems FROM dispatched")
    assert row["since"] == row["checked_at"]
    assert '"no_tracking"' in row["problems"]


async def test_what_left_and_was_not_told_is_open(store: Store) -> None:
    assert await store.write(partial(dispatching.open_orders, channels=["shop"])) == []
    await store.write(lambda tx: dispatching.keep(tx, "erp", [shipment("I1", (TEE, 1))], now=AT))
    assert await store.write(partial(dispatching.open_orders, channels=["shop"])) == [("shop", ORDER)]
    await memory(store).report(1, DispatchReport(left=1, told=1, owed=0))
    assert await store.write(partial(dispatching.open_orders, channels=["shop"])) == []
    await memory(store).report(1, DispatchReport(left=2, told=1, owed=1))
    assert await store.write(partial(dispatching.open_orders, channels=["shop"])) == [("shop", ORDER)]


async def test_orders_of_a_shop_that_is_not_told_take_nobodys_place(store: Store) -> None:
    await store.write(lambda tx: dispatching.keep(tx, "erp", [shipment("I1", (TEE, 1))], now=AT))
    assert await store.write(partial(dispatching.open_orders, channels=["another"])) == []


async def tracks_kept(store: Store) -> list[str]:
    rows = await store.read.rows(
        "SELECT tracks FROM dispatches WHERE tracks <> '[]' UNION ALL SELECT 'body' FROM dispatches WHERE body <> x''"
        " UNION ALL SELECT json_extract(body, '$.tracks') FROM shipments WHERE json_extract(body, '$.tracks') <> '[]'"
    )
    return [row[0] for row in rows]


async def told_once(store: Store) -> None:
    await store.write(lambda tx: dispatching.keep(tx, "erp", [shipment("I1", (TEE, 2), tracks=["1Z"])], now=AT))
    made = await memory(store).begin(1, "I1", b"{}", {LINE: 2}, ["1Z"])
    await memory(store).settle(made, Accepted("f1"))
    await memory(store).report(1, DispatchReport(left=2, told=2, owed=0))


async def test_numbers_of_parcels_go_in_time_and_what_was_told_stays(store: Store) -> None:
    await told_once(store)
    assert await store.write(lambda tx: dispatching.prune(tx, before=AT)) == 0
    assert await tracks_kept(store) != []
    assert await store.write(lambda tx: dispatching.prune(tx, before=AT + timedelta(days=1))) == 2
    assert await tracks_kept(store) == []
    standing = await memory(store).standing(ORDER)
    assert standing is not None
    assert (standing.confirmed, len(standing.shipments)) == ({LINE: 2}, 1)


async def test_numbers_of_what_is_still_owed_are_kept(store: Store) -> None:
    await told_once(store)
    await memory(store).report(1, DispatchReport(left=2, told=0, owed=2))
    await store.write(lambda tx: dispatching.prune(tx, before=AT + timedelta(days=1)))
    assert await tracks_kept(store) == ['["1Z"]']


async def test_numbers_of_an_order_that_was_erased_do_not_come_back(store: Store) -> None:
    await told_once(store)
    await store.write(lambda tx: dispatching.erase(tx, 1))
    await store.write(lambda tx: tx.execute("UPDATE orders SET erased_at = '2026-03-02T00:00:00.000000Z'"))
    await store.write(lambda tx: dispatching.keep(tx, "erp", [shipment("I1", (TEE, 2), tracks=["1Z"])], now=AT))
    assert await tracks_kept(store) == []
