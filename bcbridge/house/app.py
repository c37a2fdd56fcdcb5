"""The running bridge: open the store, recover, build the house, run every loop, drain, close.

One process, one event loop. SIGINT, SIGTERM or a closed terminal drains: nothing more is claimed, what is under way
is finished; a second one, or the drain's deadline, cancels what is left. A kill at any moment loses nothing
(runtime/writer.py).
"""

from __future__ import annotations

import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NoReturn, Protocol

import anyio
import structlog
from anyio.abc import TaskGroup

from bcbridge import config, logs
from bcbridge.config import Settings
from bcbridge.connectors.base import Severity, Tools
from bcbridge.errors import BridgeError, Misconfigured, OpenCircuit, Retry
from bcbridge.flows.orders.story import ORDERS
from bcbridge.house import sdnotify, voice
from bcbridge.house.counting import count_from_before
from bcbridge.house.dispatches import ShipmentReader
from bcbridge.house.intake import Intake
from bcbridge.house.live import Feed
from bcbridge.house.sdnotify import Systemd
from bcbridge.house.upkeep import upkeep
from bcbridge.house.vitals import HouseVitals
from bcbridge.house.wiring import ChannelHouse, ErpHouse, House, Wiring, build, masters_are_read, masters_read
from bcbridge.runtime.circuit import Circuit
from bcbridge.runtime.leftover import end_left_circuit, end_unused
from bcbridge.runtime.poller import sweep_to_jobs
from bcbridge.store import acts, changing, dispatching, incidents, mends, meta, outbox, queue, reconciling, releases
from bcbridge.store.aside import Aside
from bcbridge.store.db import Store
from bcbridge.store.orders import open_refs, ready
from bcbridge.store.outbox import queued_refs
from bcbridge.store.queue import BULK, Wish
from bcbridge.store.stamps import moment, stamp
from bcbridge.store.stock.promise import Promise, number
from bcbridge.watches import rounds
from bcbridge.web.admin import Keys, Token
from bcbridge.web.app import Front, Parts
from bcbridge.web.server import serving, serving_owner

log = structlog.get_logger()

DRAIN_SECONDS = 30.0
CHANGES_AGAIN_SECONDS = 300.0
DISPATCHES_AGAIN_SECONDS = 300.0
"""What left and was not told is looked at again this often."""
RELEASES_EVERY_SECONDS = 1.0
IDLE_CONFIRM_FACTOR = 4
SLICE = 500
KEEP_EVERY = timedelta(hours=1)
RETRY_SECONDS = 60.0
NOTED_AGAIN_SECONDS = 1.0
SWEEP_EVERY = timedelta(hours=1)
SWEEPS = (("sweep_48h", timedelta(hours=24), timedelta(hours=48)), ("sweep_7d", timedelta(days=7), timedelta(days=7)))
"""Name, how often, how far back by creation."""


Signals = AsyncIterator[signal.Signals]
"""What the operating system asks of us, one after the other."""


class View(Protocol):
    """Something that shows the bridge at work (live.py)."""

    async def run(self, feed: Feed) -> None: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


def main(settings: Settings, *, live: View | None = None, wiring: Wiring | None = None) -> int:
    """Run the bridge on uvloop until it is told to end; returns the exit code. Raises what ``run`` raises."""
    logs.configure(settings.log, to_file=live is not None and sys.stdout.isatty())
    try:
        anyio.run(lambda: run(settings, view=live, wiring=wiring), backend_options={"use_uvloop": True})
    except BaseExceptionGroup as group:
        _raise_ours(group)
    return 0


def _raise_ours(group: BaseExceptionGroup[BaseException]) -> NoReturn:
    """The task groups wrap what ended them; a person reads the one fault of ours that is inside."""
    ours = group.subgroup(BridgeError)
    while isinstance(ours, BaseExceptionGroup):
        ours = ours.exceptions[0]  # type: ignore[assignment]
    raise ours or group


