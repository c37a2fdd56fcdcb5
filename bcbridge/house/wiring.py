"""The parts of a running bridge, built and wired: which list feeds which flow, which flow writes where.

``app`` builds one from the settings and runs it; nothing here waits for the outside.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import cast

import anyio
import structlog

from bcbridge.alerts.dispatcher import Dispatcher
from bcbridge.config import Connection, Settings
from bcbridge.connectors.base import Channel, Connector, Erp, Finding, Sink, Tools
from bcbridge.connectors.kinds import KINDS
from bcbridge.errors import Misconfigured, Mistake, StoreBusy
from bcbridge.flows.changes.settings import ChangeSettings
from bcbridge.flows.changes.story import CHANGES, Changes
from bcbridge.flows.dispatches.story import DISPATCHES, Dispatching
from bcbridge.flows.orders.looks import LOOKS, Looks
from bcbridge.flows.orders.reference import parse_reference
from bcbridge.flows.orders.story import ORDERS, Orders
from bcbridge.flows.reconcile.settings import ReconcileSettings
from bcbridge.flows.reconcile.story import Reconciler
from bcbridge.flows.stock.pull import Pulls
from bcbridge.house.acts import PersonActs
from bcbridge.house.changes import ChangeDesk
from bcbridge.house.dispatches import ShipmentReader
from bcbridge.house.erasure import About, Erasure
from bcbridge.house.feeds import FeedHouse
from bcbridge.house.passing import Passing
from bcbridge.house.reconcile import Readings, ReconcileActs, Reconciling, nothing_read
from bcbridge.house.reload import MappingsInForce
from bcbridge.house.rulebook import RuleBook
from bcbridge.house.stock import OutletMaker, StockHouse
from bcbridge.house.stock_acts import StockActs
from bcbridge.model.catalog import CatalogSku, ShipVia, Warehouse
from bcbridge.model.documents import Document
from bcbridge.model.ids import ConnectorName
from bcbridge.model.sales_order import SalesOrder
from bcbridge.runtime.circuit import Circuit
from bcbridge.runtime.known import Known
from bcbridge.runtime.poller import ListPoller, documents_to, heads_to_jobs, nobody_asks
from bcbridge.runtime.worker import Bell, Worker
from bcbridge.runtime.writer import DOUBTS, DocumentWriter, Evidence, StepObserver, unobserved
from bcbridge.store import catalog, meta, outbox, queue, releases
from bcbridge.store.changing import ChangeMemory
from bcbridge.store.db import Store
from bcbridge.store.dispatching import DispatchMemory
from bcbridge.store.memory import OrderMemory
from bcbridge.store.reconciling import ReconcileMemory
from bcbridge.store.stock import compute
from bcbridge.store.stock.figures import FigureMemory

log = structlog.get_logger()

MASTERS_EVERY = timedelta(minutes=15)
LOOKS_AT_ONCE = 4
"""Batches of looks at one shop: more would only wait for its limits."""
LOOK_TRIES, FEW = 8, 3
"""A few orders that could not be looked at so often (minutes) hold up no more what their whole channel is to be told:
of them nothing is counted then, instead of every number standing still."""
DISPATCHES_AT_ONCE = 5
ORDERS_AT_ONCE = 10
"""Orders looked at in one batch: about what one query of a shop carries; a shop out of points holds up no more."""
BATCH_DEADLINE = timedelta(minutes=20)
"""For a batch whose every call takes as long as it may, waiting for another such batch included.

