"""A bench for the voice: a clock that stands still, a channel in memory, and a dispatcher that is turned by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bcbridge.alerts.dispatcher import ROUTED_AT_ONCE, Dispatcher
from bcbridge.alerts.letter import Letter
from bcbridge.alerts.route import all_boxes
from bcbridge.alerts.settings import AlertsSection, TeamSection
from bcbridge.store import alerts, incidents
from bcbridge.store.alerts import Box
from bcbridge.store.db import Store

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OPS, ENGINEERS = Box("operations", "slack/ops"), Box("engineers", "email")
GATHER = 30.0
ZONES = [TeamSection(time_zone=name) for name in ("UTC", "Europe/Berlin")]
"""Read from their files before any loop runs, as settings are."""


def settings(**more: Any) -> AlertsSection:
    """Operations on Slack, engineers by e-mail; what is given replaces that."""
    table: dict[str, Any] = {
        "teams": {
            "operations": {"slack": "ops", "escalate_to": "engineers"},
            "engineers": {"email": "duty@example.com"},
        },
        "slack": {"ops": {"webhook": "file:hook"}},
        "smtp": {"host": "mail.example.com"},
    }
    return AlertsSection.model_validate({**table, **more})


@dataclass
class Clock:
    """The present, moved by hand."""

    at: datetime = START

    def __call__(self) -> datetime:
        return self.at

    def tick(self, **span: float) -> None:
        self.at += timedelta(**span)


@dataclass
class Memory:
    """A channel that keeps what it was given, or raises what it was told to."""

    letters: list[Letter] = field(default_factory=list)
    fault: Exception | None = None
    missed: str = ""

    async def send(self, letter: Letter) -> str:
        if self.fault is not None:
            raise self.fault
        self.letters.append(letter)
        return self.missed

    async def aclose(self) -> None:
        """Nothing is open."""

    @property
    def subjects(self) -> list[str]:
        return [letter.subject for letter in self.letters]


@dataclass
class Desk:
    """One store, one dispatcher, one channel in memory for each box."""

    store: Store
    clock: Clock
    dispatcher: Dispatcher
    boxes: Mapping[Box, Memory]

    async def open(self, code: str, *, connector: str = "erp", cause: str = "it", text: str = "no answer") -> None:
        await self.store.write(
            lambda tx: incidents.open_one(tx, code=code, connector=connector, cause=cause, text=text, now=self.clock.at)
        )

    async def cure(self, code: str, *, connector: str = "erp", cause: str = "it") -> None:
        await self.store.write(
            lambda tx: incidents.close(tx, code=code, connector=connector, cause=cause, now=self.clock.at)
        )

    async def number(self, code: str, cause: str = "it") -> int:
        row = await self.store.read.row("SELECT id FROM incidents WHERE code = ? AND cause = ?", (code, cause))
        assert row is not None
        return int(row["id"])

    async def ack(self, code: str) -> None:
        one = await self.number(code)
        await self.store.write(lambda tx: incidents.ack(tx, one, who="anna", why="", now=self.clock.at))

    async def snooze(self, code: str, until: datetime) -> None:
        one = await self.number(code)
        await self.store.write(lambda tx: incidents.snooze(tx, one, until=until, who="anna", why="", now=self.clock.at))

    async def turn(self) -> None:
        """Route what happened, and give each box one turn."""
        while await self.dispatcher.route() == ROUTED_AT_ONCE:
            pass
        for box in self.boxes:
            await self.dispatcher.deliver(box)

    async def later(self, **span: float) -> None:
        """Time goes by in steps of the gathering time at most, with a turn at each."""
        end = self.clock.at + timedelta(**span)
        step = max(timedelta(seconds=GATHER), timedelta(**span) / 50)
        while self.clock.at < end:
            self.clock.at = min(end, self.clock.at + step)
            await self.turn()

    async def state(self, box: Box) -> alerts.BoxState:
        return await alerts.box_state(self.store.read, box)

    async def standing(self) -> dict[str, str]:
        rows = await self.store.read.rows("SELECT code, cause FROM incidents WHERE closed_at IS NULL")
        return {row["code"]: row["cause"] for row in rows}

    async def states(self) -> dict[str, int]:
        rows = await self.store.read.rows("SELECT state, count(*) AS n FROM alerts GROUP BY state")
        return {row["state"]: row["n"] for row in rows}

    async def changes(self) -> list[str]:
        rows = await self.store.read.rows("SELECT change FROM incident_changes ORDER BY id")
        return [row["change"] for row in rows]


async def desk(store: Store, chosen: AlertsSection | None = None, *, clock: Clock | None = None) -> Desk:
    """A dispatcher that has taken up its boxes, as ``run`` does first."""
    chosen, clock = chosen or settings(), clock or Clock()
    boxes = {box: Memory() for box in all_boxes(chosen)}
    dispatcher = Dispatcher(store, chosen, boxes, clock, chance=lambda: 1.0)
    await store.write(lambda tx: alerts.take_up(tx, set(boxes), now=clock.at))
    return Desk(store, clock, dispatcher, boxes)


def unrouted(tx: sqlite3.Connection) -> int:
    return int(tx.execute("SELECT count(*) FROM incident_changes WHERE routed = 0").fetchone()[0])
