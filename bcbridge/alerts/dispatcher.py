"""Tells people: changes of incidents become alerts, and what is due for a box becomes one letter.

1. route: each change that nobody has decided about becomes alerts on disk (route.py), in the unit that ticks it off.
2. deliver, a loop for each box of its own: what is due is looked at again (worth.py), written as one letter
   (letter.py) and sent; at most one letter in ``gather_seconds``. It counts as sent once that is on disk.

A letter may be repeated (a kill between sending and committing), and is never lost: a box that cannot be reached is
tried again with back-off kept on disk, and its failure is an incident told by the other boxes. What could not be told
for ``give_up_days`` is given up, and that is an incident too. A box that hangs holds up itself alone.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import anyio
import structlog

from bcbridge.alerts.channel import Channel
from bcbridge.alerts.hours import next_digest
from bcbridge.alerts.letter import Letter, Pen
from bcbridge.alerts.route import CROWD_FROM, NOT_DELIVERED, plan
from bcbridge.alerts.settings import AlertsSection
from bcbridge.alerts.worth import sort_out
from bcbridge.errors import BridgeError, Reject, Retry
from bcbridge.store import alerts as queue
from bcbridge.store import incidents
from bcbridge.store.alerts import Box, BoxState, Waiting
from bcbridge.store.db import Store, Unit

log = structlog.get_logger()

GIVEN_UP = "alerts_given_up"
LOOK_EVERY_SECONDS = 1.0
"""How long a change may lie before it is routed."""
LONGEST_IDLE = timedelta(seconds=30)
SHORTEST_IDLE = timedelta(milliseconds=50)
ROUTED_AT_ONCE = 50
TOLD_AT_ONCE = 2_000
"""Alerts in one letter; most of them are a number in it."""
STANDING_AT_MOST = 5_000
"""Incidents a digest looks at."""
DOWN_FOR = timedelta(minutes=15)
"""A box that cannot be reached for this long is an incident; one that refuses us is one at once."""
REFUSALS = 3
"""A letter that is refused this often in a row is given up."""
LONGEST_ASKED = timedelta(hours=1)
"""However long the other side asks us to wait."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=15)