As many calls as the ERP takes at once are under way; one batch more writes down meanwhile what comes next, and one
more looks at the shop: none of the three waits for the others.
"""


@dataclass(frozen=True, slots=True)
class Wiring:
    """How parts are put together. The product uses these defaults; a proof may take a part out and see what breaks."""

    on_step: StepObserver = unobserved
    sink: Callable[[Sink[SalesOrder]], Sink[SalesOrder]] = lambda sink: sink
    evidence: Evidence = outbox.evidence


@dataclass(slots=True)
class ErpHouse:
    """One ERP connection: its masters, its writer, what is in doubt."""

    connection: Connection
    connector: Erp
    circuit: Circuit
    writer: DocumentWriter
    masters: tuple[ListPoller, ...]
    doubts: Worker
    sent: Bell
    """Rings when something was sent: there is something to be confirmed again."""
    confirmed: datetime | None = None
    """When the list of what the ERP posted was last read to its end."""


@dataclass(slots=True)
class ChannelHouse:
    """One channel connection: its lists and the worker that books what they show."""

    connection: Connection
    connector: Channel
    circuit: Circuit
    erp: str
    lists: tuple[ListPoller, ...]
    worker: Worker
    looks: Worker
    """Looks at what changed, for the count of its pieces alone."""
    known: Known
    """Up to when its orders are known."""
    dispatches: Worker | None = None
    """Tells it what left; None where it is not told."""
    changes: Worker | None = None
    """Compares the sides of its booked orders; None where changes are only noted."""
    flow: Orders | None = None
    """How its orders are judged."""
    kept: Sequence[Finding] | None = None
    """What was found when its webhook subscriptions were last looked after; None before the first time."""

    def ring(self) -> None:
        self.worker.bell.ring()

    def wake(self) -> None:
        """Something rang: its lists show what, and what is new is looked at before they do."""
        self.looks.bell.ring()
        for one in self.lists:
            one.bell.ring()


@dataclass(slots=True)
class House:
    """Everything that runs."""

    settings: Settings
    store: Store
    now: Callable[[], datetime]
    mappings: MappingsInForce
    stock: StockHouse
    changes: ChangeDesk
    suspects: anyio.Lock = field(default_factory=anyio.Lock)
    erps: dict[str, ErpHouse] = field(default_factory=dict)
    channels: dict[str, ChannelHouse] = field(default_factory=dict)
    reconciling: dict[str, Reconciling] = field(default_factory=dict)
    production: dict[str, bool] = field(default_factory=dict)
    confirmed: frozenset[str] = frozenset()
    voice: Dispatcher | None = None
    """Tells people; None where alerts are off."""

    def ring(self) -> None:
        for channel in self.channels.values():
            channel.ring()
        for erp in self.erps.values():
            erp.doubts.bell.ring()

    def connectors(self) -> list[Connector]:
        return [*(erp.connector for erp in self.erps.values()), *(one.connector for one in self.channels.values())]

    def circuits(self) -> list[Circuit]:
        return [*(erp.circuit for erp in self.erps.values()), *(one.circuit for one in self.channels.values())]

    def workers(self) -> list[Worker]:
        of_channels = [
            worker for one in self.channels.values() for worker in (one.worker, one.looks, one.dispatches, one.changes)
        ]
        return [*(erp.doubts for erp in self.erps.values()), *(worker for worker in of_channels if worker)]

    def not_permitted(self, erp: str, write: str) -> str:
        """Why a write is not permitted: unconfirmed in production; else the empty string."""
        if self.production.get(erp, True) and write not in self.confirmed:
            return f"{write} is not confirmed for production: `bcbridge confirm {write}`"
        return ""

    @property
    def looks(self) -> str:
        """The flow that looks at orders for the count alone; none where no channel's numbers are kept."""
        kept = (
            name for name, one in self.settings.connections.items() if one.enabled and name in self.settings.channels
        )
        return LOOKS if any(self.settings.channels[name].stock for name in kept) else ""

    def shipments(self, erp: str) -> ShipmentReader | None:
        """Who reads what left an ERP's warehouses; None where no channel is told of it."""
        told = {name: one.dispatches for name, one in self.channels.items() if one.erp == erp and one.dispatches}
        if not told:
            return None
        bells = {name: worker.bell for name, worker in told.items()}
        paying = frozenset(name for name in told if self.asks_for_money(name))
        return ShipmentReader(erp, self.erps[erp].connector.shipments, self.store, self.now, bells, paying)

    def asks_for_money(self, channel: str) -> bool:
        """Whether a channel is ever asked for money that is only authorised."""
        settings = self.settings.channels[channel].dispatches
        return settings is not None and settings.asks_for_money

    def stock_writes(self) -> dict[str, str]:
        """Every write beside sales orders that a person confirms, and its connection: numbers told, counts set, what
        left, money that is asked for, what is asked for after a change."""
        told = {f"{name}.stock": name for name in self.stock.outlets}
        told |= {f"{name}.dispatches": name for name, one in self.channels.items() if one.dispatches}
        told |= {f"{name}.captures": name for name in self.channels if self.asks_for_money(name)}
        told |= {f"{name}.amendments": name for name in self.channels if amends(self.settings.channels[name].changes)}
        told |= {f"{name}.changes": name for name, erp in self.erps.items() if erp.connector.corrections}
        counted = {f"{name}.counts": name for name, feed in self.stock.feeds.items() if feed.pulls.echoes}
        return told | counted

    def acts(self) -> PersonActs:
        return PersonActs(
            store=self.store,
            now=self.now,
            ring=self.ring,
            erp_of={name: one.erp for name, one in self.channels.items()},
            writes=lambda: [*(erp.writer.sink.name for erp in self.erps.values()), *self.stock_writes()],
            on_confirm=self._on_confirm,
            save_mapping=self.mappings.save,
            check_mapping=self.mappings.with_row,
            mapping_now=self.mappings.row_now,
            erasure=self.erasure(),
            stock=self._stock_acts(),
            reconciling=ReconcileActs(self.store, self.now, self.reconciling),
            after_retry=self._close_by_word,
        )

    def _stock_acts(self) -> StockActs:
        return StockActs(
            store=self.store,
            now=self.now,
            erps=self.stock.feeds,
            channels=self.stock.outlets,
            pull=self.stock.pull,
            compare=self.stock.compare,
            push=self.stock.push,
        )

    def erasure(self) -> Erasure:
        about: dict[str, About] = {name: one.connector.orders.about for name, one in self.channels.items()}
        return Erasure(self.store, self.now, about)

    async def _close_by_word(self, channel: str | None) -> None:
        """A circuit opened by content closes when its page reads cleanly or a person says so."""
        for name, one in self.channels.items():
            if channel in (None, name):
                for circuit in (one.circuit, self.erps[one.erp].circuit):
                    if circuit.by_content:
                        await circuit.close()

    async def _on_confirm(self, write: str) -> None:
        self.confirmed = self.confirmed | {write}
        for erp in self.erps.values():
            if erp.writer.sink.name == write:
                erp.writer.resume_posting()
        self.stock.ring()


