"""What a person may do about incidents: acknowledge, snooze, resolve. Through the running bridge, or without one.

Each act is written down with who, when, why, before and after, in the unit that does it. Whoever is to be told of it
learns it from the change that it leaves beside the incident.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bcbridge.model.acts import ActResult, Incidents, LeftOut, NotFound, Refusal
from bcbridge.model.incidents import FAILURES
from bcbridge.store import acts as kept
from bcbridge.store import incidents
from bcbridge.store.db import Store
from bcbridge.store.incidents import Which

SHOWN = 50

Do = Callable[[sqlite3.Connection, int], bool]
LeaveOut = Callable[[sqlite3.Row], str]
"""Why one of those meant is left alone; empty: it is not."""


@dataclass(frozen=True, slots=True)
class IncidentActs:
    store: Store
    now: Callable[[], datetime]

    async def ack(self, which: Incidents, *, why: str, who: str, dry_run: bool) -> ActResult:
        def do(tx: sqlite3.Connection, one: int) -> bool:
            return incidents.ack(tx, one, who=who, why=why, now=self.now())

        return await self._act("ack", which, do, _acked, why=why, who=who, dry_run=dry_run)

    async def snooze(self, which: Incidents, *, until: datetime, why: str, who: str, dry_run: bool) -> ActResult:
        if until <= self.now():
            raise Refusal(f"{until:%Y-%m-%d %H:%M %z} is over already")

        def do(tx: sqlite3.Connection, one: int) -> bool:
            return incidents.snooze(tx, one, until=until, who=who, why=why, now=self.now())

        return await self._act("snooze", which, do, _none, why=why, who=who, dry_run=dry_run)

    async def resolve(self, which: Incidents, *, anyway: bool, why: str, who: str, dry_run: bool) -> ActResult:
        def do(tx: sqlite3.Connection, one: int) -> bool:
            return incidents.resolve(tx, one, who=who, why=why, now=self.now())

        leave_out = _none if anyway else _ends_by_itself
        return await self._act("resolve_incident", which, do, leave_out, why=why, who=who, dry_run=dry_run)

    async def _act(
        self, act: str, which: Incidents, do: Do, leave_out: LeaveOut, *, why: str, who: str, dry_run: bool
    ) -> ActResult:
        if which.is_empty:
            raise Refusal("say which incidents: their numbers, a code, a connection, or all")

        def unit(tx: sqlite3.Connection) -> ActResult:
            rows = _meant(tx, which)
            left = [LeftOut(order=_name(row), reason=why_not) for row in rows if (why_not := leave_out(row))]
            free = [row for row in rows if not leave_out(row)]
            if free and not dry_run:
                self._carry_out(tx, act, free, do, why=why, who=who)
            return ActResult(
                matched=len(rows),
                done=0 if dry_run else len(free),
                orders=tuple(_name(row) for row in free[:SHOWN]),
                left_out=tuple(left[:SHOWN]),
            )

        return await self.store.write(unit)

    def _carry_out(
        self, tx: sqlite3.Connection, act: str, rows: Sequence[sqlite3.Row], do: Do, *, why: str, who: str
    ) -> None:
        for row in rows:
            do(tx, row["id"])
        kept.write_down(
            tx,
            who=who,
            act=act,
            target=f"{len(rows)} incidents",
            why=why,
            before=_states(rows),
            after=_states(incidents.named(tx, [row["id"] for row in rows])),
            now=self.now(),
            count=len(rows),
        )


def _meant(tx: sqlite3.Connection, which: Incidents) -> list[sqlite3.Row]:
    """Those that stand. Raises NotFound where one that was named does not."""
    rows = incidents.meant(tx, Which(which.numbers or None, which.code, which.connector))
    missing = sorted(set(which.numbers) - {row["id"] for row in rows})
    if missing:
        raise NotFound(f"no such incident stands: {', '.join(map(str, missing))}")
    return rows


def _name(row: sqlite3.Row) -> str:
    return " ".join(str(word) for word in (row["id"], row["code"], row["connector"]) if word)


def _states(rows: Sequence[sqlite3.Row]) -> dict[str, str]:
    return {str(row["id"]): _state(row) for row in rows[:SHOWN]}


def _state(row: sqlite3.Row) -> str:
    if row["closed_at"]:
        return "resolved"
    words = [
        f"acknowledged by {row['acked_by']}" if row["acked_at"] else "",
        f"snoozed until {row['snoozed_until']}" if row["snoozed_until"] else "",
    ]
    return ", ".join(word for word in words if word) or "open"


def _none(row: sqlite3.Row) -> str:
    return ""


def _acked(row: sqlite3.Row) -> str:
    return f"acknowledged by {row['acked_by']}" if row["acked_at"] else ""


def _ends_by_itself(row: sqlite3.Row) -> str:
    failure = FAILURES.get(row["code"])
    ends = failure is not None and failure.ends
    return "it ends by itself when its cause is cured; --anyway closes it all the same" if ends else ""
