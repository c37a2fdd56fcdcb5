"""What orders ask of the ERP, row by row (ADR 0031, points 1 to 3): each row counts until a figure contains it.

1. looked    an order was looked at: what it asks of each SKU, and what the channel took off its own number
2. sent      a document of ours that asks for it stands in the outbox, from that commit on; ``unsent``: it was refused
             or given up
3. posted    the ERP's list shows it: piece by piece, and what was picked or taken off it over there
4. skipped   a person says that it will not be booked; ``gone``: deleted in the channel

``need = wanted - untold - (rows not void - reduced)``: more is a new row, less goes off what was not sent. What is sent
stays counted until it is posted or refused; what is posted stops counting by the figures alone.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bcbridge.model.sales_order import BookedLine, BookedOrder
from bcbridge.model.stock import OrderLook
from bcbridge.store.stamps import moment, stamp
from bcbridge.store.stock import adopted, compute, rows, shown
from bcbridge.store.stock.rows import Row

UNMAPPED = ""
"""The SKU of pieces that nobody can say what they are: taken off the channel's number, asked of nothing."""

Of = tuple[str, str, str]
"""channel, order_ref, sku."""


# -- looks -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Held:
    """What an order asked at the look before; ``at``: when that was, None where this is the first."""

    at: datetime | None
    placed: str
    wanted: Mapping[tuple[str, str], int]
    taken: Mapping[tuple[str, str], int]
    warehouses: Mapping[tuple[str, str], str]

    def is_newer(self, asked: datetime, *, now: datetime) -> bool:
        """Than a look that was asked for then. What a clock that was set back since had said proves nothing."""
        return self.at is not None and asked < self.at <= now


_ASKED = """
SELECT sku, location, warehouse, wanted, taken, placed_at, looked_at FROM stock_asked
WHERE channel = ? AND order_ref = ?
"""
_KEEP = """
INSERT INTO stock_asked (channel, order_ref, sku, location, warehouse, wanted, taken, placed_at, looked_at, closed)
VALUES (:channel, :order_ref, :sku, :location, :warehouse, :wanted, :taken, :placed_at, :looked_at, :closed)
ON CONFLICT (channel, order_ref, sku, location) DO UPDATE SET warehouse = excluded.warehouse,
    wanted = excluded.wanted, taken = excluded.taken, placed_at = excluded.placed_at, looked_at = excluded.looked_at,
    closed = excluded.closed
"""
_DROP = "DELETE FROM stock_asked WHERE channel = ? AND order_ref = ? AND sku = ? AND location = ?"
_SKIPPED = "SELECT 1 FROM orders WHERE connector = ? AND ref = ? AND state = 'never' AND code = 'skipped'"
"""A person may say so while the order is looked at."""


def looked(tx: sqlite3.Connection, channel: str, look: OrderLook, *, now: datetime) -> set[str]:
    """An order was looked at. One that is older than what is known changes nothing. Returns the SKUs it touches."""
    return looked_many(tx, channel, [look], now=now).skus


@dataclass(frozen=True, slots=True)
class Counted:
    """The SKUs that looks touched, and the channels in which a number has to be written because of them."""

    skus: set[str]
    due: frozenset[str]


def looked_many(tx: sqlite3.Connection, channel: str, looks: Sequence[OrderLook], *, now: datetime) -> Counted:
    """A batch of looks: one computing of all the numbers they touch."""
    compares = _compares(tx, channel)
    touched: set[str] = set()
    for look in looks:
        touched |= _look(tx, channel, look, compares=compares, now=now)
    return Counted(touched, compute.mark(tx, touched, now=now))


_COMPARES = "SELECT max(compares) AS compares FROM stock_outlets WHERE channel = ?"


def _compares(tx: sqlite3.Connection, channel: str) -> bool | None:
    """Whether the channel's numbers are written by compare; None where it is told none."""
    said = tx.execute(_COMPARES, (channel,)).fetchone()["compares"]
    return None if said is None else bool(said)


def _look(tx: sqlite3.Connection, channel: str, look: OrderLook, *, compares: bool | None, now: datetime) -> set[str]:
    held = _held(tx, channel, look.ref)
    if held.is_newer(look.asked, now=now):
        return set()
    if tx.execute(_SKIPPED, (channel, look.ref)).fetchone() is not None:
        look = replace(look, lines=tuple(replace(one, wanted=0) for one in look.lines))
    from_before = held.at is None and adopted.adopt_order(tx, channel, look, now=now)
    wanted, taken = _keep(tx, channel, look, held)
    skus = {sku for sku, _ in {*held.wanted, *wanted}} - {UNMAPPED}
    for sku in skus:
        _hear_told(tx, (channel, look.ref, sku), before=_of_sku(held.wanted, sku), wanted=_of_sku(wanted, sku))
        _settle(tx, (channel, look.ref, sku), now=now)
    if compares is not None:
        _explain(tx, channel, look, held, taken, compares=compares, from_before=from_before, now=now)
    return skus