def build(settings: Settings, store: Store, tools: Tools, wiring: Wiring) -> House:
    """Build every enabled connection. Raises Misconfigured where a secret cannot be resolved."""
    channels = [name for name, one in settings.connections.items() if one.enabled and name in settings.channels]
    mappings = MappingsInForce(
        folder=settings.mappings.folder,
        channels=list(settings.connections),  # one that is switched off keeps its rows
        store=store,
        now=tools.now,
        ring=lambda: house.ring(),
        on_change=lambda: house.stock.book.bell.ring(),
    )
    book = RuleBook(store, lambda: mappings.current, tools.now, on_due=lambda: house.stock.ring())
    passing = Passing(store, tools.now, on_due=lambda channels: house.stock.due(channels))
    stock = StockHouse(book, passing)
    changes = ChangeDesk(store, tools.now)
    house = House(settings=settings, store=store, now=tools.now, mappings=mappings, stock=stock, changes=changes)
    for name in {settings.channels[channel].erp for channel in channels}:
        house.erps[name] = _erp(house, settings.connections[name], tools, wiring)
    for name in channels:
        since = settings.channels[name].orders.orders_created_from
        house.channels[name] = _channel(house, settings.connections[name], replace(tools, since=since))
        house.reconciling[name] = _reconciling(house, house.channels[name], flow=house.channels[name].flow)
    _keep_stock(house)
    return house


def _connector(connection: Connection, tools: Tools) -> Connector:
    return KINDS[connection.kind].build(ConnectorName(connection.name), connection.room, tools)


# -- the ERP ---------------------------------------------------------------------------------------------------