async def run(
    settings: Settings,
    *,
    view: View | None = None,
    wiring: Wiring | None = None,
    started: Callable[[House], None] = lambda house: None,
) -> None:
    """Run until a signal asks for the end. Raises Misconfigured, StoreLocked before anything runs."""
    store = Store(settings.store.path)
    with (
        closing(sdnotify.in_force()) as systemd,
        anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals,
    ):
        systemd.tell(status="opening the store")
        await _run(settings, store, signals, systemd, view=view, wiring=wiring or Wiring(), started=started)


async def _run(
    settings: Settings,
    store: Store,
    signals: Signals,
    systemd: Systemd,
    *,
    view: View | None,
    wiring: Wiring,
    started: Callable[[House], None],
) -> None:
    async with store.opened():
        tools = Tools(now=utc_now, secret=settings.secrets)
        house = build(settings, store, tools, wiring)
        house.voice = voice.build(settings, store, house.now)
        house.mappings.load()
        try:
            await _look_around(house)
            await _recover(house)
            await count_from_before(house)
            started(house)
            await _serve(house, signals, view, systemd)
        finally:
            with anyio.CancelScope(shield=True):
                for connector in house.connectors():
                    await connector.aclose()
                if house.voice is not None:
                    await house.voice.aclose()


# -- before anything runs --------------------------------------------------------------------------------------


async def _look_around(house: House) -> None:
    """Which connections are production, and what was confirmed for them."""
    mistakes = await config.production_mistakes(house.settings)
    if mistakes:
        raise Misconfigured(mistakes)
    for name, connection in house.settings.connections.items():
        if connection.enabled:
            house.production[name] = await config.production(connection)
    house.confirmed = await house.store.write(acts.confirmed)


async def _recover(house: House) -> None:
    """What the last process left: calls that may have been made, jobs that were running, incidents of nobody."""
    used = {*(one.name for one in house.connectors()), *(one.name for one in house.settings.enabled)}

    def unit(tx: sqlite3.Connection) -> None:
        now = house.now()
        doubts = outbox.recover(tx, now=now) + dispatching.recover(tx, now=now) + changing.recover(tx, now=now)
        put_back, dead = queue.recover(tx, now=now)
        reconciling.recover(tx, now=now)
        for erp in house.erps.values():
            rows = outbox.in_doubt(tx, erp.writer.sink.name)
            queue.enqueue(
                tx, [erp.writer.doubt_job(row.reference, row.channel, row.order_ref) for row in rows], now=now
            )
        unused = end_unused(tx, known=house.settings.connections, used=used, watched=rounds.codes(house), now=now)
        log.info("recovered", calls_in_doubt=doubts, jobs_put_back=put_back, jobs_dead=dead, unused_ended=unused)

    await house.store.write(unit)


# -- run and drain ---------------------------------------------------------------------------------------------


async def _serve(house: House, signals: Signals, view: View | None, systemd: Systemd) -> None:
    async with AsyncExitStack() as doors:
        front, vitals = _front(house, await doors.enter_async_context(Aside(house.store.path).opened()))
        shown = await _open(doors, front, house)
        log.info("started", **shown)
        systemd.tell("READY=1", status="started")
        async with anyio.create_task_group() as loops:
            _start_loops(house, loops)
            loops.start_soon(sdnotify.keep_alive, systemd, house.store, vitals.status)
            if view is not None:
                feed = Feed(
                    house.store.read, vitals, shown, house.now, house.now(), keeps_stock=bool(house.stock.outlets)
                )
                loops.start_soon(view.run, feed)
            await _work_until_told(house, signals, systemd)
            loops.cancel_scope.cancel()
    log.info("stopped")


async def _open(doors: AsyncExitStack, front: Front, house: House) -> dict[str, str]:
    """Every door there is; returns the addresses worth showing."""
    web = house.settings.web
    public = serving(front.public(figures=web.on_loopback), host=web.host, port=web.port, callers=front.callers)
    address = await doors.enter_async_context(public)
    await doors.enter_async_context(serving_owner(front.owner(), web.socket))
    shown = {"health": f"{address}/health"}
    if web.on_loopback:
        shown["metrics"] = f"{address}/metrics"
    if web.admin.enabled:
        tokens = [Token.of(one.name, one.role, secret) for one, secret in config.token_secrets(house.settings)]
        app = front.admin(Keys(tokens, now=house.now))
        admin = serving(app, host=web.admin.host, port=web.admin.port, setting="web.admin.port")
        shown["admin"] = await doors.enter_async_context(admin)
    return {**shown, **_sandboxes(house)}


