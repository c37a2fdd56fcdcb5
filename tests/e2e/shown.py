"""The numbers that shops show, held against the rule: read off the books of the shops and the ERP, and nowhere else.

Settled, a shop shows exactly ``max(0, F - buffer)`` of every SKU, where F is what the ERP's ledger has free, less the
pieces of orders that took their pieces in a shop and do not stand in the ERP.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from bcbridge.sandbox.catalogue import INACTIVE_SKUS, SKU_BY_UPC
from tests.e2e.shops import Shop
from tests.e2e.sold import Record
from tests.e2e.world import World, call

INACTIVE = {sku.upc for sku in INACTIVE_SKUS}
"""Not sold any more: shown as none."""


class Place(NamedTuple):
    """One SKU in one warehouse."""

    upc: str
    warehouse: str


Pieces = Mapping[Place, int]


@dataclass(frozen=True, slots=True)
class Move:
    """A number of a shop changed. ``by``: order, restock, api, admin; ``order``: its key where an order did it."""

    shop: str
    at: datetime
    place: Place
    before: int
    after: int
    by: str
    order: str

    @property
    def taken(self) -> int:
        """Pieces that an order took; below zero what it gave back."""
        return self.before - self.after if self.by in ("order", "restock") else 0


def moves(world: World, shop: Shop) -> Iterator[Move]:
    """Of one shop, the oldest first."""
    return (_move(shop, row) for row in world.books(world.at(shop), "stock_moves"))


def _move(shop: Shop, row: Record) -> Move:
    return Move(
        shop=shop.connection,
        at=datetime.fromisoformat(row["at"]),
        place=Place(row["sku"], shop.places[row["location"]]),
        before=row["from"],
        after=row["to"],
        by=row["by"],
        order=f"{shop.code}{row['orderId']}" if row["orderId"] else "",
    )


def all_moves(world: World) -> list[Move]:
    """Of all shops, by time."""
    found = [move for shop in world.shops for move in moves(world, shop)]
    return sorted(found, key=lambda move: move.at)


def shown(world: World, shop: Shop) -> dict[Place, int]:
    """What a shop shows now."""
    rows = world.books(world.at(shop), "stock")
    return {Place(row["sku"], shop.places[row["location"]]): row["number"] for row in rows}


def free(world: World) -> dict[Place, int]:
    """F, by the ERP's ledger: what is open to sell, booked orders taken off."""
    return {Place(row["upc"], row["location"]): row["ots"] for row in world.books(world.erp, "ledger")}


def unbooked(taken: Iterable[Move], booked: set[str]) -> Counter[Place]:
    """Pieces that orders took which the ERP does not hold (blocked, held, unpaid, on their way)."""
    open_pieces: Counter[Place] = Counter()
    for move in taken:
        if move.taken and move.order not in booked:
            open_pieces[move.place] += move.taken
    return open_pieces


def differing(world: World, *, buffer: int = 0, least: Callable[[str], int] | None = None) -> list[str]:
    """Every number that is not what the rule says, in words; empty where all are. ``least``: a buffer by connection."""
    held = unbooked(all_moves(world), world.booked_keys())
    there = free(world)
    wrong = []
    for shop in world.shops:
        kept_back = buffer if least is None else least(shop.connection)
        for place, number in sorted(shown(world, shop).items()):
            if place.upc not in SKU_BY_UPC:
                continue
            left = there.get(place, 0) - held[place] - kept_back
            right = 0 if place.upc in INACTIVE else max(0, left)
            if number != right:
                of = f"{there.get(place, 0)} free, {held[place]} not booked, buffer {kept_back}"
                wrong.append(f"{shop.connection} shows {number} of {place.upc} in {place.warehouse}, not {right}: {of}")
    return wrong


def stock(world: World, *movements: Mapping[str, object]) -> None:
    """Hands in the ERP's ledger, all at one moment."""
    call(f"{world.erp}/_sandbox/stock", {"movements": movements})


def has(world: World, upc: str, pieces: int, warehouse: str = "NJ1") -> None:
    """Open to sell there, and nowhere else."""
    stock(world, {"do": "set", "upc": upc, "location": warehouse, "pieces": pieces, "only": True})


def oversold(world: World) -> int:
    """Pieces booked for the shops beyond what was free, by the ERP's own books."""
    return sum(row["house_pieces"] for row in world.books(world.erp, "oversold") if row["location"] != "*")