def _erp(house: House, connection: Connection, tools: Tools, wiring: Wiring) -> ErpHouse:
    connector = cast(Erp, _connector(connection, tools))
    circuit = Circuit(connector, house.store, now=tools.now)
    codes = [one.orders.code for one in house.settings.channels.values() if one.erp == connection.name]
    writer = DocumentWriter(
        sink=wiring.sink(connector.sales_orders),
        erp=connection.name,
        store=house.store,
        now=tools.now,
        ours=lambda reference: parse_reference(reference, codes) is not None,
        circuit=circuit,
        permitted=lambda: house.not_permitted(connection.name, connector.sales_orders.name),
        on_step=wiring.on_step,
        evidence=wiring.evidence,
        skew=connector.stock.rules.skew,
        on_sight=house.changes.of_erp(connection.name),
        on_change=house.changes.ring,
    )
    doubts = Worker(
        flow=DOUBTS,
        connector=connection.name,
        handler=writer,
        store=house.store,
        circuit=circuit,
        suspects=house.suspects,
        now=tools.now,
        batches_at_once=1,
    )
    writer.on_doubt = doubts.bell.ring
    masters = _masters(house, connection, connector, circuit, tools)
    sent = Bell()
    writer.on_sent = sent.ring
    return ErpHouse(connection, connector, circuit, writer, masters, doubts, sent)


def _masters(house: House, connection: Connection, erp: Erp, circuit: Circuit, tools: Tools) -> tuple[ListPoller, ...]:
    name, every = connection.name, timedelta(seconds=connection.poll_every_seconds)

    def styles(tx: sqlite3.Connection, read: Sequence[tuple[Document, tuple[CatalogSku, ...]]]) -> int:
        touched: set[str] = set()
        flipped: set[str] = set()
        for document, skus in read:
            before = catalog.idle(tx, name, document.ref)
            touched |= catalog.replace_style(tx, name, document.ref, skus)
            flipped |= before ^ catalog.idle(tx, name, document.ref)
        releases.free(tx, {f"sku/{upc}" for upc in touched}, flow=ORDERS, now=tools.now())
        house.stock.due(compute.mark(tx, flipped, now=tools.now()))
        return len(touched)

    def warehouses(tx: sqlite3.Connection, read: Sequence[tuple[Document, Warehouse]]) -> int:
        return len(catalog.keep_codes(tx, name, "warehouses", {one.code: one.name for _, one in read}))

    def ship_vias(tx: sqlite3.Connection, read: Sequence[tuple[Document, ShipVia]]) -> int:
        return len(catalog.keep_codes(tx, name, "ship_vias", {one.code: one.name for _, one in read}))

    sources = (
        (erp.styles, documents_to(erp.styles, name, keep=styles, now=tools.now), every),
        (erp.warehouses, documents_to(erp.warehouses, name, keep=warehouses, now=tools.now), MASTERS_EVERY),
        (erp.ship_vias, documents_to(erp.ship_vias, name, keep=ship_vias, now=tools.now), MASTERS_EVERY),
    )
    return tuple(
        ListPoller(
            connector=name,
            noun=source.noun,
            heads=one,
            receive=receive,
            on_news=house.ring,
            store=house.store,
            circuit=circuit,
            now=tools.now,
            every=pace,
        )
        for source, receive, pace in sources
        for one in source.lists
    )


def masters_read(noun: str) -> str:
    """The name in ``meta`` that says that a master was read whole at least once."""
    return f"master_read/{noun}"


async def masters_are_read(store: Store, erp: ErpHouse) -> bool:
    """Whether each was read whole at least once: before that every SKU would be unknown. A store that cannot say so now
    is asked again."""
    try:
        for one in erp.masters:
            if await meta.read(store, masters_read(f"{one.connector}/{one.noun}")) is None:
                return False
    except StoreBusy as fault:
        log.warning("put off", what="looking whether the masters were read", why=str(fault))
        return False
    return True


# -- a channel -------------------------------------------------------------------------------------------------