def _held(tx: sqlite3.Connection, channel: str, order_ref: str) -> _Held:
    found = tx.execute(_ASKED, (channel, order_ref)).fetchall()
    return _Held(
        at=moment(max(row["looked_at"] for row in found)) if found else None,
        placed=found[0]["placed_at"] if found else "",
        wanted={(row["sku"], row["location"]): row["wanted"] for row in found},
        taken={(row["sku"], row["location"]): row["taken"] for row in found},
        warehouses={(row["sku"], row["location"]): row["warehouse"] for row in found},
    )


Pieces = dict[tuple[str, str], int]
"""By SKU and location."""


def _keep(tx: sqlite3.Connection, channel: str, look: OrderLook, held: _Held) -> tuple[Pieces, Pieces]:
    """Write down what it asks now; an order that asks nothing leaves one row, which says that it was looked at."""
    wanted, taken, warehouses = _told(look, held)
    at = {"channel": channel, "order_ref": look.ref, "placed_at": stamp(look.placed), "looked_at": stamp(look.asked)}
    for sku, location in wanted or {(UNMAPPED, ""): 0}:
        key = (sku, location)
        asked = {"wanted": wanted.get(key, 0), "taken": taken.get(key, 0), "warehouse": warehouses.get(key, "")}
        tx.execute(_KEEP, {**at, "sku": sku, "location": location, "closed": look.closed, **asked})
    for sku, location in held.wanted.keys() - (wanted.keys() or {(UNMAPPED, "")}):
        tx.execute(_DROP, (channel, look.ref, sku, location))
    return wanted, taken


def _told(look: OrderLook, held: _Held) -> tuple[Pieces, Pieces, dict[tuple[str, str], str]]:
    """What the look says, by SKU and location. A location that was known and is told no more is still where it is."""
    wanted, taken, warehouses = Pieces(), Pieces(), dict[tuple[str, str], str]()
    for one in look.lines:
        key = (str(one.sku), str(one.location) or _where_before(one.sku, held))
        wanted[key] = wanted.get(key, 0) + one.wanted
        taken[key] = taken.get(key, 0) + one.taken
        warehouses[key] = one.warehouse or warehouses.get(key, "") or held.warehouses.get(key, "")
    return wanted, taken, warehouses


def _where_before(sku: str, held: _Held) -> str:
    known = {location for of, location in held.wanted if of == sku and location}
    return known.pop() if len(known) == 1 else ""


def _of_sku(pieces: Mapping[tuple[str, str], int], sku: str) -> int:
    return sum(count for (of, _), count in pieces.items() if of == sku)


# -- what the channel must be showing ----------------------------------------------------------------------------


def _explain(
    tx: sqlite3.Connection,
    channel: str,
    look: OrderLook,
    held: _Held,
    taken: Pieces,
    *,
    compares: bool,
    from_before: bool,
    now: datetime,
) -> None:
    """Each change of what the channel took moves the number it must be showing.

    For a channel that is written blind an order that changed and asks what it did counts, too: two changes that came to
    nothing may have stood around a write. Of an order from before this was counted nobody knows what it took when: its
    numbers are doubtful.
    """
    changes = _changes(held, taken)
    news = held.at is None or (look.asked > held.at and not look.again)
    for (sku, location), d in changes.items():
        if sku == UNMAPPED or not (d or (news and not compares)):
            continue
        shown.own_change(
            tx,
            channel,
            location,
            sku,
            0 if from_before else d,
            looked_at=look.asked,
            placed_at=look.placed,
            before=held.at,
            now=now,
        )
    if doubtful := {sku for (sku, _), d in changes.items() if (d < 0 or from_before) and compares and sku != UNMAPPED}:
        why = "an order from before it was counted" if from_before else "pieces were taken off an order"
        shown.doubt(tx, channel, doubtful, why, now=now)


def _changes(held: _Held, taken: Pieces) -> Pieces:
    """By SKU and location. Pieces that were only found out to be a SKU (by a new mapping) were taken long ago."""
    changes = {key: taken.get(key, 0) - held.taken.get(key, 0) for key in {*held.taken, *taken}}
    found_out = -sum(min(d, 0) for (sku, _), d in changes.items() if sku == UNMAPPED)
    for key, d in changes.items():
        if key[0] != UNMAPPED and d > 0 and found_out:
            known = min(d, found_out)
            changes[key], found_out = d - known, found_out - known
    return changes