def _sandboxes(house: House) -> dict[str, str]:
    shown = {
        f"sandbox {name}": f"{house.settings.connections[name].origin}/_sandbox/"
        for name, production in house.production.items()
        if not production
    }
    if shown:
        port = house.settings.sandbox.alerts.slack_port
        shown["sandbox alerts"] = f"http://127.0.0.1:{port}/_sandbox/books/messages"
    return shown


def _front(house: House, aside: Aside) -> tuple[Front, HouseVitals]:
    vitals, web = HouseVitals(house), house.settings.web
    intake = Intake(
        store=house.store,
        now=house.now,
        flows={ORDERS: ORDERS},
        looks={ORDERS: house.looks} if house.looks else {},
        wake={name: one.wake for name, one in house.channels.items()},
    )
    parts = Parts(
        store=house.store,
        webhooks={name: one.connector.webhook for name, one in house.channels.items()},
        intake=intake,
        acts=house.acts(),
        vitals=vitals,
        figures=vitals,
        now=house.now,
        started_at=house.now(),
        promises=partial(_promises, house, aside),
        body_limit_bytes=web.body_limit_bytes,
        bodies_at_once=web.bodies_at_once,
        connections_at_once=web.connections_at_once,
    )
    return Front(parts), vitals


async def _promises(house: House, aside: Aside, channel: str, sku: str) -> Sequence[Promise]:
    if channel not in house.stock.outlets:
        return ()
    return await aside.read(partial(number, channel=channel, sku=sku, now=house.now()))


async def _work_until_told(house: House, signals: Signals, systemd: Systemd) -> None:
    """The flows, each in a task group of its own; a signal drains them."""
    async with anyio.create_task_group() as flows:
        for erp in house.erps.values():
            flows.start_soon(erp.doubts.run)
        for channel in house.channels.values():
            flows.start_soon(channel.looks.run)
            if channel.dispatches is not None:
                flows.start_soon(channel.dispatches.run)
            if channel.changes is not None:
                flows.start_soon(channel.changes.run)
            flows.start_soon(_work_on_channel, house, channel)
        await anext(signals)
        log.info("draining")
        systemd.tell("STOPPING=1", status="finishing what is under way")
        for worker in house.workers():
            worker.stop()
        flows.start_soon(_end_at, flows, signals)
        await _finished(house)
        flows.cancel_scope.cancel()


async def _end_at(flows: TaskGroup, signals: Signals) -> None:
    """A second signal or the deadline ends the drain."""
    with anyio.move_on_after(DRAIN_SECONDS):
        await anext(signals)
    flows.cancel_scope.cancel()


async def _finished(house: House) -> None:
    for worker in house.workers():
        await worker.ended.wait()


async def _work_on_channel(house: House, channel: ChannelHouse) -> None:
    """Orders are judged once the ERP's masters were read whole; before that every SKU would be unknown."""
    erp = house.erps[channel.erp]
    while not await masters_are_read(house.store, erp):
        if channel.worker.stopping.is_set():
            channel.worker.ended.set()
            return
        await anyio.sleep(0.2)
    await channel.worker.run()


def _start_loops(house: House, loops: TaskGroup) -> None:
    for circuit in house.circuits():
        loops.start_soon(circuit.mend)
        loops.start_soon(partial(end_left_circuit, circuit, house.store, now=house.now))
    for erp in house.erps.values():
        erp.circuit.on_close = _resumer(house, erp)
        erp.writer.on_open = _resumer(house, erp)
        for masters in erp.masters:
            masters.after_pass = _marker(house.store, house.now, loops, f"{masters.connector}/{masters.noun}")
            loops.start_soon(masters.run)
        loops.start_soon(_confirm, erp)
        if (reader := house.shipments(erp.connection.name)) is not None:
            loops.start_soon(_read_shipments, erp, reader)
    for channel in house.channels.values():
        for one in channel.lists:
            loops.start_soon(one.run)
        loops.start_soon(_keep_subscriptions, house, channel)
        loops.start_soon(_sweep, house, channel)
    for comparing in house.reconciling.values():
        loops.start_soon(comparing.run)
    loops.start_soon(_look_at_changes_again, house)
    house.stock.start(loops)
    loops.start_soon(house.mappings.watch)
    loops.start_soon(_advance_releases, house)
    if house.voice is not None:
        loops.start_soon(house.voice.run)
    loops.start_soon(rounds.watch, house)
    loops.start_soon(upkeep, house)


