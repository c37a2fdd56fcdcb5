"""The background job that makes sales orders of what the API accepted (NOTES 4.3): later, in cycles, or not.

Accepted is not posted: unknown customers, SKUs, divisions, locations and shippers are found here, after the
API has long said yes. Counts are booked by the same job. All orders of one cycle share one ``last_mod``.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import anyio

from bcbridge.sandbox.base import World
from bcbridge.sandbox.bluecherry import counts
from bcbridge.sandbox.bluecherry.accepting import rows_of
from bcbridge.sandbox.bluecherry.books import Row
from bcbridge.sandbox.bluecherry.orders import book, sku_of
from bcbridge.sandbox.bluecherry.pen import Pen, Pens

BATCH = 500
"""Inbound orders of one cycle: one transaction, and the next cycle goes on."""


@dataclass(frozen=True)
class Cycle:
    """What one run of the job did."""

    posted: int = 0
    refused: int = 0
    stopped: bool = False


@dataclass(frozen=True)
class _Fate:
    """What the faults decided about one inbound order before the cycle began."""

    refuse: bool
    change: bool


class PostingJob:
    """Posts what was accepted, every ``post_every_seconds`` and when told to."""

    def __init__(self, world: World, pens: Pens) -> None:
        self._world = world
        self._pens = pens
        self._one_at_a_time = anyio.Lock()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wait()
            await self.cycle()

    async def cycle(self) -> Cycle:
        """One run of the job, now."""
        async with self._one_at_a_time:
            waiting = await self._world.books.read(_waiting_ids)
            if not waiting and not await self._world.books.read(counts.waiting):
                return Cycle()
            faults = self._world.faults
            if await faults.strikes("posting_stopped"):
                return Cycle(stopped=True)
            if await faults.strikes("posting_out_of_order"):
                waiting = waiting[::-1][: (len(waiting) + 1) // 2]
            fates = {
                id_: _Fate(await faults.strikes("posting_refuses"), await faults.strikes("changed_on_posting"))
                for id_ in waiting[:BATCH]
            }
            pen = self._pens()
            return await self._world.books.write(lambda c: _post(c, fates, pen))

    async def _wait(self) -> None:
        """Until the interval, as it is set now, has gone by."""
        faults, begun = self._world.faults, anyio.current_time()
        while (left := begun + faults.value("post_every_seconds") - anyio.current_time()) > 0:
            with anyio.move_on_after(left):
                await faults.altered()


def _waiting_ids(connection: sqlite3.Connection) -> list[int]:
    found = connection.execute("SELECT id FROM inbound WHERE status = 'accepted' ORDER BY id LIMIT ?", (BATCH * 2,))
    return [id_ for (id_,) in found]


def _post(connection: sqlite3.Connection, fates: dict[int, _Fate], pen: Pen) -> Cycle:
    counts.post(connection, pen)
    posted = sum(_post_one(connection, id_, fate, pen) for id_, fate in fates.items())
    return Cycle(posted=posted, refused=len(fates) - posted)


def _post_one(connection: sqlite3.Connection, id_: int, fate: _Fate, pen: Pen) -> bool:
    row = connection.execute("SELECT body, accepted_at FROM inbound WHERE id = ? AND status = 'accepted'", (id_,))
    found = row.fetchone()
    if found is None:  # the world was reset meanwhile
        return False
    document = json.loads(found[0], parse_float=Decimal)
    problems = ["refused by the posting job"] if fate.refuse else list(_problems(connection, document))
    if problems:
        connection.execute(_REFUSE, {"id": id_, "reason": "; ".join(problems)})
        return False
    kept = _changed(document) if fate.change else document
    header = book(connection, kept, pen, entered=pen.stamp_of(datetime.fromisoformat(found[1])))
    connection.execute(_POSTED, {"id": id_, "ord_num": header["ord_num"]})
    return True


_REFUSE = "UPDATE inbound SET status = 'refused', reason = :reason WHERE id = :id"
_POSTED = "UPDATE inbound SET status = 'posted', ord_num = :ord_num WHERE id = :id"


def _changed(document: Row) -> Row:
    """The order with its first line altered: one piece more, or one money unit more where there are several lines."""
    first, *rest = rows_of(document, "orderdetail")
    altered = {**first, "price": first["price"] + 1} if rest else {**first, "ord_qty": first["ord_qty"] + 1}
    return {**document, "orderdetail": {"rows": [altered, *rest]}}


def _problems(connection: sqlite3.Connection, document: Row) -> Iterator[str]:
    """Why the posting job refuses the order; nothing where it may be posted."""
    if not _one(connection, "SELECT 1 FROM customers WHERE customer = ?", document["customer"]):
        yield f"customer {document['customer']} is not on file"
    yield from _unknown_codes(connection, document)
    for place, line in enumerate(rows_of(document, "orderdetail"), 1):
        for problem in _line_problems(connection, document, line):
            yield f"line {place}: {problem}"


def _unknown_codes(connection: sqlite3.Connection, document: Row) -> Iterator[str]:
    shipper, division = document.get("shipper"), document.get("division")
    if shipper and not _one(connection, _SHIPPER, shipper):
        yield f"shipper {shipper} is not on file"
    if division and not _one(connection, "SELECT 1 FROM skus WHERE division = ? LIMIT 1", division):
        yield f"division {division} is not on file"
    places = {document.get("location"), *(line.get("location") for line in rows_of(document, "orderdetail"))}
    for location in sorted(place for place in places if place):
        if not _one(connection, _WAREHOUSE, location):
            yield f"location {location} is not a warehouse"


_SHIPPER = "SELECT 1 FROM shippers WHERE json_extract(header, '$.shipper') = ?"
_WAREHOUSE = """
SELECT 1 FROM locations
WHERE json_extract(header, '$.location') = ? AND json_extract(header, '$.loc_type') = 'W'"""


def _line_problems(connection: sqlite3.Connection, document: Row, line: Row) -> Iterator[str]:
    sku = sku_of(connection, line)
    if sku is None:
        yield f"{line.get('upc') or line.get('style')} is not on file"
        return
    if sku["active_ok"] != "Y":
        yield f"style {sku['style']} is not active in {sku['color_code']}"
    if document.get("division") and sku["division"] != document["division"]:
        yield f"style {sku['style']} belongs to division {sku['division']}"
    for name in ("style", "color_code", "lbl_code", "dimension", "size_desc"):
        if line.get(name) and line[name] != sku[name]:
            yield f"{name} {line[name]} is not that of {sku['upc']}"


def _one(connection: sqlite3.Connection, statement: str, value: str) -> bool:
    return connection.execute(statement, (value,)).fetchone() is not None