def _channel(house: House, connection: Connection, tools: Tools) -> ChannelHouse:
    channel = house.settings.channels[connection.name]
    erp = house.erps[channel.erp]
    connector = cast(Channel, _connector(connection, tools))
    circuit = Circuit(connector, house.store, now=tools.now)
    every = timedelta(seconds=connection.poll_every_seconds)
    at_once = erp.writer.sink.rules.at_once
    flow = Orders(
        channel=ConnectorName(connection.name),
        source=connector.orders,
        memory=_order_memory(house, connection.name),
        carrier=erp.writer,
        settings=channel.orders,
        mappings=lambda: house.mappings.current,
        widths=erp.connector.widths,
        now=tools.now,
        stale_after=every,
        handing_over=anyio.Semaphore(at_once + 1),
    )
    worker = Worker(
        flow=ORDERS,
        connector=connection.name,
        handler=flow,
        store=house.store,
        circuit=circuit,
        suspects=house.suspects,
        now=tools.now,
        batch=ORDERS_AT_ONCE,
        batches_at_once=at_once + 2,
        deadline=BATCH_DEADLINE,
    )
    known = _known(house, connection.name)
    looks = Worker(
        flow=LOOKS,
        connector=connection.name,
        handler=Looks(flow, known.looked),
        store=house.store,
        circuit=circuit,
        suspects=house.suspects,
        now=tools.now,
        batch=ORDERS_AT_ONCE,
        batches_at_once=LOOKS_AT_ONCE,
    )

    def ring() -> None:
        looks.bell.ring()
        worker.bell.ring()

    noun = connector.orders.noun
    lists = tuple(
        ListPoller(
            connector=connection.name,
            noun=noun,
            heads=one,
            receive=heads_to_jobs(connection.name, noun, one.name, flow=ORDERS, looks=house.looks, now=tools.now),
            on_news=ring,
            store=house.store,
            circuit=circuit,
            now=tools.now,
            every=every,
            on_read=partial(known.listed, one.name) if house.looks else nobody_asks,
        )
        for one in connector.orders.lists
    )
    known.expect(one.heads.name for one in lists)
    known.hurry = lambda: _hurry(lists)
    dispatches = _dispatches(house, connection.name, connector, circuit)
    changes = _changes(house, flow, connector, circuit)
    return ChannelHouse(
        connection, connector, circuit, channel.erp, lists, worker, looks, known, dispatches, changes, flow
    )


def _order_memory(house: House, name: str) -> OrderMemory:
    erp, on_change = house.settings.channels[name].erp, house.changes.of_channel(name)
    ring = house.changes.ring
    return OrderMemory(house.store, name, erp, house.now, on_due=house.stock.due, on_change=on_change, ring=ring)


def amends(settings: ChangeSettings | None) -> bool:
    """Whether the channel is ever asked for anything after a change."""
    return settings is not None and bool(settings.to_channel or settings.mark)


def _changes(house: House, orders: Orders, connector: Channel, circuit: Circuit) -> Worker | None:
    name = orders.channel
    channel = house.settings.channels[name]
    settings, erp = channel.changes, house.erps[channel.erp]
    if settings is None:
        return None
    flow = Changes(
        channel=name,
        source=connector.orders,
        sink=erp.writer.sink,
        memory=ChangeMemory(house.store, name, channel.erp, house.now),
        settings=settings,
        desk=lambda order: orders.desk([order]),
        now=house.now,
        amendments=connector.amendments,
        corrections=erp.connector.corrections,
        may_amend=lambda: house.not_permitted(name, f"{name}.amendments"),
        may_correct=lambda: house.not_permitted(channel.erp, f"{channel.erp}.changes"),
    )
    worker = Worker(
        flow=CHANGES,
        connector=name,
        handler=flow,
        store=house.store,
        circuit=circuit,
        suspects=house.suspects,
        now=house.now,
        batch=DISPATCHES_AT_ONCE,
        batches_at_once=LOOKS_AT_ONCE,
    )
    house.changes.bells[name] = worker.bell
    if settings.mark:
        house.changes.greeted.add(name)
    return worker


