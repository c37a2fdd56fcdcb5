"""Where the pieces of an order leave from, and what the channel says against it: read from its fulfilment orders.

A fulfilment order that was moved, split or cancelled leaves a dead one behind (CLOSED, CANCELLED) whose pieces stand
on a live one too; one that has shipped is CLOSED as well. So live ones are counted first, closed ones only for pieces
that no live one has, cancelled ones only where there is nothing else (contracts/shopify/NOTES.md 1.7).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bcbridge.connectors.shopify import wire
from bcbridge.model.ids import Ref
from bcbridge.model.order import Assignment, Hold

ON_HOLD, SCHEDULED, INCOMPLETE = "ON_HOLD", "SCHEDULED", "INCOMPLETE"
CLOSED, CANCELLED = "CLOSED", "CANCELLED"


def assignments(order: wire.Order) -> Mapping[str, tuple[Assignment, ...]]:
    """By line: so many of its current pieces from each location. A till's order leaves from its shop."""
    by_line = _pieces(_ranked(order.fulfillment_orders.nodes))
    return {line.id: _assigned(line, by_line.get(line.id, ()), order) for line in order.line_items.nodes}


def routed(lines: Iterable[wire.LineItem], assigned: Mapping[str, Sequence[Assignment]]) -> bool:
    """Every current piece that is to be shipped has a location."""
    return all(
        sum(one.quantity for one in assigned.get(line.id, ()) if one.location) >= line.current_quantity
        for line in lines
        if line.requires_shipping
    )


def holds(fulfilment_orders: Iterable[wire.FulfillmentOrder]) -> tuple[Hold, ...]:
    """Reasons not to ship yet, in lower case, of the fulfilment orders that are waiting."""
    return tuple(hold for one in fulfilment_orders for hold in _holds(one))


def _holds(one: wire.FulfillmentOrder) -> tuple[Hold, ...]:
    if one.status == ON_HOLD:
        given = [Hold(reason=hold.reason.lower(), note=hold.reason_notes or "") for hold in one.fulfillment_holds]
        return tuple(given) or (Hold(reason="on_hold"),)
    if one.status == SCHEDULED:
        return (Hold(reason="scheduled", note=one.fulfill_at.isoformat() if one.fulfill_at else ""),)
    if one.status == INCOMPLETE:
        return (Hold(reason="incomplete"),)
    return ()


def _ranked(fulfilment_orders: Sequence[wire.FulfillmentOrder]) -> list[wire.FulfillmentOrder]:
    """Live ones, then closed ones; cancelled ones if nothing else is there."""
    live = [one for one in fulfilment_orders if one.status not in (CLOSED, CANCELLED)]
    closed = [one for one in fulfilment_orders if one.status == CLOSED]
    return live + closed or list(fulfilment_orders)


_Piece = tuple[wire.AssignedLocation, int]


def _pieces(ranked: Iterable[wire.FulfillmentOrder]) -> dict[str, list[_Piece]]:
    by_line: dict[str, list[_Piece]] = {}
    for one in ranked:
        for piece in one.line_items.nodes:
            by_line.setdefault(piece.line_item.id, []).append((one.assigned_location, piece.total_quantity))
    return by_line


def _assigned(line: wire.LineItem, pieces: Sequence[_Piece], order: wire.Order) -> tuple[Assignment, ...]:
    counted = _counted(pieces, line.current_quantity)
    if counted or order.retail_location is None or not line.current_quantity:
        return counted
    shop = order.retail_location
    return (Assignment(location=Ref(shop.id), location_name=shop.name, quantity=line.current_quantity),)


def _counted(pieces: Sequence[_Piece], needed: int) -> tuple[Assignment, ...]:
    """As many pieces as the line still has, one assignment per location, in the order they were ranked."""
    by_location: dict[tuple[str, str], int] = {}
    for place, quantity in pieces:
        taken = min(quantity, needed)
        needed -= taken
        if taken > 0:
            key = (place.location.id if place.location else "", place.name)
            by_location[key] = by_location.get(key, 0) + taken
    return tuple(
        Assignment(location=Ref(gid) if gid else None, location_name=name, quantity=quantity)
        for (gid, name), quantity in by_location.items()
    )