# -- need --------------------------------------------------------------------------------------------------------

_WANTED = """
SELECT warehouse, sum(wanted) AS pieces FROM stock_asked
WHERE channel = ? AND order_ref = ? AND sku = ? GROUP BY warehouse ORDER BY warehouse = '', warehouse
"""
_EVER_LOOKED = "SELECT 1 FROM stock_asked WHERE channel = ? AND order_ref = ? LIMIT 1"
_REDUCED = """
SELECT coalesce(sum(reduced), 0) AS reduced, coalesce(sum(untold), 0) AS untold FROM stock_reduced
WHERE channel = ? AND order_ref = ? AND sku = ?
"""


def _settle(tx: sqlite3.Connection, of: Of, *, now: datetime) -> bool:
    """Make the rows that were not sent what is still to be asked for; returns whether anything changed.

    Nothing is done to an order that nobody looked at: what it asks is not known.
    """
    if tx.execute(_EVER_LOOKED, of[:2]).fetchone() is None:
        return False
    wanted = {row["warehouse"]: int(row["pieces"]) for row in tx.execute(_WANTED, of).fetchall()}
    standing = rows.of_sku(tx, *of)
    fixed = [row for row in standing if row.state != "known"]
    open_ = sum(wanted.values()) + _left_off(tx, of) - sum(row.qty for row in fixed)
    channel, order_ref, sku = of
    return rows.arrange(
        tx,
        [row for row in standing if row.state == "known"],
        _by_warehouse(max(0, open_), wanted, fixed),
        {"channel": channel, "order_ref": order_ref, "sku": sku},
        now=now,
    )


def _left_off(tx: sqlite3.Connection, of: Of) -> int:
    """Pieces taken off in the ERP that the channel knows of: what it wants now no longer has them."""
    row = tx.execute(_REDUCED, of).fetchone()
    return int(row["reduced"] - row["untold"])


def _by_warehouse(pieces: int, wanted: Mapping[str, int], fixed: Sequence[Row]) -> dict[str, int]:
    """Where so many pieces are to be asked for: first where less is asked than wanted, the rest with the first."""
    there = Counter[str]()
    for row in fixed:
        there[row.warehouse] += row.qty
    split: dict[str, int] = {}
    for warehouse, want in wanted.items():
        split[warehouse] = min(pieces, max(0, want - there[warehouse]))
        pieces -= split[warehouse]
    if pieces:
        first = next(iter(wanted), "")
        split[first] = split.get(first, 0) + pieces
    return split


_UNTOLD = """
SELECT reference, untold FROM stock_reduced
WHERE channel = ? AND order_ref = ? AND sku = ? AND untold > 0 ORDER BY reference
"""
_TELL = """
UPDATE stock_reduced SET untold = untold - ? WHERE channel = ? AND order_ref = ? AND sku = ? AND reference = ?
"""


def _hear_told(tx: sqlite3.Connection, of: Of, *, before: int, wanted: int) -> None:
    """What the house had taken off has left the channel's order as well.

    Were it the customer's own change instead, the ERP is asked for more than is left, and never for less.
    """
    fell = before - wanted
    if fell <= 0:
        return
    for row in tx.execute(_UNTOLD, of).fetchall():
        told = min(fell, row["untold"])
        fell -= told
        tx.execute(_TELL, (told, *of, row["reference"]))


# -- documents of ours -------------------------------------------------------------------------------------------

_SEND = "UPDATE stock_demand SET state = 'sent', reference = ?, sent_at = ? WHERE id = ?"


def sent(
    tx: sqlite3.Connection,
    channel: str,
    order_ref: str,
    pieces: Mapping[tuple[str, str], int],
    reference: str,
    *,
    now: datetime,
) -> set[str]:
    """A document that asks for these pieces, by SKU and warehouse, stands in the outbox. Returns the SKUs whose sum
    changed by it: what nobody had counted yet, or somewhere else, is counted from now on."""
    touched: set[str] = set()
    for (sku, warehouse), count in pieces.items():
        known = [row for row in rows.of_sku(tx, channel, order_ref, sku) if row.state == "known"]
        for row in rows.taken(tx, rows.here_first(known, warehouse), count):
            tx.execute(_SEND, (reference, stamp(now), row.id))
            count -= row.qty
            if rows.put(tx, row, warehouse):
                touched.add(sku)
        if count > 0:
            at = {"state": "sent", "reference": reference, "sent_at": stamp(now)}
            rows.lay(tx, channel, order_ref, sku, warehouse, count, now=now, **at)
            touched.add(sku)
    compute.mark(tx, touched, now=now)
    return touched