def _reconciling(house: House, channel: ChannelHouse, *, flow: Orders | None) -> Reconciling:
    assert flow is not None
    name, erp, settings = (
        channel.connection.name,
        house.erps[channel.erp],
        house.settings.channels[channel.connection.name],
    )
    workers = {ORDERS: channel.worker, CHANGES: channel.changes, DISPATCHES: channel.dispatches}
    told = channel.dispatches is not None

    def ring() -> None:
        for worker in workers.values():
            if worker is not None:
                worker.bell.ring()

    async def read_shipments() -> None:
        if (reader := house.shipments(channel.erp)) is not None:
            await reader.read()

    readings = Readings(channel.lists, lambda: erp.confirmed, erp.sent.ring, read_shipments if told else nothing_read)
    rules = settings.reconcile or ReconcileSettings(enabled=False)
    reconciler = Reconciler(
        channel=ConnectorName(name),
        source=channel.connector.orders,
        sink=erp.writer.sink,
        shipments=erp.connector.shipments,
        dispatches=channel.connector.dispatches if told else None,
        memory=ReconcileMemory(house.store, name, channel.erp, house.now, ring),
        desk=lambda order: flow.desk([order]),
        ours=lambda reference: parse_reference(reference, [settings.orders.code]) is not None,
        settled=readings.once_more,
        closed=lambda: erp.writer.closed_because,
        flows=frozenset(flow for flow, worker in workers.items() if worker is not None),
        young=rules.young,
        now=house.now,
    )
    return Reconciling(
        channel=name,
        time_zone=settings.orders.time_zone,
        settings=rules,
        reconciler=reconciler,
        store=house.store,
        circuits=(channel.circuit, erp.circuit),
        now=house.now,
        begins=settings.orders.orders_created_from,
    )


def _dispatches(house: House, name: str, connector: Channel, circuit: Circuit) -> Worker | None:
    settings = house.settings.channels[name].dispatches
    if settings is None:
        return None
    sink = connector.dispatches
    if settings.asks_for_money and connector.captures is None:
        where, what = f"channels.{name}.dispatches.captures", f"{connector.kind} has no call that captures money"
        raise Misconfigured([Mistake(where, what, "say shop or person")])
    flow = Dispatching(
        channel=ConnectorName(name),
        sink=sink,
        memory=DispatchMemory(house.store, name, house.now),
        settings=settings,
        mappings=lambda: house.mappings.current,
        now=house.now,
        permitted=lambda: house.not_permitted(name, sink.name),
        captures=connector.captures,
        may_capture=lambda: house.not_permitted(name, f"{name}.captures"),
    )
    return Worker(
        flow=DISPATCHES,
        connector=name,
        handler=flow,
        store=house.store,
        circuit=circuit,
        suspects=house.suspects,
        now=house.now,
        batch=DISPATCHES_AT_ONCE,
        batches_at_once=LOOKS_AT_ONCE,
    )


def _keep_stock(house: House) -> None:
    """The channels whose numbers are kept, and the figures they come from."""
    maker = OutletMaker(
        store=house.store,
        mappings=lambda: house.mappings.current,
        now=house.now,
        book=house.stock.book,
        channels=list(house.channels),
        permitted=lambda channel: not house.not_permitted(channel, f"{channel}.stock"),
        knows_skus=lambda erp: masters_are_read(house.store, house.erps[erp]),
    )
    for name, one in house.channels.items():
        channel = house.settings.channels[name]
        if channel.stock is not None:
            house.stock.outlets[name] = maker.outlet(channel, one.connector.stock, one.circuit, one.known)
            if one.erp not in house.stock.feeds:
                house.stock.feeds[one.erp] = _feed(house, house.erps[one.erp])


def _feed(house: House, erp: ErpHouse) -> FeedHouse:
    name = erp.connection.name
    return FeedHouse(
        erp=name,
        pulls=Pulls(
            feed=erp.connector.stock,
            book=FigureMemory(house.store, name, house.now, ring=house.stock.due),
            now=house.now,
            loss_share=erp.connector.stock.rules.loss_percent / 100,
        ),
        circuit=erp.circuit,
        every=timedelta(seconds=erp.connection.poll_every_seconds),
        now=house.now,
        may_count=lambda: not house.not_permitted(name, f"{name}.counts"),
    )


def _hurry(lists: Sequence[ListPoller]) -> None:
    for one in lists:
        one.hurry()


def _known(house: House, channel: str) -> Known:
    """Kept beside the channel's numbers, for the next start."""
    store = house.store
    return Known(
        open_looks=lambda: queue.open_refs(store, flow=LOOKS, connector=channel, tries=LOOK_TRIES, few=FEW),
        tell=partial(house.stock.passing.known, channel),
    )
