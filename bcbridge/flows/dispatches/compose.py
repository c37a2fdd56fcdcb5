"""From what is owed to the calls that tell it, and every reason why some of it cannot be told. Pure.

One dispatch is of one shipment and one location of the channel. Pieces are taken where the channel has them waiting,
first where its location is fed by the warehouse they left from. A shipment that lacks what a person made mandatory is
not told in part: it is blocked as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bcbridge.flows.dispatches.owed import Balance, Owed
from bcbridge.flows.dispatches.settings import DispatchSettings
from bcbridge.mappings import Carrier, Mappings, cause
from bcbridge.model.dispatch import Dispatch, DispatchView, Fulfillable
from bcbridge.model.ids import Ref
from bcbridge.model.outcome import Problem
from bcbridge.model.shipment import Shipment


@dataclass(frozen=True, slots=True)
class Telling:
    """One call to be made, and the number of the shipment that it tells."""

    shipment: str
    dispatch: Dispatch


@dataclass(frozen=True, slots=True)
class Composed:
    tellings: tuple[Telling, ...]
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class Desk:
    """What is at hand while one order's dispatches are composed."""

    channel: str
    settings: DispatchSettings
    mappings: Mappings
    view: DispatchView
    problems: list[Problem] = field(default_factory=list)
    labels: Mapping[Ref, str] = field(default_factory=dict)
    _taken: dict[tuple[Ref, Ref], int] = field(default_factory=dict)

    def label(self, line: Ref) -> str:
        return self.labels.get(line, str(line))

    def room(self, piece: Fulfillable) -> int:
        return piece.pieces - self._taken.get((piece.group, piece.item), 0)

    def take(self, piece: Fulfillable, pieces: int) -> Fulfillable:
        key = (piece.group, piece.item)
        self._taken[key] = self._taken.get(key, 0) + pieces
        return piece.model_copy(update={"pieces": pieces})

    def block(self, code: str, shipment: str, text: str, *, cured_by: str = "") -> None:
        self.problems.append(Problem(code=code, subject=shipment, text=text, cause=cured_by))


def compose(
    found: Balance, view: DispatchView, *, channel: str, settings: DispatchSettings, mappings: Mappings
) -> Composed:
    desk = Desk(channel, settings, mappings, view, list(found.problems), found.labels)
    for line, pieces in found.taken_back.items():
        text = f"{pieces} of {desk.label(line)} were told and are no longer shown as dispatched"
        desk.block("dispatch_taken_back", desk.label(line), text)
    for line, pieces in found.void.items():
        text = f"{pieces} of {desk.label(line)} were told as sent, and the ERP took them back since"
        desk.block("told_and_void", desk.label(line), text)
    tellings = [telling for owed in found.owed for telling in _tell(owed, desk)]
    return Composed(tuple(tellings), tuple(desk.problems))


def _tell(owed: Owed, desk: Desk) -> Iterable[Telling]:
    shipment = owed.shipment
    carrier = desk.mappings.carrier(desk.channel, shipment.ship_via)
    if not _is_complete(owed, carrier, desk):
        return
    by_location: dict[Ref | None, list[Fulfillable]] = {}
    for line, pieces in owed.pieces.items():
        for piece in _pieces(line, pieces, owed, desk):
            by_location.setdefault(piece.location, []).append(piece)
    for pieces_there in by_location.values():
        notify = desk.settings.notify_customer
        dispatch = dispatch_of(desk.view.ref, shipment, pieces_there, carrier, notify=notify)
        yield Telling(shipment.number, dispatch)


def _is_complete(owed: Owed, carrier: Carrier | None, desk: Desk) -> bool:
    shipment, before = owed.shipment, len(desk.problems)
    if not shipment.tracks and "tracking" in desk.settings.mandatory:
        desk.block("no_tracking", shipment.number, "the ERP names no tracking number")
    if carrier is None and "carrier" in desk.settings.mandatory:
        text = f"no carrier is mapped for ship via {shipment.ship_via or '(none)'}"
        desk.block("unmapped_carrier", shipment.number, text, cured_by=cause("carriers", shipment.ship_via))
    for warehouse in _unknown_places(owed, desk):
        text = f"it left from {warehouse or '(none)'}, and no location of this channel is mapped to that warehouse"
        desk.block("unmapped_warehouse", shipment.number, text)
    return len(desk.problems) == before


def _unknown_places(owed: Owed, desk: Desk) -> Iterable[str]:
    """Warehouses that no location of the channel stands for; where the channel has none, nobody asks."""
    mapped = desk.mappings.has_rows("warehouses", desk.channel)
    if not mapped or not any(piece.place for piece in desk.view.fulfillable):
        return ()
    left_from = dict.fromkeys(one.warehouse for one in owed.shipment.lines)
    return [one for one in left_from if not desk.mappings.leads_to("warehouses", desk.channel, one)]


def _pieces(line: Ref, pieces: int, owed: Owed, desk: Desk) -> Iterable[Fulfillable]:
    """Where the channel has them waiting; what is nowhere is a problem."""
    warehouses = {one.warehouse for one in owed.shipment.lines}
    waiting = [piece for piece in desk.view.fulfillable if piece.line == line]
    for piece in sorted(waiting, key=lambda one: _warehouse(one, desk) not in warehouses):
        here = min(pieces, desk.room(piece))
        if here:
            pieces -= here
            yield desk.take(piece, here)
    if pieces:
        code, why = _not_waiting(desk.view)
        desk.block(code, owed.shipment.number, f"{pieces} of {desk.label(line)} left and cannot be told: {why}")


def _warehouse(piece: Fulfillable, desk: Desk) -> str | None:
    return desk.mappings.code("warehouses", desk.channel, piece.place, piece.location or "")


def _not_waiting(view: DispatchView) -> tuple[str, str]:
    if view.cancelled:
        return "dispatched_though_cancelled", "the order is cancelled in the channel"
    if view.holds:
        return "dispatched_though_held", f"the channel holds it ({view.holds[0].reason})"
    return "not_fulfillable", "the channel has no such pieces waiting"


def dispatch_of(
    order: Ref, shipment: Shipment, pieces: Sequence[Fulfillable], carrier: Carrier | None, *, notify: bool
) -> Dispatch:
    return Dispatch(
        order=order,
        pieces=tuple(pieces),
        company=carrier.company if carrier else "",
        tracks=shipment.tracks,
        links=carrier.links(shipment.tracks) if carrier else (),
        notify=notify,
    )


def lines_of(dispatch: Dispatch) -> Mapping[Ref, int]:
    """Pieces by line of the order."""
    found: dict[Ref, int] = {}
    for piece in dispatch.pieces:
        found[piece.line] = found.get(piece.line, 0) + piece.pieces
    return found
