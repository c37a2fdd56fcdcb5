"""What a process left standing when it ended: circuits live in memory, their incidents in the store."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial

import anyio
import structlog

from bcbridge.errors import BridgeError
from bcbridge.model.incidents import FAILURES
from bcbridge.runtime.backoff import backoff
from bcbridge.runtime.circuit import PROBE_DEADLINE_SECONDS, Circuit
from bcbridge.store import incidents
from bcbridge.store.db import Store

log = structlog.get_logger()

CIRCUIT_OPEN = "circuit_open"
SETTLE_SECONDS = 30.0
"""Time for the first reads to fail: a circuit that was opened by content is closed by no ping."""

ENDING = frozenset(code for code, failure in FAILURES.items() if failure.ends)
"""What is over without a person's word, once nothing is left that it could be about."""


def end_unused(
    tx: sqlite3.Connection,
    *,
    known: Collection[str],
    used: Collection[str],
    watched: Collection[str],
    now: datetime,
) -> int:
    """What nobody will ever end, the connection being gone or switched off; returns how many.

    ``known``: the connections of config.toml. ``used``: those that run. ``watched``: codes that are ended by a watch,
    of which one that is switched off has none; the others wait for it to be switched on again.
    """
    gone = incidents.close_elsewhere(
        tx, ENDING, connectors=known, why="the connection is not in config.toml any more", now=now
    )
    why = "the connection is switched off"
    return gone + incidents.close_elsewhere(tx, {CIRCUIT_OPEN, *watched}, connectors=used, why=why, now=now)


async def end_left_circuit(
    circuit: Circuit, store: Store, *, now: Callable[[], datetime], settle_seconds: float = SETTLE_SECONDS
) -> None:
    """A circuit begins closed: an incident that stands of it ends with the first ping that goes through.

    Where the circuit opens before that, it ends as that closes.
    """
    name, attempt = circuit.connector.name, 0
    await anyio.sleep(settle_seconds)
    while not circuit.is_open:
        attempt += 1
        try:
            if not await incidents.stands(store, code=CIRCUIT_OPEN, connector=name):
                return
            with anyio.fail_after(PROBE_DEADLINE_SECONDS):
                await circuit.connector.ping()
            if not circuit.is_open:
                end = partial(incidents.close, code=CIRCUIT_OPEN, connector=name, cause="circuit", now=now())
                await store.write(end)
        except (BridgeError, TimeoutError, sqlite3.Error) as fault:
            log.info("still not answering", connector=name, why=str(fault) or type(fault).__name__)
            await anyio.sleep(backoff(attempt, chance=random.random).total_seconds())
