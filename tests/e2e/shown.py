"""The numbers that shops show, held against the rule: read off the books of the shops and the ERP, and nowhere else.

Settled, a shop shows exactly ``max(0, F - buffer)`` of every SKU, where F is what the ERP's ledger has free, less the
pieces of orders that took their pieces in a shop and do not stand in the ERP.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from bcbridge.sandbox.catalogue import INACTIVE_SKUS, SKU_BY_UPC
from bcbridge.sandbox.woocommerce.season import CELL_BY_ID
from tests.e2e.shops import Shop
from tests.e2e.sold import Record, Sold
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
    return (_move(shop, row) for row in world.pages(world.at(shop), "stock_moves"))


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


def unbooked(world: World) -> Counter[Place]:
    """Pieces that are promised and not in the ERP: of orders that stand, blocked, held or on their way.

    What is paid is promised, counted by its shop or not (a product that is gone from it sells on in the ERP); what is
    not paid where its shop has taken the pieces. An order's words say which SKUs it is, its shop's moves from where.
    """
    booked, open_pieces = world.booked_keys(), Counter[Place]()
    for shop in world.shops:
        taken: dict[str, Counter[Place]] = defaultdict(Counter)
        for move in moves(world, shop):
            if move.taken and move.order not in booked:
                taken[move.order][move.place] += move.taken
        refunded = _refunded(world, shop)
        for sold in map(shop.read, world.pages(world.at(shop), "orders")):
            key = shop.key(sold)
            if not (sold.cancelled or sold.test or sold.no_order or key in booked):
                open_pieces.update(_held(shop, sold, +taken[key], refunded[key]))
    return open_pieces


def _held(shop: Shop, sold: Sold, places: Counter[Place], refunded: Counter[str]) -> Counter[Place]:
    """The order's pieces, less those refunded, from where they were taken; from anywhere what is another SKU there."""
    held = Counter[Place]()
    anywhere = next(iter(places)).warehouse if places else next(iter(shop.places.values()))
    uncounted = sum(places.values()) < sum(sold.goods.values())
    for upc, count in sold.goods.items():
        if not sold.paid and uncounted and upc not in {place.upc for place in places}:
            continue
        left = count - refunded[upc]
        for place in [place for place in places if place.upc == upc][1:]:
            held[place] = min(left, places[place])
            left -= held[place]
        first = next((place for place in places if place.upc == upc), Place(upc, anywhere))
        held[first] += left
    return held


def _refunded(world: World, shop: Shop) -> dict[str, Counter[str]]:
    """By an order's key: pieces that were refunded and still stand in its lines, as WooCommerce's do."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    if shop.kind == "woocommerce":
        for refund in world.books(world.at(shop), "refunds"):
            for line in refund["line_items"]:
                cell = CELL_BY_ID.get(line["variation_id"] or line["product_id"])
                if cell is not None:
                    found[f"{shop.code}{refund['order_id']}"][cell.sku.upc] -= line["quantity"]
    return found


Buffer = Callable[[str, int], int]
"""Pieces held back, by connection and what is left."""


def none_held(shop: str, left: int) -> int:
    return 0


def differing(world: World, *, buffer: Buffer = none_held, split: Collection[str] = ()) -> list[str]:
    """Every number that is not what the rule says, in words; empty where all are. ``split``: SKUs of which the shops
    together show no more than there is, and something where there is any: what a shop that cannot compare is given in
    addition it is given when it shows none, and until then nobody shows it."""
    held = unbooked(world)
    there = free(world)
    wrong, together = [], Counter[Place]()
    for shop in world.shops:
        for place, number in sorted(shown(world, shop).items()):
            if place.upc in split:
                together[place] += number
            elif place.upc in SKU_BY_UPC:
                left = there.get(place, 0) - held[place]
                back = buffer(shop.connection, left)
                right = _right(place, left - back)
                why = f"{there.get(place, 0)} free, {held[place]} not booked, buffer {back}"
                wrong += [] if number == right else [f"{shop.connection} shows {number} of {place}, not {right}: {why}"]
    for place, number in together.items():
        right = _right(place, there.get(place, 0) - held[place])
        wrong += [] if min(right, 1) <= number <= right else [f"all together show {number} of {place}, not {right}"]
    return wrong


def _right(place: Place, left: int) -> int:
    return 0 if place.upc in INACTIVE else max(0, left)


def stock(world: World, *movements: Mapping[str, object]) -> None:
    """Hands in the ERP's ledger, all at one moment."""
    call(f"{world.erp}/_sandbox/stock", {"movements": movements})


def oversold_by_upc(world: World) -> dict[str, int]:
    """Pieces booked for the shops beyond what was free, by the ERP's own books; of each warehouse by itself."""
    counted: Counter[str] = Counter()
    for row in world.books(world.erp, "oversold"):
        if row["location"] != "*":
            counted[row["upc"]] += row["house_pieces"]
    return counted
