"""The live view: someone who sees a minute of it knows how many orders came in, were booked, are blocked and why,
how old the oldest waiting is, and whether the ERP is slow.

On a terminal it redraws itself; elsewhere it writes one line every five seconds with the same fields.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import anyio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bcbridge.errors import StoreBusy
from bcbridge.flows.stock.cycle import load
from bcbridge.phrases import age, duration, latency, money, oldest_text, words
from bcbridge.store import alerts, views
from bcbridge.store.alerts import Told
from bcbridge.store.stock import views as stock
from bcbridge.store.stock.views import ChannelStock, FeedFacts, Oversold
from bcbridge.store.views import After, Overview, Pulse, Reads, Reason
from bcbridge.web.protocols import Unconfirmed

REDRAW_SECONDS = 1.0
LINE_SECONDS = 5.0
OVERSOLD_EVERY = timedelta(seconds=10)
SOLD_WITHIN = timedelta(hours=24)
REASONS_SHOWN = 6
BOOKINGS_SHOWN = 6


class Alive(Protocol):
    """What the running process says of itself (web/protocols.py, Vitals, says the same)."""

    def pulses(self) -> Sequence[Pulse]: ...

    def stopped(self) -> Sequence[str]: ...

    def unconfirmed(self) -> Sequence[Unconfirmed]: ...

    def notes(self) -> Sequence[str]: ...


@dataclass(slots=True)
class Feed:
    """What the view looks at. ``addresses``: what is printed at the start, as ``health`` -> URL. ``keeps_stock``:
    whether any channel's numbers are kept."""

    reads: Reads
    alive: Alive
    addresses: Mapping[str, str]
    now: Callable[[], datetime]
    started_at: datetime
    keeps_stock: bool = False
    _oversold: Sequence[Oversold] = ()
    _oversold_at: datetime | None = None

    async def stock(self) -> StockSeen | None:
        """How the numbers stand; what is oversold is looked for now and then, for it costs more."""
        if not self.keeps_stock:
            return None
        now = self.now()
        if self._oversold_at is None or now - self._oversold_at >= OVERSOLD_EVERY:
            self._oversold, self._oversold_at = await stock.oversold(self.reads, since=now - SOLD_WITHIN), now
        channels = await stock.channels(self.reads, since=now - timedelta(minutes=1))
        return StockSeen(channels, await stock.feeds(self.reads), tuple(self._oversold))


@dataclass(frozen=True, slots=True)
class StockSeen:
    """Numbers by channel, figures by ERP, and what is oversold."""

    channels: Mapping[str, ChannelStock]
    feeds: Mapping[str, FeedFacts]
    oversold: tuple[Oversold, ...]

    @property
    def pieces(self) -> int:
        return sum(one.pieces for one in self.oversold)

    @property
    def raced(self) -> int:
        """Of the oversold SKUs: what was sold in one shop while a sale of another was on its way there."""
        return sum(one.raced for one in self.oversold)


@dataclass(frozen=True, slots=True)
class Seen:
    """One look: everything one frame or one line shows."""

    overview: Overview
    pulses: tuple[Pulse, ...]
    stopped: tuple[str, ...]
    now: datetime
    notes: tuple[str, ...] = ()
    told: Told | None = None
    stock: StockSeen | None = None


async def look(feed: Feed) -> Seen:
    now = feed.now()
    seen = await views.overview(feed.reads, now=now, top=REASONS_SHOWN, bookings=BOOKINGS_SHOWN)
    told = await alerts.last_told(feed.reads)
    notes = tuple(feed.alive.notes())
    numbers = await feed.stock()
    return Seen(seen, tuple(feed.alive.pulses()), _stopped(feed.alive), now, notes, told, numbers)


def _stopped(alive: Alive) -> tuple[str, ...]:
    """Why nothing is booked: what stands in the way now, and the writes that wait for a person."""
    waiting = (
        f"{one.write} is not confirmed for production: bcbridge confirm" for one in alive.unconfirmed() if one.books
    )
    return (*alive.stopped(), *waiting)


