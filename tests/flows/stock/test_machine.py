"""The invariants of the rule over random histories: three kinds of shops, an ERP with exports, real flow and store.

A machine plays shoppers, the ERP, its exports, wholesale, lists that lag, lost answers and kills against demand,
computing and publishing as they are, and knows the truth beside them:

1. per order and SKU: what counts, and what the figure held contains, is at least what was asked as last seen
2. a shop shows no more than is free, but for what section 5 of the rule names, each measured here
3. when all has come to rest, each shop shows exactly what is free, and only what was not sent counts
4. one shop alone that compares, or reserves, oversells nothing
5. with ``split``, all shops together show no more than is free, and oversell nothing

A longer run: ``STOCK_EXAMPLES=2000 pytest --timeout 0 tests/flows/stock/test_machine.py``.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bcbridge.connectors.base import Doubtful, NotSent
from bcbridge.errors import Retry
from bcbridge.flows.stock.publish import Publisher
from bcbridge.model.ids import Ref, Reference, Upc
from bcbridge.model.sales_order import BookedLine, BookedOrder
from bcbridge.model.stock import NumberRule, Outlet, StockWrite, Written
from bcbridge.store.db import Store
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import compute, demand, rules
from bcbridge.store.stock.shelf import ShelfMemory
from tests.flows.stock.scene import ERP, START, WAREHOUSE, Bridge, Channel
from tests.flows.stock.shelves import SETTLES, Blind, Clock, Comparing, Killed, Reserving, Shop, Slow, Sold
from tests.stores import empty_store

T = TypeVar("T")
EXAMPLES = int(os.environ.get("STOCK_EXAMPLES", "25"))
STEPS = 40
SKUS = ("A",)
IN_FORCE = SETTLES - timedelta(seconds=1)
skus = st.sampled_from(SKUS)
chance = st.integers(0, 10**6)
windows = st.sampled_from(["", "meanwhile", "afterwards"])


# -- the ERP -----------------------------------------------------------------------------------------------------


@dataclass
class Document:
    """One order of ours over there."""

    reference: str
    channel: str
    order: Sold
    pieces: dict[str, int]
    state: str = "queued"
    booked: dict[str, int] = field(default_factory=dict)
    booked_at: datetime | None = None
    told: bool = False


@dataclass(frozen=True)
class Publication:
    """An export: what stood in the ledger when its build began, and which orders that contained."""

    at: datetime
    ots: dict[str, int]
    contains: Counter[tuple[str, str]]
    others: dict[str, int]


@dataclass
class Ledger:
    """What is open to sell over there, in truth."""

    clock: Clock
    ots: dict[str, int]
    others: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SKUS, 0))
    documents: list[Document] = field(default_factory=list)
    published: list[Publication] = field(default_factory=list)

    def booked(self, order: Sold, sku: str) -> int:
        return sum(one.booked.get(sku, 0) for one in self.documents if one.order is order)

    def publish(self) -> None:
        contains = Counter[tuple[str, str]]()
        for one in self.documents:
            for sku, pieces in one.booked.items():
                contains[one.order.ref, sku] += pieces
        self.published.append(Publication(self.clock(), dict(self.ots), contains, dict(self.others)))

    def book(self, document: Document, short: int) -> None:
        """It enters the ledger, or all of it but ``short`` pieces."""
        self.clock.tick(0.3)
        document.state, document.booked_at, document.told = "booked", self.clock(), False
        for sku, pieces in document.pieces.items():
            more = max(0, pieces - short) - document.booked.get(sku, 0)
            document.booked[sku] = document.booked.get(sku, 0) + more
            self.ots[sku] -= more


def as_read(document: Document) -> BookedOrder:
    lines = tuple(
        BookedLine(upc=Upc(sku), quantity=pieces, price=Decimal(1), warehouse=WAREHOUSE)
        for sku, pieces in document.booked.items()
        if pieces
    )
    return BookedOrder(
        number=document.reference,
        key="1",
        reference=Reference(document.reference),
        name="",
        customer="",
        division="",
        warehouse=WAREHOUSE,
        status="O",
        currency="USD",
        lines=lines,
        tax=None,
        freight=None,
        allowances=None,
        charges=None,
        stamp="",
        posted_by=whole_second(document.booked_at),
    )


def whole_second(at: datetime | None) -> datetime | None:
    """As the ERP writes it."""
    return None if at is None else at.replace(microsecond=0)


# -- what a shop's number rests on -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Basis:
    """What was known when the number in force was composed: pieces of each order as last ``seen``, and as they
    ``count`` or are contained in the figure; what others had taken before that figure; ``short``: by how many pieces
    more was asked than there was.

    ``overwritten``: pieces of its own shop's orders that a blind write put back, because nobody had seen them when it
    was composed. ``late``: it landed after its call had been given up; the bridge knows nothing of it.
    """

    seen: dict[str, int]
    counts: Counter[str]
    others: int
    short: int
    overwritten: int = 0
    late: bool = False


_SEEN = "SELECT channel, order_ref, sku, sum(wanted) AS wanted, sum(taken) AS taken FROM stock_asked GROUP BY 1, 2, 3"
_COUNTED = """
SELECT d.channel, d.order_ref, d.sku, sum(d.qty) AS qty FROM stock_demand d LEFT JOIN stock_figures f USING (sku)
WHERE d.settled = 0 AND d.state <> 'void' AND (d.state <> 'posted' OR d.posted_by >= coalesce(f.as_of, ''))
GROUP BY 1, 2, 3
"""
_POSTED_COUNTS = """
SELECT order_ref, sku, posted_by FROM stock_demand d JOIN stock_figures f USING (sku)
WHERE d.state = 'posted' AND d.posted_by >= f.as_of
"""
_KNOWN = """
SELECT sku, sum(qty) AS qty FROM stock_demand
WHERE channel = ? AND order_ref = ? AND state = 'known' GROUP BY sku
"""
_ROWS = "SELECT sku, channel, explained, target, due, dirty, writing, state FROM stock_shown"
_FIGURE = """
INSERT INTO stock_figures (sku, erp, warehouse, ots, qoh_minus_pick, ots_wip, lots, as_of, evidence, read_at)
VALUES (:sku, :erp, :warehouse, :qty, :qty, :qty, '{}', :as_of, 'export_start', :as_of)
ON CONFLICT (sku, erp, warehouse) DO UPDATE SET ots = :qty, qoh_minus_pick = :qty, ots_wip = :qty, as_of = :as_of
WHERE excluded.as_of > as_of
"""
_PULLED = "INSERT OR REPLACE INTO stock_feeds (erp, pull_began, pull_ended) VALUES (?, ?, ?)"


class Trade(RuleBasedStateMachine):
    """Three shops of one warehouse: one compares, one is blind, one is blind and slow."""

    kinds: tuple[type[Shop], ...] = (Comparing, Blind, Slow)
    split = False
    others_take = True
    orders_shrink = True

    @initialize(pieces=st.integers(1, 9))
    def open(self, pieces: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bcbridge-machine-"))
        empty_store(self.folder / "bcbridge.db")
        self.runner = asyncio.Runner()
        self.clock = Clock(START)
        self.ledger = Ledger(self.clock, dict.fromkeys(SKUS, pieces))
        self.keys, self.references = count(1), count(1)
        self.held: dict[str, Publication] = {}
        self.basis: dict[tuple[str, str], Basis] = {}
        self.composed: dict[str, dict[str, Basis]] = {}
        self.landing = False
        self.publishers: dict[str, Publisher] = {}
        self.sold_over = 0
        self.do(self._start())

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def _start(self) -> None:
        self.store = Store(self.folder / "bcbridge.db")
        await self.store.open()
        self.bridge = Bridge(self.store, self.clock)
        shops = [kind(f"shop{at}", self.clock, dict.fromkeys(SKUS, 0)) for at, kind in enumerate(self.kinds)]
        outlets = [
            Outlet(
                shop.name,
                Ref("L1"),
                ERP,
                (WAREHOUSE,),
                shelf=shop.rules,
                hides_inactive=False,
                rule=NumberRule(split=self.split),
            )
            for shop in shops
        ]
        await self.store.write(lambda tx: rules.keep_outlets(tx, outlets))
        for shop in shops:
            self._watch(shop)
            memory = ShelfMemory(self.store, shop.name, self.clock, lambda: f"key-{next(self.keys)}")
            self.bridge.channels[shop.name] = Channel(self.bridge, shop, memory)
        self.ledger.publish()
        await self._pull(0)
        for channel in self.bridge.channels.values():
            await channel.compare()
            await channel.publish()
            if isinstance(channel.shop, Slow):
                channel.shop.settle()
        self.clock.tick(30)
        await self._snapshot()

    def _watch(self, shop: Shop) -> None:
        """The truth keeps what each number in force rests on, and what it was written over."""
        call = shop.write

        async def write(told: StockWrite) -> Written | Doubtful | NotSent:
            if told.key not in self.composed:
                self.composed[told.key] = {sku: await self._known(sku) for sku in SKUS}
            return await call(told)

        def in_force(key: str, sku: str) -> None:
            basis = self.composed[key][sku]
            blind = not (shop.rules.compares or shop.rules.reserves)
            news = [one.wanted.get(sku, 0) - basis.seen.get(one.ref, 0) for one in shop.orders.values()]
            over = sum(max(0, pieces) for pieces in news) if blind else 0
            self.basis[shop.name, sku] = replace(basis, overwritten=over, late=self.landing)

        shop.write = write  # type: ignore[method-assign,assignment]
        shop.in_force = in_force

    async def _known(self, sku: str) -> Basis:
        seen = {ref: pieces for (_, ref, of), pieces in (await self._seen()).items() if of == sku}
        counts = Counter({row["order_ref"]: row["qty"] for row in await self._counted() if row["sku"] == sku})
        held = self.held[sku]
        contained = Counter({ref: pieces for (ref, of), pieces in held.contains.items() if of == sku})
        short = max(0, counts.total() - held.ots[sku])
        return Basis(seen, counts + contained, held.others[sku], short)

    async def _counted(self) -> list[sqlite3.Row]:
        return await self.store.read.rows(_COUNTED)

    @property
    def channels(self) -> list[Channel]:
        return list(self.bridge.channels.values())

    def one(self, draw: int) -> Channel:
        return self.channels[draw % len(self.channels)]

    def an_order(self, draw: int) -> tuple[Channel, Sold] | None:
        every = [(channel, order) for channel in self.channels for order in channel.shop.orders.values()]
        return every[draw % len(every)] if every else None

    # -- shoppers --------------------------------------------------------------------------------------------------

    @rule(of=chance, sku=skus, pieces=st.integers(1, 3))
    def sell(self, of: int, sku: str, pieces: int) -> None:
        self._sell(self.one(of).shop, sku, pieces)
        self._moment()

    def _sell(self, shop: Shop, sku: str, pieces: int) -> None:
        free = self.free(sku)
        if shop.sell(sku, pieces) is not None:
            self.sold_over = max(self.sold_over, pieces - max(0, free))

    @rule(of=chance, sku=skus, pieces=st.integers(0, 4))
    def edit(self, of: int, sku: str, pieces: int) -> None:
        found = self.an_order(of)
        if found is None or found[1].cancelled:
            return
        channel, order = found
        before = order.wanted.get(sku, 0)
        if pieces > before and channel.shop.salable(sku) < pieces - before:
            return
        if pieces < before and not self.orders_shrink:
            return
        self.sold_over = max(self.sold_over, pieces - before - max(0, self.free(sku)))
        channel.shop.edit(order, sku, pieces)
        self._moment()

    @precondition(lambda self: self.orders_shrink)
    @rule(of=chance)
    def cancel(self, of: int) -> None:
        found = self.an_order(of)
        if found is not None and not found[1].cancelled:
            found[0].shop.cancel(found[1])
            self._moment()

    @precondition(lambda self: not self.split)
    @rule(of=chance)
    def lag(self, of: int) -> None:
        """A list does not show an order for a while, or shows it at last."""
        found = self.an_order(of)
        if found is not None:
            self._surface(found[0], found[1], hide=found[1].ref not in found[0].shop.lagging)

    def _surface(self, channel: Channel, order: Sold, *, hide: bool) -> None:
        if hide:
            channel.shop.lagging.add(order.ref)
        else:
            channel.shop.lagging.discard(order.ref)
            order.modified = self.clock.tick(0.1)

    # -- what we see and send --------------------------------------------------------------------------------------

    @rule(of=chance)
    def poll(self, of: int) -> None:
        self.do(self.one(of).catch_up())
        self._moment()

    @rule(of=chance)
    def notified(self, of: int) -> None:
        found = self.an_order(of)
        if found is not None:
            self.do(found[0].look(found[1]))
            self._moment()

    @rule(of=chance)
    def send(self, of: int) -> None:
        found = self.an_order(of)
        if found is not None:
            self.do(self._send(*found))
            self._moment()

    async def _send(self, channel: Channel, order: Sold) -> None:
        def unit(tx: sqlite3.Connection) -> dict[str, int]:
            pieces = {row["sku"]: row["qty"] for row in tx.execute(_KNOWN, (channel.shop.name, order.ref))}
            if pieces:
                asked = {(sku, WAREHOUSE): qty for sku, qty in pieces.items()}
                demand.sent(tx, channel.shop.name, order.ref, asked, reference, now=self.clock())
            return pieces

        reference = f"REF{next(self.references)}"
        if pieces := await self.store.write(unit):
            self.ledger.documents.append(Document(reference, channel.shop.name, order, pieces))

    @rule(of=chance, short=st.sampled_from([0, 0, 1]), refused=st.sampled_from([False, False, False, True]))
    def decide(self, of: int, short: int, refused: bool) -> None:
        """The ERP books a document, in part or whole, or refuses it."""
        queued = [one for one in self.ledger.documents if one.state == "queued"]
        if not queued:
            return
        document = queued[of % len(queued)]
        if refused:
            document.state = "refused"
        else:
            self.ledger.book(document, short)
        self._moment()

    @rule()
    def read_back(self) -> None:
        for document in self.ledger.documents:
            if document.state != "queued" and not document.told:
                document.told = True
                self.do(self._read_back(document))
        self._moment()

    async def _read_back(self, document: Document) -> None:
        def unit(tx: sqlite3.Connection) -> None:
            now = self.clock()
            if document.state == "refused":
                demand.unsent(tx, document.reference, now=now)
            else:
                touched = demand.posted(tx, document.reference, as_read(document), arrived=now, now=now)
                compute.mark(tx, touched, now=now)

        self.clock.tick(0.2)
        await self.store.write(unit)

    # -- the ERP's figures -----------------------------------------------------------------------------------------

    @rule(sku=skus, pieces=st.integers(-4, 4))
    def others_move(self, sku: str, pieces: int) -> None:
        """Wholesale takes, a receipt or a return brings."""
        if pieces < 0 and not self.others_take:
            return
        self.clock.tick(0.3)
        self.ledger.ots[sku] += pieces
        self.ledger.others[sku] += max(0, -pieces)
        self._moment()

    @rule(fresh=st.booleans(), back=st.sampled_from([0, 0, 1, 2]))
    def pull(self, fresh: bool, back: int) -> None:
        """Rows of the latest publication, or from a replica that lags."""
        if fresh:
            self.clock.tick(0.3)
            self.ledger.publish()
            self.clock.tick(1)
        self.do(self._pull(back))
        self._moment()

    async def _pull(self, back: int) -> None:
        page = self.ledger.published[-1 - min(back, len(self.ledger.published) - 1)]
        as_of = whole_second(page.at)
        assert as_of is not None
        self.clock.tick(0.3)

        def unit(tx: sqlite3.Connection) -> None:
            now = stamp(self.clock())
            tx.execute(_PULLED, (ERP, now, now))
            for sku in SKUS:
                given = {"sku": sku, "erp": ERP, "warehouse": WAREHOUSE, "qty": page.ots[sku], "as_of": stamp(as_of)}
                if tx.execute(_FIGURE, given).rowcount:
                    self.held[sku] = page
            compute.mark(tx, SKUS, now=self.clock())

        await self.store.write(unit)

    # -- telling -----------------------------------------------------------------------------------------------------

    @rule(
        of=chance,
        lose=st.sampled_from(["", "", "", "", "before", "after", "late"]),
        refuse=st.sampled_from([False, False, False, True]),
        window=windows,
        happens=st.sampled_from(["sale", "look", "edit", "kill", "poll"]),
        who=chance,
    )
    def tell(self, of: int, lose: str, refuse: bool, window: str, happens: str, who: int) -> None:
        channel = self.one(of)
        shop = channel.shop
        shop.lose, shop.refuse = lose, "too many requests" if refuse else ""
        if window:
            setattr(shop, window, self._event(happens, channel, who))
        try:
            self.do(self._publisher(channel).once())
        except Retry:
            pass
        except BaseException as fault:
            if not _killed(fault):
                raise
            self.publishers.pop(shop.name)
        shop.lose, shop.refuse = "", ""
        shop.meanwhile = shop.afterwards = lambda: None
        self._moment()

    @rule(of=chance, at=chance, happens=st.sampled_from(["sale", "edit", "look"]), window=windows, who=chance)
    def race(self, of: int, at: int, happens: str, window: str, who: int) -> None:
        """A piece is sold in one shop and seen; something happens in another in the moment it is told of it."""
        seller = self.one(of)
        self._sell(seller.shop, SKUS[0], 1)
        self.do(seller.catch_up())
        self.tell(at, "", False, window, happens, who)
        self.clock.tick(5)
        self.do(self.one(at).catch_up())
        self._moment()

    def _publisher(self, channel: Channel) -> Publisher:
        return self.publishers.setdefault(channel.shop.name, channel.publisher)

    def _event(self, happens: str, channel: Channel, who: int) -> Callable[[], object]:
        sku = SKUS[who % len(SKUS)]
        orders = list(channel.shop.orders.values())
        order = orders[who % len(orders)] if orders else None
        if happens == "kill":
            return _kill
        if happens == "sale":
            return lambda: self._sell(channel.shop, sku, 1)
        if happens == "poll":
            return channel.catch_up
        if order is None or order.cancelled:
            return lambda: None
        if happens == "edit":
            return lambda: self._edit_up(channel.shop, order, sku)
        return lambda: channel.look(order)

    def _edit_up(self, shop: Shop, order: Sold, sku: str) -> None:
        if shop.salable(sku) > 0:
            self.sold_over = max(self.sold_over, 1 - max(0, self.free(sku)))
            shop.edit(order, sku, order.wanted.get(sku, 0) + 1)

    @rule(of=chance)
    def arrive(self, of: int) -> None:
        """What was accepted comes into force; a call that was given up takes effect after all."""
        shop = self.one(of).shop
        if isinstance(shop, Slow):
            shop.settle()
        self._land(shop)
        self._moment()

    def _land(self, shop: Shop) -> None:
        """A slow one's number is in force at once, this time."""
        self.landing = True
        shop.land()
        if isinstance(shop, Slow):
            shop.settle()
        self.landing = False

    @rule(of=chance)
    def compare(self, of: int) -> None:
        channel = self.one(of)
        if not channel.shop.lagging:
            self.do(channel.compare())
            self._moment()

    @rule(seconds=st.sampled_from([1, 3, 7, 30, 400]))
    def wait(self, seconds: int) -> None:
        if seconds > 60:
            for channel in self.channels:
                self._land(channel.shop)
        self.clock.tick(seconds)
        self._moment()

    # -- the truth ---------------------------------------------------------------------------------------------------

    def free(self, sku: str) -> int:
        """F: what is open to sell over there, less what was sold and is not there yet."""
        asked = 0
        for channel in self.channels:
            for order in channel.shop.orders.values():
                asked += max(0, order.wanted.get(sku, 0) - self.ledger.booked(order, sku))
        return self.ledger.ots[sku] - asked

    def _moment(self) -> None:
        """After each step: what must be in force by now is, and what is known is noted."""
        self.clock.tick(0.3)
        for channel in self.channels:
            if isinstance(channel.shop, Slow):
                channel.shop.settle(older_than=IN_FORCE)
        self.do(self._snapshot())

    async def _snapshot(self) -> None:
        """A number that calls for no write rests on all that is known now."""
        for row in await self.store.read.rows(_ROWS):
            held = self.basis.get((row["channel"], row["sku"]))
            if _calls_for_no_write(row) and not (held and held.late):
                over = held.overwritten if held else 0
                self.basis[row["channel"], row["sku"]] = replace(await self._known(row["sku"]), overwritten=over)

    async def _seen(self) -> dict[tuple[str, str, str], int]:
        rows = await self.store.read.rows(_SEEN)
        return {(row["channel"], row["order_ref"], row["sku"]): row["wanted"] for row in rows}

    @invariant()
    def every_promise_holds(self) -> None:
        if not hasattr(self, "store"):
            return
        self.do(self._asked_counts())
        for sku in SKUS:
            self._shows_what_is_free(sku)
        if self.split or len(self.channels) == 1:
            assert self.sold_over == 0, "sold more than was free"

    async def _asked_counts(self) -> None:
        """What was asked counts until the figure contains it."""
        counted = {(row["channel"], row["order_ref"], row["sku"]): row["qty"] for row in await self._counted()}
        for (channel, ref, sku), wanted in (await self._seen()).items():
            if wanted:
                contained = self.held[sku].contains[ref, sku]
                assert counted.get((channel, ref, sku), 0) + contained >= wanted, (channel, ref, sku)

    def _shows_what_is_free(self, sku: str) -> None:
        """No more than is free, but for what nobody can know."""
        free = max(0, self.free(sku))
        shows = {channel.shop.name: max(0, channel.shop.salable(sku)) for channel in self.channels}
        for channel in self.channels:
            allowed = self._allowed(channel.shop, sku)
            assert shows[channel.shop.name] in range(free + sum(allowed) + 1), (channel.shop.name, shows, free, allowed)
        if self.split:
            assert sum(shows.values()) <= free, (sku, shows, free)

    def _allowed(self, shop: Shop, sku: str) -> tuple[int, int, int, int]:
        """R1 to R4 of the rule: sold elsewhere, overwritten here, taken by others, put back by the shop itself."""
        basis = self.basis.get((shop.name, sku), Basis({}, Counter(), 0, 0))
        elsewhere = back = returned = 0
        for channel in self.channels:
            for order in channel.shop.orders.values():
                wanted = order.wanted.get(sku, 0)
                more = max(wanted, self.ledger.booked(order, sku)) - basis.counts[order.ref]
                if channel.shop is not shop:
                    elsewhere += max(0, more)
                else:
                    moved = wanted - basis.seen.get(order.ref, 0)
                    back, returned = back + max(0, more - moved), returned + max(0, -moved)
        back += min(basis.short, returned)
        return elsewhere, basis.overwritten, self.ledger.others[sku] - basis.others, back

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        try:
            self.do(self._come_to_rest())
        finally:
            self.do(self.store.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    async def _come_to_rest(self) -> None:
        """No sales any more: all that is on its way arrives, and every shop shows exactly what is free."""
        for channel in self.channels:
            self._land(channel.shop)
            for order in [one for one in channel.shop.orders.values() if one.ref in channel.shop.lagging]:
                self._surface(channel, order, hide=False)
        for _ in range(2):
            await self._all_known()
        for sku in SKUS:
            shows = {channel.shop.name: channel.shop.salable(sku) for channel in self.channels}
            free = max(0, self.free(sku))
            if self.split:
                assert sum(shows.values()) <= free, (sku, shows, free)
            else:
                assert set(shows.values()) == {free}, (sku, shows, free)
        rows = await self.store.read.rows(_POSTED_COUNTS)
        assert [tuple(row) for row in rows] == [], "booked pieces that a figure contains count still"

    async def _all_known(self) -> None:
        for document in self.ledger.documents:
            if document.state != "refused" and document.booked != document.pieces:
                self.ledger.book(document, 0)
            if not document.told:
                document.told = True
                await self._read_back(document)
        self.clock.tick(10)
        self.ledger.publish()
        await self._pull(0)
        for _ in range(3):
            for channel in self.channels:
                self.clock.tick(400)
                await channel.catch_up()
                await channel.publish()
                if isinstance(channel.shop, Slow):
                    channel.shop.settle()


def _calls_for_no_write(row: sqlite3.Row) -> bool:
    waits = row["due"] is not None or row["writing"] is not None or row["dirty"]
    return not waits and row["explained"] is not None and row["explained"] == row["target"]


def _kill() -> None:
    raise Killed


def _killed(fault: BaseException) -> bool:
    if isinstance(fault, BaseExceptionGroup):
        return all(_killed(one) for one in fault.exceptions)
    return isinstance(fault, Killed)


whole = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
half = settings(whole, max_examples=EXAMPLES // 2)


class Alone(Trade):
    """One shop that compares, nobody else in the ERP, no cancels."""

    kinds: tuple[type[Shop], ...] = (Comparing,)
    others_take = False
    orders_shrink = False


class AloneReserving(Alone):
    kinds: tuple[type[Shop], ...] = (Reserving,)


class Split(Alone):
    """Three shops, each with its own pieces."""

    kinds: tuple[type[Shop], ...] = (Comparing, Blind, Slow)
    split = True


TestTrade = Trade.TestCase
TestTrade.settings = whole
TestAlone = Alone.TestCase
TestAlone.settings = half
TestAloneReserving = AloneReserving.TestCase
TestAloneReserving.settings = half
TestSplit = Split.TestCase
TestSplit.settings = half