_UNSEND = "UPDATE stock_demand SET state = 'known', reference = '', sent_at = NULL WHERE id = ?"


def unsent(tx: sqlite3.Connection, reference: str, *, now: datetime) -> set[str]:
    """The document was refused, or a person gave it up: it asks for nothing. Returns the SKUs it had asked for.

    What is still wanted counts on as it did; what was lowered meanwhile goes.
    """
    back = [row for row in rows.of_document(tx, reference) if row.state == "sent"]
    for row in back:
        tx.execute(_UNSEND, (row.id,))
    touched = {_of(row) for row in back}
    for of in touched:
        _settle(tx, of, now=now)
    skus = {sku for _, _, sku in touched}
    compute.mark(tx, skus, now=now)
    return skus


def _of(row: Row) -> Of:
    return row.channel, row.order_ref, row.sku


# -- what the ERP shows ------------------------------------------------------------------------------------------

_POST = "UPDATE stock_demand SET state = 'posted', posted_by = ? WHERE id = ?"
_PICK = "UPDATE stock_demand SET picked_by = ? WHERE id = ?"
_UNPICK = "UPDATE stock_demand SET picked_by = NULL, settled = 0 WHERE id = ?"


def posted(
    tx: sqlite3.Connection, reference: str, booked: BookedOrder, *, arrived: datetime, now: datetime
) -> set[str]:
    """The ERP's list shows a document of ours, for the first time or again. Returns the SKUs whose rows changed: the
    caller has their numbers computed (``compute.mark``), once for all that a page shows.

    Only what is shown is posted: 1 booked of 2 leaves 1 open. An order in a status that takes no stock posts nothing.
    ``arrived``: when the answer was there; it stands in for a stamp that the ERP does not give.
    """
    standing = rows.of_document(tx, reference) or _without_rows(tx, reference, booked, now=now)
    if not booked.commits:
        return set()
    by = stamp(booked.posted_by or arrived)
    of_sku: dict[Of, list[Row]] = {}
    for row in standing:
        of_sku.setdefault(_of(row), []).append(row)
    changed = set()
    for of, some in of_sku.items():
        lines = [line for line in booked.lines if line.upc == of[2]]
        if _see(tx, of, reference, some, lines, by=by, now=now):
            changed.add(of[2])
    return changed


def _without_rows(tx: sqlite3.Connection, reference: str, booked: BookedOrder, *, now: datetime) -> list[Row]:
    """The rows of a document from before this was counted, or of one that was refused, or given up for another, and is
    booked after all."""
    if (order := adopted.refused(tx, reference)) is None:
        return adopted.adopt_document(tx, reference, now=now)
    pieces = Counter[tuple[str, str]]()
    for line in booked.lines:
        pieces[str(line.upc), line.warehouse] += line.quantity
    sent(tx, *order, pieces, reference, now=now)
    return rows.of_document(tx, reference)


def _see(
    tx: sqlite3.Connection,
    of: Of,
    reference: str,
    some: Sequence[Row],
    lines: Sequence[BookedLine],
    *,
    by: str,
    now: datetime,
) -> bool:
    """One SKU of a document as the ERP shows it; returns whether anything is news."""
    news = _post(tx, some, lines, by=by)
    standing = [row for row in rows.of_sku(tx, *of) if row.reference == reference and row.state == "posted"]
    missing = sum(row.qty for row in standing) - sum(line.quantity for line in lines)
    off = sum(line.cancelled for line in lines) + max(0, missing)
    picked = _pick(tx, standing, sum(line.picked for line in lines) + off, by=by)
    return _reduce(tx, of, reference, off, now=now) or news or picked


def _post(tx: sqlite3.Connection, some: Sequence[Row], lines: Iterable[BookedLine], *, by: str) -> bool:
    """As many pieces as are shown and were not seen before, first those that stand where the ERP booked them."""
    there = Counter[str]()
    for line in lines:
        there[line.warehouse] += line.quantity
    for row in some:
        if row.state == "posted":
            there = _less(there, row)
    open_ = [row for row in some if row.state == "sent"]
    news = False
    for warehouse, pieces in sorted(there.items()):
        for row in rows.taken(tx, rows.here_first(open_, warehouse), pieces):
            open_ = [one for one in open_ if one.id != row.id]
            tx.execute(_POST, (by, row.id))
            rows.put(tx, row, warehouse or row.warehouse)
            news = True
    return news