@dataclass(slots=True)
class Dispatcher:
    """One process's. ``run`` is all its loops; ``route`` and ``deliver`` are one turn of each."""

    store: Store
    alerts: AlertsSection
    channels: Mapping[Box, Channel]
    now: Callable[[], datetime]
    status_url: str = ""
    chance: Callable[[], float] = random.random
    _news: anyio.Event = field(default_factory=anyio.Event)
    _unwritten: dict[Box, Unit[None]] = field(default_factory=dict)
    """Sent, and not on disk yet: written before anything else is sent there, so that a full disk repeats nothing."""
    _down: dict[Box, tuple[datetime, str]] = field(default_factory=dict)

    async def run(self) -> None:
        """For ever."""
        while not await self._tried("taking up", self._take_up):  # noqa: ASYNC110 - it waits for the disk
            await anyio.sleep(LOOK_EVERY_SECONDS)
        async with anyio.create_task_group() as loops:
            loops.start_soon(self._routing)
            for box in self.channels:
                loops.start_soon(self._delivering, box)

    def down(self) -> list[str]:
        """The boxes that cannot be reached now, in words."""
        return [
            f"{box.channel} of {box.team} cannot be reached since {since:%Y-%m-%d %H:%M} UTC: {why}"
            for box, (since, why) in sorted(self._down.items())
        ]

    async def aclose(self) -> None:
        for channel in self.channels.values():
            await channel.aclose()

    # -- loops -------------------------------------------------------------------------------------------------

    async def _take_up(self) -> None:
        await self.store.write(partial(queue.take_up, boxes=set(self.channels), now=self.now()))
        for state in await queue.boxes(self.store.read):
            if state.down_since is not None and state.box in self.channels:
                self._down[state.box] = state.down_since, state.why

    async def _tried(self, what: str, work: Callable[[], Awaitable[None]]) -> bool:
        """Alerts never end the bridge: what fails is logged and tried again."""
        try:
            await work()
        except (BridgeError, TimeoutError, sqlite3.Error) as fault:
            log.warning("alerts put off", what=what, why=str(fault) or type(fault).__name__)
        except Exception:
            log.exception("alerts failed", what=what)
        else:
            return True
        return False

    async def _routing(self) -> None:
        while True:
            await self._tried("routing", self._route_all)
            await anyio.sleep(LOOK_EVERY_SECONDS)

    async def _route_all(self) -> None:
        while await self.route() == ROUTED_AT_ONCE:
            pass

    async def _delivering(self, box: Box) -> None:
        wait = timedelta(0)

        async def turn() -> None:
            nonlocal wait
            wait = await self.deliver(box)

        while True:
            news, wait = self._news, FIRST_PAUSE
            await self._tried(f"delivering to {box}", turn)
            with anyio.move_on_after(min(max(wait, SHORTEST_IDLE), LONGEST_IDLE).total_seconds()):
                await news.wait()

    # -- 1. route ----------------------------------------------------------------------------------------------

    async def route(self) -> int:
        """Decide about the oldest changes; returns how many. Raises StoreBusy."""
        now = self.now()
        changes = await queue.unrouted(self.store.read, now=now, limit=ROUTED_AT_ONCE)
        if changes:
            crowds = await queue.crowds(self.store.read, now=now, many=CROWD_FROM)
            made = [alert for change in changes for alert in plan(change, self.alerts, now=now, crowds=crowds)]
            ids = [change.id for change in changes]
            await self.store.write(partial(queue.route, changes=ids, alerts=made, now=now))
            self._news, heard = anyio.Event(), self._news
            heard.set()
        return len(changes)

    # -- 2. deliver --------------------------------------------------------------------------------------------

    async def deliver(self, box: Box) -> timedelta:
        """Send the letter that is due, if one is; returns how long nothing more will be. Raises StoreBusy."""
        await self._write_down(box)
        now, state = self.now(), await queue.box_state(self.store.read, box)
        if state.down_since is not None:
            await self._give_up_old(box, now)
        begin = max(now, self._not_before(state, now))
        if begin > now:
            return begin - now
        sent = await self._news_letter(box, now) or await self._digest(box, state, now)
        return self._gathering if sent else await self._until_next(box, now)

    @property
    def _gathering(self) -> timedelta:
        return timedelta(seconds=self.alerts.gather_seconds)

    def _not_before(self, state: BoxState, now: datetime) -> datetime:
        """After a failure when it is tried again, after a letter when that was long enough ago.

        What is further away than that can be was written by a clock that has been put back since.
        """
        after_last = state.last_letter_at + self._gathering if state.last_letter_at else now
        begin, longest = (state.next_try_at, LONGEST_ASKED) if state.next_try_at else (after_last, self._gathering)
        return begin if begin <= now + longest else now

    async def _until_next(self, box: Box, now: datetime) -> timedelta:
        due = await queue.next_due(self.store.read, box)
        digest = next_digest(self.alerts.teams[box.team], (await queue.box_state(self.store.read, box)).digest_at)
        return max(min(due or digest, digest) - now, timedelta(0))

    async def _news_letter(self, box: Box, now: datetime) -> bool:
        """Whether a letter was tried."""
        due = await queue.due(self.store.read, box, now=now, soon=now + self._gathering, limit=TOLD_AT_ONCE)
        if not any(one.due <= now for one in due):
            return False
        tell, drop = sort_out(due, now=now)
        if drop:
            await self.store.write(partial(queue.drop, reasons=drop, now=now))
        if tell:
            await self._send(box, self._pen(box).news(tell, box, now=now), tell)
        return bool(tell)

    async def _digest(self, box: Box, state: BoxState, now: datetime) -> bool:
        if now < next_digest(self.alerts.teams[box.team], state.digest_at):
            return False
        since = state.digest_at
        found = await queue.of_box(self.store.read, box, since=since, limit=STANDING_AT_MOST)
        letter = self._pen(box).digest(found, box, since=since, now=now)
        if letter is None:
            await self.store.write(partial(queue.digested, box=box, told=False, now=now))
            return False
        await self._send(box, letter, [])
        return True

    def _pen(self, box: Box) -> Pen:
        return Pen(self.alerts, self.alerts.teams[box.team].zone, self.status_url)

    async def _send(self, box: Box, letter: Letter, told: Sequence[Waiting]) -> None:
        try:
            missed = await self.channels[box].send(letter)
        except (BridgeError, TimeoutError) as fault:
            await self._failed(box, fault, told)
        except Exception as fault:  # ours, or a library's: one such letter must not hold up the box for ever
            log.exception("letter not written", box=str(box))
            await self._failed(box, Reject([f"the letter cannot be sent ({type(fault).__name__})"]), told)
        else:
            log.info("letter sent", box=str(box), alerts=len(told), missed=missed)
            self._unwritten[box] = partial(_sent, box=box, told=told, missed=missed, now=self.now())
            await self._write_down(box)

    async def _write_down(self, box: Box) -> None:
        """What was sent, on disk. Raises StoreBusy; then it is owed."""
        unit = self._unwritten.get(box)
        if unit is not None:
            await self.store.write(unit)
            del self._unwritten[box]
            self._down.pop(box, None)

    # -- what did not go through -------------------------------------------------------------------------------

    async def _failed(self, box: Box, fault: BaseException, alerts: Sequence[Waiting]) -> None:
        now, why = self.now(), str(fault) or "no answer in time"
        since, _ = self._down.get(box, (now, ""))
        self._down[box] = since, why
        attempt = (await queue.box_state(self.store.read, box)).attempts + 1
        later = isinstance(fault, Retry | TimeoutError)
        hopeless = isinstance(fault, Reject) and attempt >= REFUSALS
        asked = fault.after if isinstance(fault, Retry) and fault.after is not None else timedelta(0)
        again = now + max(asked, pause(attempt, chance=self.chance))
        told = not later or now - since >= DOWN_FOR
        log.warning("letter not sent", box=str(box), why=why, again=again.isoformat())

        def unit(tx: sqlite3.Connection) -> None:
            queue.failed(tx, box, why=why, again=again, now=now)
            if told:
                _open(tx, NOT_DELIVERED, box, f"Alerts for {box} cannot be delivered: {why}", now=now)
            if hopeless:  # this letter is not taken, the next may pass
                _give_up_letter(tx, box, alerts, why=why, now=now)

        await self.store.write(unit)

    async def _give_up_old(self, box: Box, now: datetime) -> None:
        before = now - timedelta(days=self.alerts.give_up_days)

        def unit(tx: sqlite3.Connection) -> None:
            _give_up(tx, box, queue.too_old(tx, box, before=before), why="could not be delivered in time", now=now)

        await self.store.write(unit)


