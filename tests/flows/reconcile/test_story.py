"""A whole run: two looks, with a reading of every list between; what is safe is put before its flow. Over a real store.

The shop and the ERP are some lines in memory; the flows whose work it is are the test's own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from bcbridge.connectors.base import Dispatches, Found, Head, Page, PostedPage, ShipmentFeed, ShipmentPage, Sink, Source
from bcbridge.connectors.base import Unproven as NotProven
from bcbridge.errors import Malformed, OpenCircuit, Retry
from bcbridge.flows.orders.desk import NO_LINKS, Desk
from bcbridge.flows.reconcile import story
from bcbridge.flows.reconcile.story import Outcomes, Reconciler, Run
from bcbridge.model.dispatch import DispatchView
from bcbridge.model.documents import Document
from bcbridge.model.ids import ConnectorName, Noun, Ref, Reference
from bcbridge.model.order import Address, Order
from bcbridge.model.reconcile import Ending, Kind
from bcbridge.model.sales_order import BookedOrder, SalesOrder
from bcbridge.model.shipment import Shipment
from bcbridge.store import dispatching, queue, reconciling
from bcbridge.store.db import Store
from bcbridge.store.reconciling import ReconcileMemory
from bcbridge.store.stamps import stamp
from tests.flows.at_hand import CREATED, DRESS, MAPPINGS, MASTERS, SETTINGS, SKIRT, SKUS, WIDTHS
from tests.flows.changes.two import PART, ROWS, cancelled, the_order
from tests.flows.reconcile.day import NUMBER, held, shipment, view

BEGIN = CREATED + timedelta(days=1)
SINCE = CREATED - timedelta(days=1)
REF = Ref("gid://shop/Order/5001")
STRANGE = Reference("SU9P1G1")
GONE_OUT = shipment("I1", (DRESS, 2), (SKIRT, 1))


@dataclass
class Outside:
    """Both sides. ``unlisted``: documents that only a search finds. ``baskets``: listed, and no orders."""

    at: datetime = BEGIN
    orders: dict[Ref, Order] = field(default_factory=lambda: {REF: the_order()})
    held: list[BookedOrder] = field(default_factory=lambda: [held()])
    unlisted: bool = False
    baskets: tuple[Ref, ...] = ()
    proven: bool = True
    shipments: list[Shipment] = field(default_factory=list)
    view: DispatchView = field(default_factory=view)
    nonsense: bool = False
    busy: int = 0

    async def sweep(self, created_from: datetime) -> AsyncIterator[Page]:
        yield Page(tuple(Head(ref, CREATED, CREATED) for ref in (*self.orders, *self.baskets)), (), "")

    async def fetch(self, refs: Sequence[Ref]) -> list[Document]:
        if self.busy:
            self.busy -= 1
            raise Retry("busy", after=timedelta(0))
        return [Document(Noun("orders"), ref, CREATED, self.at, b"") for ref in refs if ref in self.orders]

    def read(self, document: Document) -> Order:
        if self.nonsense:
            raise Malformed("not an order")
        return self.orders[document.ref].model_copy(update={"ref": document.ref})

    async def posted(self, since: str) -> AsyncIterator[PostedPage]:
        yield PostedPage(() if self.unlisted else tuple(self.held), "")

    async def find(self, references: Sequence[Reference]) -> Found | NotProven:
        hits = {ref: tuple(one for one in self.held if one.reference == ref) for ref in references}
        return Found(hits) if self.proven else NotProven("no control", hits)

    def differences(self, body: bytes, booked: BookedOrder) -> tuple[str, ...]:
        return ()

    def sent_to(self, body: bytes) -> str:
        return "here"

    def goes_to(self, address: Address) -> str:
        return "here"

    async def changed(self, since: str) -> AsyncIterator[ShipmentPage]:
        yield ShipmentPage(tuple(self.shipments), "")

    async def of(self, reference: Reference) -> tuple[Shipment, ...]:
        return tuple(one for one in self.shipments if one.reference == reference)

    async def look(self, ref: Ref) -> DispatchView:
        return self.view


async def nobody(scene: Scene) -> None:
    """Nothing happens while the lists are read."""


@dataclass
class Scene:
    """``meanwhile``: what comes while everything is read once more."""

    store: Store
    outside: Outside = field(default_factory=Outside)
    meanwhile: Callable[[Scene], Awaitable[None]] = nobody
    closed: str = ""
    rings: int = 0
    settled: int = 0

    async def run(self, *, heal: bool = True) -> Outcomes:
        run = await self.store.write(
            partial(reconciling.ask, channel="shop", since=SINCE, heal=heal, who="ann", now=self.outside.at)
        )
        await self.store.write(partial(reconciling.begin, channel="shop", now=self.outside.at))
        return await self.reconciler().once(Run(run, SINCE, heal))

    def reconciler(self) -> Reconciler:
        outside = self.outside
        return Reconciler(
            channel=ConnectorName("shop"),
            source=cast(Source[Order], outside),
            sink=cast(Sink[SalesOrder], outside),
            shipments=cast(ShipmentFeed, outside),
            dispatches=cast(Dispatches, outside),
            memory=ReconcileMemory(self.store, "shop", "erp", lambda: outside.at, self._ring),
            desk=self._desk,
            ours=lambda reference: reference.startswith(("SH", "SU")),
            settled=self._settled,
            closed=lambda: self.closed,
            flows={"orders", "changes", "dispatches"},
            young=timedelta(minutes=10),
            now=lambda: outside.at,
        )

    def _ring(self) -> None:
        self.rings += 1

    async def _desk(self, order: Order) -> Desk:
        return Desk("shop", SETTINGS, MAPPINGS, SKUS, WIDTHS, MASTERS, self.outside.at, NO_LINKS)

    async def _settled(self) -> bool:
        self.settled += 1
        await self.meanwhile(self)
        return True

    async def jobs(self) -> set[tuple[str, str]]:
        rows = await self.store.read.rows("SELECT flow, ref FROM jobs WHERE state = 'waiting'")
        return {(row["flow"], row["ref"]) for row in rows}

    async def edit(self, sql: str, *parameters: object) -> None:
        await self.store.write(lambda tx: tx.execute(sql, parameters))


def kinds(outcomes: Outcomes) -> list[tuple[Kind, Ending]]:
    return [(one.kind, one.ending) for one in outcomes.differences]


def book(tx: sqlite3.Connection) -> None:
    """The order as it is when it was booked and nothing has left."""
    order = the_order()
    at = stamp(BEGIN - timedelta(hours=12))
    tx.execute(
        "INSERT INTO orders (id, connector, ref, channel_id, name, state, since, first_seen, created_at, currency,"
        " total) VALUES (1, 'shop', ?, '5001', '#1001', 'booked', ?, ?, ?, 'USD', '200.00')",
        (REF, at, at, stamp(order.created)),
    )
    tx.execute(
        "INSERT INTO outbox (sink, order_id, part, parts, generation, reference, body, body_hash, state, written_at,"
        " number) VALUES ('erp.orders', 1, 1, 1, 1, ?, x'7b7d', '', 'posted', ?, ?)",
        (PART, at, NUMBER),
    )
    tx.executemany(
        "INSERT INTO booked_rows (reference, line_seq, order_id, line, upc, pieces) VALUES (?, ?, 1, ?, ?, ?)",
        [(row.reference, row.line_seq, row.line, row.upc, row.pieces) for row in ROWS],
    )


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with Store(tmp_path / "store.db").opened() as opened:
        await opened.write(book)
        yield Scene(opened)


async def test_a_clean_day_is_looked_at_once(scene: Scene) -> None:
    outcomes = await scene.run()
    assert (outcomes.differences, outcomes.tally.booked, scene.settled, scene.rings) == ((), 1, 0, 0)


async def test_what_is_gone_at_the_second_look_was_never_there(scene: Scene) -> None:
    scene.outside.held = []

    async def posted(scene: Scene) -> None:
        scene.outside.held = [held()]

    scene.meanwhile = posted
    assert kinds(await scene.run()) == []
    assert scene.settled == 1


async def test_what_work_began_about_meanwhile_is_not_compared(scene: Scene) -> None:
    scene.outside.held = []

    async def at_work(scene: Scene) -> None:
        wish = queue.Wish("orders", "shop", REF, due=scene.outside.at)
        await scene.store.write(lambda tx: queue.enqueue(tx, [wish], now=scene.outside.at))

    scene.meanwhile = at_work
    assert kinds(await scene.run()) == []


async def test_lists_that_are_not_read_prove_nothing(scene: Scene) -> None:
    scene.outside.held = []
    reconciler = scene.reconciler()

    async def never() -> bool:
        return False

    reconciler.settled = never
    with pytest.raises(Retry):
        await reconciler.once(Run(1, SINCE, heal=True))


async def test_what_the_list_leaves_out_is_asked_for(scene: Scene) -> None:
    scene.outside.unlisted = True
    assert kinds(await scene.run()) == []


async def test_absence_counts_only_where_the_search_is_proven(scene: Scene) -> None:
    scene.outside.held = []
    assert kinds(await scene.run()) == [(Kind.MISSING_IN_ERP, Ending.LEFT)]
    scene.outside.proven = False
    outcomes = await scene.run()
    assert kinds(outcomes) == []
    assert "search could not be trusted" in outcomes.tally.notes[0]


async def test_a_document_that_nobody_here_made(scene: Scene) -> None:
    scene.outside.held.append(held("0100009", reference=STRANGE))
    (one,) = (await scene.run()).differences
    assert (one.kind, one.subject) == (Kind.UNKNOWN_IN_ERP, STRANGE)


async def test_an_order_that_was_never_seen_is_pulled(scene: Scene) -> None:
    scene.outside.orders[Ref("o2")] = cancelled(the_order()).model_copy(update={"name": "#1002"})
    assert kinds(await scene.run(heal=False)) == [(Kind.NOT_SEEN, Ending.LEFT)]
    assert await scene.jobs() == set()
    ended = _at_once(scene, lambda: scene.edit(SEEN, "o2", stamp(BEGIN), stamp(BEGIN), stamp(CREATED)))
    assert kinds(await ended) == [(Kind.NOT_SEEN, Ending.HEALED)]
    assert scene.rings == 1


async def test_what_the_channel_lists_and_is_no_order_is_no_difference(scene: Scene) -> None:
    scene.outside.baskets = (Ref("b1"), Ref("b2"))
    outcomes = await scene.run()
    assert (kinds(outcomes), outcomes.tally.orders, scene.settled) == ([], 1, 0)


SEEN = (
    "INSERT INTO orders (connector, ref, name, state, since, first_seen, created_at)"
    " VALUES ('shop', ?, '#1002', 'never', ?, ?, ?)"
)


async def _at_once(scene: Scene, works: Callable[[], Awaitable[None]]) -> Outcomes:
    """A run whose jobs are done as soon as they are put before their flow."""
    reconciler = scene.reconciler()
    heal = reconciler.memory.heal

    async def healed(healing: Any) -> None:
        await heal(healing)
        await works()
        await scene.edit("UPDATE jobs SET state = 'done', ended_at = ? WHERE state = 'waiting'", stamp(BEGIN))

    class Worked(ReconcileMemory):
        async def heal(self, healing: Any) -> None:
            await healed(healing)

    outside = scene.outside
    reconciler.memory = Worked(scene.store, "shop", "erp", lambda: outside.at)
    run = await scene.store.write(
        partial(reconciling.ask, channel="shop", since=SINCE, heal=True, who="", now=outside.at)
    )
    return await reconciler.once(Run(run, SINCE, heal=True))


async def test_what_is_not_worked_off_in_time_is_being_healed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "WORKED_WITHIN", timedelta(0))
    scene.outside.orders[Ref("o2")] = the_order().model_copy(update={"name": "#1002"})
    assert kinds(await scene.run()) == [(Kind.NOT_SEEN, Ending.HEALING)]
    assert await scene.jobs() == {("orders", "o2")}


async def test_a_lost_shipment_is_kept_and_told(scene: Scene) -> None:
    left = {DRESS: (2, 0, 2, 2), SKIRT: (1, 0, 1, 1)}
    scene.outside.held, scene.outside.shipments = [held(lines=left)], [GONE_OUT]

    async def tell() -> None:
        scene.outside.view = view(dress=2, skirt=1)

    outcomes = await _at_once(scene, tell)
    expected = [(Kind.SHIPMENT_NOT_READ, Ending.HEALED), (Kind.DISPATCH_NOT_TOLD, Ending.HEALED)]
    assert kinds(outcomes) == expected
    rows = await scene.store.read.rows("SELECT number FROM shipments")
    assert [row["number"] for row in rows] == ["I1"]


async def test_a_shipment_that_changed_and_was_not_read_again(scene: Scene) -> None:
    before = GONE_OUT.model_copy(update={"tracks": ()})
    await scene.store.write(lambda tx: dispatching.keep(tx, "erp", [before], now=BEGIN))
    left = {DRESS: (2, 0, 2, 2), SKIRT: (1, 0, 1, 1)}
    scene.outside.held, scene.outside.shipments = [held(lines=left)], [GONE_OUT]
    scene.outside.view = view(dress=2, skirt=1)
    assert kinds(await scene.run(heal=False)) == [(Kind.SHIPMENT_NOT_READ, Ending.LEFT)]


async def test_what_the_erp_changed_unseen_is_put_before_the_flow_with_what_the_erp_holds(scene: Scene) -> None:
    scene.outside.held = [held(lines={DRESS: (2, 1, 0, 0), SKIRT: (1, 0, 0, 0)})]

    async def nothing() -> None: ...

    outcomes = await _at_once(scene, nothing)
    assert kinds(outcomes) == [(Kind.PIECES_DIFFER, Ending.LEFT)]
    (row,) = await scene.store.read.rows("SELECT body FROM held_orders")
    assert BookedOrder.model_validate_json(row["body"]) == scene.outside.held[0]
    jobs = await scene.store.read.rows("SELECT flow, ref FROM jobs")
    assert [tuple(row) for row in jobs] == [("changes", REF)]


async def test_an_order_that_would_be_booked_now(scene: Scene) -> None:
    await scene.edit("DELETE FROM booked_rows")
    await scene.edit("DELETE FROM outbox")
    await scene.edit("UPDATE orders SET state = 'never', code = 'test'")
    scene.outside.held = []
    assert (Kind.NOT_BOOKED, Ending.LEFT) in kinds(await scene.run(heal=False))


async def test_nothing_that_waits_for_the_erp_is_missed_while_it_takes_no_orders(scene: Scene) -> None:
    await scene.edit("DELETE FROM booked_rows")
    await scene.edit("DELETE FROM outbox")
    await scene.edit("UPDATE orders SET state = 'ready'")
    scene.outside.held, scene.closed = [], "not confirmed"
    assert kinds(await scene.run(heal=False)) == []


async def test_what_is_young_is_not_compared(scene: Scene) -> None:
    scene.outside.held = [held(posted_by=BEGIN - timedelta(minutes=1), tax=Decimal(1))]
    outcomes = await scene.run()
    assert (kinds(outcomes), outcomes.tally.under_way) == ([], 1)


async def test_what_cannot_be_read_is_said_and_not_compared(scene: Scene) -> None:
    scene.outside.nonsense = True
    outcomes = await scene.run()
    assert outcomes.tally.notes == ("#1001 cannot be read, and was not compared",)
    assert outcomes.tally.under_way == 1


async def test_a_busy_side_is_asked_again(scene: Scene) -> None:
    scene.outside.busy = story.TRIES - 1
    assert kinds(await scene.run()) == []
    scene.outside.busy = story.TRIES
    with pytest.raises(Retry):
        await scene.run()


async def test_an_order_under_the_id_of_another_is_not_compared(scene: Scene) -> None:
    other = the_order().model_copy(update={"created": CREATED + timedelta(hours=1), "total": Decimal(1)})
    scene.outside.orders[REF] = other
    outcomes = await scene.run()
    assert kinds(outcomes) == []
    assert "under the id" in outcomes.tally.notes[0]


async def test_an_open_circuit_ends_the_run(scene: Scene) -> None:
    async def closed(ref: Ref) -> DispatchView:
        raise OpenCircuit("it takes no calls")

    scene.outside.look = closed  # type: ignore[method-assign]
    with pytest.raises(OpenCircuit):
        await scene.run()