def _less(there: Counter[str], row: Row) -> Counter[str]:
    """What is shown less a row that was seen before, wherever the ERP has moved it since."""
    left, pieces = Counter(there), row.qty
    for warehouse in sorted(there, key=lambda one: one != row.warehouse):
        here = min(pieces, left[warehouse])
        left[warehouse] -= here
        pieces -= here
    return left


def _pick(tx: sqlite3.Connection, standing: Sequence[Row], done: int, *, by: str) -> bool:
    """So many pieces wait for no picking any more: they were picked, or taken off over there. What was put back on the
    shelf waits again."""
    more = done - sum(row.qty for row in standing if row.picked)
    news = False
    for row in rows.taken(tx, [row for row in standing if not row.picked], more):
        tx.execute(_PICK, (by, row.id))
        news = True
    for row in rows.taken(tx, [row for row in reversed(standing) if row.picked], -more):
        tx.execute(_UNPICK, (row.id,))
        news = True
    return news


_REDUCED_HERE = """
SELECT reduced, untold FROM stock_reduced WHERE channel = ? AND order_ref = ? AND sku = ? AND reference = ?
"""
_REDUCE = """
INSERT INTO stock_reduced (channel, order_ref, sku, reference, reduced, untold) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (channel, order_ref, sku, reference) DO UPDATE SET reduced = excluded.reduced, untold = excluded.untold
"""


def _reduce(tx: sqlite3.Connection, of: Of, reference: str, off: int, *, now: datetime) -> bool:
    """So many pieces of the document were taken off over there. What the channel wants no more it knows of already;
    the rest is the house's, and not told yet."""
    held = tx.execute(_REDUCED_HERE, (*of, reference)).fetchone()
    reduced, untold = (held["reduced"], held["untold"]) if held else (0, 0)
    if off == reduced:
        return False
    news = off - reduced
    untold = max(0, untold + news) if news < 0 else untold + max(0, news - _due(tx, of))
    tx.execute(_REDUCE, (*of, reference, off, min(untold, off)))
    _settle(tx, of, now=now)
    return True


def _due(tx: sqlite3.Connection, of: Of) -> int:
    """Pieces that the ERP holds, or may come to hold, beyond what the channel wants: to be taken off over there."""
    if tx.execute(_EVER_LOOKED, of[:2]).fetchone() is None:
        return 0
    wanted = sum(int(row["pieces"]) for row in tx.execute(_WANTED, of).fetchall())
    return max(0, sum(row.qty for row in rows.of_sku(tx, *of)) - _left_off(tx, of) - wanted)


def said_booked(tx: sqlite3.Connection, reference: str, *, now: datetime) -> set[str]:
    """A person says that the ERP holds it, in whole: by now at the latest. Returns the SKUs it asks for."""
    standing = rows.of_document(tx, reference) or adopted.adopt_document(tx, reference, now=now)
    for row in standing:
        if row.state == "sent":
            tx.execute(_POST, (stamp(now), row.id))
    skus = {row.sku for row in standing}
    compute.mark(tx, skus, now=now)
    return skus


# -- asked for no more -------------------------------------------------------------------------------------------

_ASKS_NOTHING = """
UPDATE stock_asked SET wanted = 0 WHERE channel = ? AND order_ref = ? AND wanted <> 0 RETURNING sku
"""
_SEEN_GONE = """
UPDATE stock_asked SET looked_at = ?, closed = 1 WHERE channel = ? AND order_ref = ?
"""


def skipped(tx: sqlite3.Connection, channel: str, order_ref: str, *, now: datetime) -> set[str]:
    """It will not be booked, by a person's word. What the channel took off its own number stays taken off."""
    skus = {str(row["sku"]) for row in tx.execute(_ASKS_NOTHING, (channel, order_ref)).fetchall()} - {UNMAPPED}
    for sku in skus:
        _settle(tx, (channel, order_ref, sku), now=now)
    compute.mark(tx, skus, now=now)
    return skus


def gone(tx: sqlite3.Connection, channel: str, order_ref: str, *, asked: datetime, now: datetime) -> set[str]:
    """The channel holds it no more: a cancel. Deleting an order puts nothing back on a shelf, as far as any tells."""
    held = _held(tx, channel, order_ref)
    if held.at is None or held.is_newer(asked, now=now):
        return set()
    skus = skipped(tx, channel, order_ref, now=now)
    tx.execute(_SEEN_GONE, (stamp(asked), channel, order_ref))
    return skus