def pause(attempt: int, *, chance: Callable[[], float]) -> timedelta:
    """The wait after the how manieth failure: doubling, capped, 50 to 100 % of its step."""
    doublings: int = min(max(attempt, 1) - 1, 12)
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << doublings)) * (0.5 + 0.5 * chance())


# -- units ---------------------------------------------------------------------------------------------------------


def _sent(tx: sqlite3.Connection, box: Box, told: Sequence[Waiting], missed: str, now: datetime) -> None:
    if told:
        queue.sent(tx, box, told, now=now)
    else:
        queue.digested(tx, box, told=True, now=now)
    if missed:
        _open(tx, NOT_DELIVERED, box, f"Alerts for {box} do not reach everybody: {missed}", now=now)
    else:
        incidents.close(tx, code=NOT_DELIVERED, connector="", cause=str(box), now=now)


def _give_up_letter(tx: sqlite3.Connection, box: Box, told: Sequence[Waiting], *, why: str, now: datetime) -> None:
    _give_up(tx, box, [one.id for one in told], why=why, now=now)
    if not told:
        queue.digested(tx, box, told=False, now=now)


def _give_up(tx: sqlite3.Connection, box: Box, ids: Sequence[int], *, why: str, now: datetime) -> None:
    many = queue.give_up(tx, box, ids, why=why, now=now) if ids else 0
    if many:
        _open(tx, GIVEN_UP, box, f"{many:,} alerts for {box} were given up: {why}", now=now)


def _open(tx: sqlite3.Connection, code: str, box: Box, text: str, *, now: datetime) -> None:
    incidents.open_one(tx, code=code, connector="", cause=str(box), text=text, now=now)