class LiveView:
    """Shows the bridge at work until it is cancelled; then draws what is true at the end once more."""

    def __init__(self, console: Console, *, redraw: bool) -> None:
        self._console = console
        self._redraw = redraw

    async def run(self, feed: Feed) -> None:
        """For ever. A store that cannot be read is shown, not raised."""
        width = max(map(len, feed.addresses), default=0)
        for name, address in feed.addresses.items():
            self._say(f"{name:<{width}} {address}")
        await (self._draw(feed) if self._redraw else self._lines(feed))

    async def _lines(self, feed: Feed) -> None:
        while True:
            self._say(await _one_line(feed))
            await anyio.sleep(LINE_SECONDS)

    def _say(self, text: str) -> None:
        """A line that cannot be written (a full disk behind a redirection) is lost: no order waits for it."""
        with suppress(OSError):
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    async def _draw(self, feed: Feed) -> None:
        """A terminal that went away takes its view with it, not the bridge."""
        with suppress(OSError), Live(console=self._console, auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                live.update(await _frame(feed), refresh=True)
                await anyio.sleep(REDRAW_SECONDS)


async def _one_line(feed: Feed) -> str:
    try:
        return line(await look(feed))
    except (StoreBusy, sqlite3.Error, TimeoutError) as fault:
        return f"store=unreadable why={_quoted(str(fault))}"


async def _frame(feed: Feed) -> RenderableType:
    try:
        return frame(await look(feed), started_at=feed.started_at)
    except (StoreBusy, sqlite3.Error, TimeoutError) as fault:
        return Text(f"The store cannot be read now: {fault}", style="bold red")


# -- one line ----------------------------------------------------------------------------------------------------


def line(seen: Seen) -> str:
    """``came_in=120 booked=96 blocked=5 ...``: the live view's fields as key=value."""
    states = seen.overview.states
    oldest = seen.overview.oldest_waiting
    facts = {
        "came_in": seen.overview.came_in,
        "booked": states["booked"],
        "blocked": states["blocked"],
        "blocked_why": _why(seen.overview.blocked),
        "not_yet": states["not_yet"],
        "not_yet_why": _why(seen.overview.not_yet),
        "waiting": seen.overview.waiting,
        "in_doubt": states["in_doubt"],
        "never": states["never"],
        "oldest_waiting": oldest.name if oldest else "-",
        "oldest_waiting_seconds": int((seen.now - oldest.since).total_seconds()) if oldest else 0,
        "queue": seen.overview.jobs_waiting,
        "incidents": seen.overview.incidents,
        **{key: value for pulse in seen.pulses for key, value in _pulse_facts(pulse).items()},
        **_channel_facts(seen.overview),
        **_after_facts(seen.overview.after),
        **_stock_facts(seen),
        "stopped": "; ".join(seen.stopped) or "-",
    }
    return " ".join(f"{key}={_quoted(str(value))}" for key, value in facts.items())


def _why(reasons: Iterable[Reason]) -> str:
    """Each code once, with the orders of all its causes that are shown."""
    orders: Counter[str] = Counter()
    for reason in reasons:
        orders[reason.code] += reason.orders
    return ",".join(f"{code}:{count}" for code, count in orders.items()) or "-"


def _pulse_facts(pulse: Pulse) -> dict[str, object]:
    facts: dict[str, object] = {
        "circuit": pulse.circuit,
        "slow": "yes" if pulse.slow else "no",
    }
    if pulse.calls_per_minute is not None:
        facts["calls_per_minute"] = f"{pulse.calls_per_minute:.0f}"
        facts["p50"] = latency(pulse.latency_p50_seconds).replace(" ", "")
    if pulse.posting_lag_seconds is not None:
        facts["posting_lag_seconds"] = f"{pulse.posting_lag_seconds:.0f}"
    if pulse.circuit == "open":
        facts["why"] = pulse.why
    return {f"{pulse.name}.{key}": value for key, value in facts.items()}


def _channel_facts(overview: Overview) -> dict[str, object]:
    return {
        f"{channel}.{what}": count
        for channel, states in sorted(overview.of_channel.items())
        for what, count in (("came_in", sum(states.values())), ("booked", states.get("booked", 0)))
    }


def _after_facts(after: After) -> dict[str, object]:
    facts: dict[str, object] = {"owed": after.owed, "untold": after.untold, "differing": after.differing}
    for channel, pieces in sorted(after.left.items()):
        facts |= {f"{channel}.left": pieces, f"{channel}.shown_as_sent": after.told.get(channel, 0)}
    return facts


def _stock_facts(seen: Seen) -> dict[str, object]:
    if seen.stock is None:
        return {}
    facts: dict[str, object] = {"oversold": seen.stock.pieces, "raced": seen.stock.raced}
    for name, one in sorted(seen.stock.channels.items()):
        facts |= {f"{name}.numbers_waiting": one.waiting, f"{name}.told_last_minute": one.told}
    for name, feed in seen.stock.feeds.items():
        if feed.read_at is not None:
            facts[f"{name}.figures_seconds"] = int((seen.now - feed.read_at).total_seconds())
    return facts


def _quoted(text: str) -> str:
    plain = text.replace('"', "'").replace("\n", " ")
    return f'"{plain}"' if " " in plain or not plain else plain


# -- one frame ---------------------------------------------------------------------------------------------------


def frame(seen: Seen, *, started_at: datetime) -> RenderableType:
    """The whole view, at most some thirty lines of eighty columns."""
    parts = [_figures(seen, started_at), _oldest(seen), *_incidents(seen), *_last_told(seen)]
    parts += [Text(), _reasons(seen), Text(), *_connections(seen), *_after(seen.overview.after), *_oversold(seen)]
    parts += [Text(f"Nothing is booked: {why}", style="bold red") for why in seen.stopped]
    parts += [Text(note, style="yellow") for note in seen.notes]
    if seen.overview.last_bookings:
        parts += [Text(), _bookings(seen)]
    return Group(*parts)


def _figures(seen: Seen, started_at: datetime) -> RenderableType:
    states = seen.overview.states
    columns = (
        ("up", age(started_at, seen.now), ""),
        ("came in", f"{seen.overview.came_in:,}", "bold"),
        ("booked", f"{states['booked']:,}", "bold green"),
        ("blocked", f"{states['blocked']:,}", "bold red" if states["blocked"] else ""),
        ("not yet", f"{states['not_yet']:,}", "yellow" if states["not_yet"] else ""),
        ("waiting", f"{seen.overview.waiting:,}", ""),
        ("in doubt", f"{states['in_doubt']:,}", "bold magenta" if states["in_doubt"] else ""),
        ("never", f"{states['never']:,}", ""),
    )
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name, _, _ in columns:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row(*(Text(value, style=style) for _, value, style in columns))
    return table


def _oldest(seen: Seen) -> RenderableType:
    overview = seen.overview
    text = Text.assemble(("oldest waiting  ", "dim"), oldest_text(overview.oldest_waiting, seen.now))
    if overview.jobs_waiting:
        due = f" for {age(overview.oldest_job, seen.now)}" if overview.oldest_job else ""
        text.append(f"   queue {overview.jobs_waiting:,}{due}", style="dim")
    if overview.jobs_dead:
        text.append(f"   {overview.jobs_dead} jobs given up (bcbridge jobs)", style="red")
    return text


def _incidents(seen: Seen) -> Iterator[RenderableType]:
    """How many stand: a line of its own, or it would be broken where eighty columns end."""
    if many := seen.overview.incidents:
        what = "incident" if many == 1 else "incidents"
        yield Text.assemble(("standing   ", "dim"), (f"{many:,} {what} (bcbridge incidents list)", "red"))


def _last_told(seen: Seen) -> Iterator[RenderableType]:
    """Whom the last alert went to."""
    told = seen.told
    if told is None:
        return
    where = f" on {told.connector}" if told.connector else ""
    others = f" and {told.incidents - 1} more" if told.incidents > 1 else ""
    at = told.at.astimezone().strftime("%H:%M:%S")
    yield Text.assemble(("last told  ", "dim"), f"{at} {told.box}: {words(told.code)}{where}{others}")


def _reasons(seen: Seen) -> RenderableType:
    """Two lists side by side: blocked and why, not yet and why."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=True)
    table.add_column("blocked, and why", ratio=3, no_wrap=True, overflow="ellipsis")
    table.add_column("not yet, and why", ratio=2, no_wrap=True, overflow="ellipsis")
    blocked = [_reason(reason, "red") for reason in seen.overview.blocked] or [Text("none", style="dim")]
    not_yet = [_reason(reason, "yellow") for reason in seen.overview.not_yet] or [Text("none", style="dim")]
    for row in range(max(len(blocked), len(not_yet))):
        table.add_row(*(side[row] if row < len(side) else Text() for side in (blocked, not_yet)))
    return table


def _reason(reason: Reason, style: str) -> Text:
    text = Text.assemble((f"{reason.orders:>5} ", style), words(reason.code))
    return text.append(f"  {reason.cause}", style="dim") if reason.cause else text


def _connections(seen: Seen) -> Iterator[RenderableType]:
    """Those that sell, then those that keep the books: an ERP tells how often it is called."""
    books = [pulse for pulse in seen.pulses if pulse.calls_per_minute is not None]
    sells = [pulse for pulse in seen.pulses if pulse not in books]
    if sells:
        names = ("came in", "booked", "blocked", *(TOLD if seen.stock else ()))
        yield _table_of("shop", names, [(pulse, _of_shop(seen, pulse)) for pulse in sells])
    if books:
        names = ("calls/min", "p50", "posting lag", *(("figures",) if seen.stock else ()))
        yield _table_of("ERP", names, [(pulse, (*_served(pulse), *_figures_of(seen, pulse))) for pulse in books])


TOLD = ("told/min", "to tell")


def _of_shop(seen: Seen, pulse: Pulse) -> Iterator[Text | str]:
    yield from _sold(seen.overview.of_channel.get(pulse.name, {}))
    yield from _told(seen, pulse)


def _told(seen: Seen, pulse: Pulse) -> tuple[str, ...]:
    """Numbers this shop was told within a minute, and those that wait."""
    if seen.stock is None:
        return ()
    one = seen.stock.channels.get(pulse.name, ChannelStock())
    return f"{one.told:,}", f"{one.waiting:,}"


def _figures_of(seen: Seen, pulse: Pulse) -> tuple[str, ...]:
    """How old the last reading of this ERP's figures is; how often they come, and how late, where that was found."""
    if seen.stock is None:
        return ()
    feed = seen.stock.feeds.get(pulse.name)
    if feed is None or feed.read_at is None:
        return ("not read",)
    return (f"{age(feed.read_at, seen.now)} old{_rhythm(feed)}",)


def _rhythm(feed: FeedFacts) -> str:
    cycle = load(feed.cycles) if feed.cycles else None
    if cycle is None or cycle.period is None:
        return ""
    late = f", {duration(cycle.latency.total_seconds())} late" if cycle.latency is not None else ""
    return f", each {duration(cycle.period.total_seconds())}{late}"


def _after(after: After) -> Iterator[RenderableType]:
    """How many pieces left and are shown as sent; what is open of booked orders, where anything is."""
    if after.left:
        left, sent = sum(after.left.values()), sum(after.told.values())
        yield Text.assemble(("left       ", "dim"), f"{left:,} pieces, of which their shops show {sent:,} as sent")
    open_ = (
        (after.owed, "to be told", "yellow"),
        (after.untold, "cannot be told", "red"),
        (after.differing, "differ", "red"),
    )
    said = [Text(f"{many:,} {what}", style=style) for many, what, style in open_ if many]
    if said:
        yield Text.assemble(("orders     ", "dim"), Text(", ").join(said), (" (bcbridge exceptions)", "dim"))


def _oversold(seen: Seen) -> Iterator[RenderableType]:
    """How many pieces are promised twice, beside what the race between shops accounts for."""
    if seen.stock is None:
        return
    pieces, raced = seen.stock.pieces, seen.stock.raced
    many = f"{pieces:,} {'piece' if pieces == 1 else 'pieces'}"
    text = Text.assemble(("oversold   ", "dim"), (many, "bold red" if pieces else "green"))
    said = f" (the race between shops accounts for {raced:,} at most; others were taken in the ERP)"
    yield text.append(said if pieces else "", style="dim")
    for why in (feed.held for feed in seen.stock.feeds.values() if feed.held):
        yield Text(f"A pull was not stored: {why}", style="bold red")


def _table_of(what: str, figures: Iterable[str], rows: Iterable[tuple[Pulse, Iterable[Text | str]]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(what, no_wrap=True, min_width=14)
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("how it is", overflow="ellipsis", no_wrap=True)
    for pulse, said in rows:
        table.add_row(pulse.name, *said, _health(pulse))
    return table


def _sold(states: Mapping[str, int]) -> tuple[Text, ...]:
    """What came of a shop's orders."""
    blocked = states.get("blocked", 0)
    return (
        Text(f"{sum(states.values()):,}"),
        Text(f"{states.get('booked', 0):,}", style="green"),
        Text(f"{blocked:,}", style="red" if blocked else ""),
    )


def _served(pulse: Pulse) -> tuple[str, ...]:
    lag = duration(pulse.posting_lag_seconds) if pulse.posting_lag_seconds is not None else ""
    return f"{pulse.calls_per_minute or 0:,.0f}", latency(pulse.latency_p50_seconds), lag


def _health(pulse: Pulse) -> Text:
    if pulse.circuit == "open":
        return Text(f"paused: {pulse.why}", style="bold red")
    if pulse.circuit == "disabled":
        return Text("switched off", style="dim")
    return Text("slow", style="bold yellow") if pulse.slow else Text("well", style="green")


def _bookings(seen: Seen) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("last booked", "order", "of", "in the ERP"):
        table.add_column(name, no_wrap=True)
    table.add_column("total", justify="right", no_wrap=True)
    for booking in seen.overview.last_bookings:
        at = booking.booked_at.astimezone().strftime("%H:%M:%S")
        total = money({booking.currency: booking.total})
        table.add_row(at, booking.name, booking.connector, ", ".join(booking.numbers), total)
    return table