def _marker(store: Store, now: Callable[[], datetime], loops: TaskGroup, name: str) -> Callable[[], None]:
    """Notes once that a master was read whole. What the store cannot keep now is tried again: orders wait for it, and
    the next pass may be a quarter of an hour away."""
    noted = False

    async def write() -> None:
        await store.write(lambda tx: meta.put(tx, masters_read(name), stamp(now())))

    async def note() -> None:
        while not await _tried(None, f"noting that {name} was read", write):  # noqa: ASYNC110 - no bell for a full disk
            await anyio.sleep(NOTED_AGAIN_SECONDS)

    def mark() -> None:
        nonlocal noted
        if not noted:
            noted = True
            loops.start_soon(note)

    return mark


def _resumer(house: House, erp: ErpHouse) -> Callable[[], Awaitable[None]]:
    """When the ERP may be written to (again): what waited for nothing else goes on."""
    sink = erp.writer.sink.name

    async def resume() -> None:
        for name, channel in house.channels.items():
            if channel.erp == erp.connection.name:
                refs = await house.store.write(partial(_waiting_for_erp, sink=sink, channel=name))
                await _look_again(house, name, refs)
        house.ring()

    return resume


def _waiting_for_erp(tx: sqlite3.Connection, *, sink: str, channel: str) -> list[str]:
    """Orders that were judged ready, or cut and not sent."""
    return sorted({*ready(tx, channel), *queued_refs(tx, sink, channel)})


async def _look_again(house: House, channel: str, refs: Sequence[str], *, priority: int = queue.NOW) -> None:
    """Jobs for many orders, a slice at a time: no unit holds the store's writer for long."""
    for begin in range(0, len(refs), SLICE):
        now = house.now()
        wishes = [_again(channel, ref, now, priority=priority) for ref in refs[begin : begin + SLICE]]
        await house.store.write(partial(queue.enqueue, wishes=wishes, now=now))


def _again(channel: str, ref: str, now: datetime, *, priority: int = queue.NOW) -> Wish:
    return Wish(flow=ORDERS, connector=channel, ref=ref, due=now, priority=priority)


# -- loops -----------------------------------------------------------------------------------------------------


async def _tried(circuit: Circuit | None, what: str, work: Callable[[], Awaitable[object]]) -> bool:
    """One turn of a loop that goes on for ever: what may pass is logged and tried again at the next turn."""
    if circuit is not None:
        await circuit.closed()
    try:
        await work()
    except OpenCircuit as fault:
        if circuit is not None:
            await circuit.open(fault, again=work)
        return False
    except (BridgeError, TimeoutError, sqlite3.Error) as fault:
        log.warning("put off", what=what, why=str(fault) or type(fault).__name__)
        if circuit is not None and isinstance(fault, Retry | TimeoutError):
            await circuit.unheard(fault)
        return False
    if circuit is not None:
        circuit.heard()
    return True


async def _confirm(erp: ErpHouse) -> None:
    """List the ERP's recent orders before the first post; then confirm what was posted, faster while some wait."""
    every, store, sink = erp.connection.poll_every_seconds, erp.writer.store, erp.writer.sink.name
    awaiting = 1

    async def work() -> None:
        nonlocal awaiting
        await erp.writer.confirm_posted()
        erp.confirmed = erp.writer.now()
        awaiting = await outbox.awaiting_posting(store, sink)

    while True:
        rings = erp.sent.rings
        confirmed = await _tried(erp.circuit, f"confirming {sink}", work)
        if confirmed and not awaiting:
            await erp.sent.heard(since=rings, within=timedelta(seconds=every * IDLE_CONFIRM_FACTOR))
        await anyio.sleep(every)


async def _read_shipments(erp: ErpHouse, reader: ShipmentReader) -> None:
    looked = -DISPATCHES_AGAIN_SECONDS
    while True:
        await _tried(erp.circuit, "reading shipments", reader.read)
        if anyio.current_time() - looked >= DISPATCHES_AGAIN_SECONDS:
            looked = anyio.current_time()
            await _tried(erp.circuit, "reading shipments that no list showed", reader.read_unread)
            await _tried(None, "looking at dispatches again", reader.look_again)
        await anyio.sleep(erp.connection.poll_every_seconds)


async def _look_at_changes_again(house: House) -> None:
    while True:
        await _tried(None, "looking at changes again", house.changes.look_again)
        await anyio.sleep(CHANGES_AGAIN_SECONDS)


async def _keep_subscriptions(house: House, channel: ChannelHouse) -> None:
    while True:
        work = partial(look_after_subscriptions, house, channel)
        kept = await _tried(channel.circuit, f"subscriptions of {channel.connection.name}", work)
        await anyio.sleep(KEEP_EVERY.total_seconds() if kept else RETRY_SECONDS)


async def look_after_subscriptions(house: House, channel: ChannelHouse) -> None:
    """One look at them: what is wrong is mended, and what stood before and had to be mended is noted."""
    name, address = channel.connection.name, house.settings.web.public_url
    findings = await channel.connector.keeper.keep(address)
    for finding in findings:
        log.info("subscriptions", connector=name, topic=finding.topic, text=finding.text)
    stood_before = await _kept_before(house, name, address)
    channel.kept = findings if stood_before else []
    if not address or any(one.severity is Severity.WARNING for one in findings):
        await house.store.write(
            partial(_made_anew, connector=name, noted=bool(address) and stood_before, now=house.now())
        )


def _made_anew(tx: sqlite3.Connection, *, connector: str, noted: bool, now: datetime) -> None:
    """Who owned the subscriptions that were in trouble owns them no more, or none is wanted."""
    incidents.rings_well(tx, connector, now=now)
    if noted:
        mends.note(tx, connector, now=now)


async def _kept_before(house: House, channel: str, address: str) -> bool:
    """Whether subscriptions to this address stood before; the first time nothing can be missing."""
    key = f"subscribed/{channel}"
    if await meta.read(house.store, key) == address:
        return True
    await house.store.write(lambda tx: meta.put(tx, key, address))
    return False


async def _sweep(house: House, channel: ChannelHouse) -> None:
    """What never appeared in a list is found by listing again; what left them silently, by asking for it by id."""
    while True:
        for name, every, back in SWEEPS:
            work = partial(_sweep_once, house, channel, name, every, back)
            await _tried(channel.circuit, f"{name} of {channel.connection.name}", work)
        await anyio.sleep(SWEEP_EVERY.total_seconds())


async def _sweep_once(house: House, channel: ChannelHouse, name: str, every: timedelta, back: timedelta) -> None:
    key, now, connector = f"{name}/{channel.connection.name}", house.now(), channel.connection.name
    last = await meta.read(house.store, key)
    if last is None:  # the first pass of the lists is a sweep of its own
        await house.store.write(lambda tx: meta.put(tx, key, stamp(now)))
        return
    if now - moment(last) < every:
        return
    receive = sweep_to_jobs(connector, channel.connector.orders.noun, flow=ORDERS, looks=house.looks, now=house.now)
    async for page in channel.connector.orders.sweep(now - back):
        await house.store.write(receive(page))

    refs = await house.store.write(lambda tx: open_refs(tx, connector))
    await _look_again(house, connector, refs, priority=BULK)
    await house.store.write(lambda tx: meta.put(tx, key, stamp(now)))
    channel.ring()


async def _advance_releases(house: House) -> None:
    async def work() -> None:
        if await releases.any_open(house.store):
            await house.store.write(lambda tx: releases.advance(tx, flow=ORDERS, now=house.now()))
            house.ring()

    while True:
        await _tried(None, "releases", work)
        await anyio.sleep(RELEASES_EVERY_SECONDS)
