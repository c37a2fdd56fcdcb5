"""One order's sides laid beside each other: what differs, in words, and what is to be done. Pure.

1. not booked   would it be booked now, although nobody is at it?
2. documents    each in the ERP, once
3. sides        pieces, addresses and holds, as flows/changes lays them
4. money        the order's total against its documents
5. parcels      what left by the ERP against what was read, and against what the channel shows

What a person has been told of already (an incident of the order's own) is named, not judged anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from bcbridge.flows.changes.decide import Place
from bcbridge.flows.changes.sides import LineSides, Moved, Sides, sides
from bcbridge.flows.dispatches.owed import Balance, balance
from bcbridge.model.changes import Document
from bcbridge.model.dispatch import DispatchView
from bcbridge.model.ids import Ref, Reference, order_argument
from bcbridge.model.money import to_cents
from bcbridge.model.order import Order
from bcbridge.model.outcome import Outcome, Ready
from bcbridge.model.reconcile import Difference, Held, Kind, KnownOrder, Pair, Tally
from bcbridge.model.sales_order import BookedOrder
from bcbridge.model.shipment import BookedRow, Shipment

LOOKED_AGAIN = "it is looked at again by itself; if it comes back: bcbridge show {order}"
DELETED = "look for it in the ERP; if somebody deleted it, key it in there again under the same reference"


@dataclass(frozen=True, slots=True)
class Facts:
    """One order from all sides. ``order``: None where it is gone. ``proven``: what ``held`` does not show is not there.
    ``places``: where its documents go. ``differences``: what the ERP's documents say otherwise than was sent, those
    that were told at the booking left out. ``outcome``: judged anew, where it is not booked. ``there``: shipments that
    the ERP shows, asked for where the counts differ. ``view``: None where the channel is not told of dispatches."""

    channel: str
    known: KnownOrder
    order: Order | None
    held: Held
    proven: bool = True
    places: Sequence[Place] = ()
    differences: Mapping[Reference, tuple[str, ...]] = field(default_factory=dict)
    outcome: Outcome | None = None
    there: Sequence[Shipment] = ()
    view: DispatchView | None = None

    @property
    def argument(self) -> str:
        return order_argument(self.channel, self.known.name)

    def differs(self, kind: Kind, subject: str, text: str, action: str) -> Difference:
        said = action.replace("{order}", self.argument)
        return Difference(kind=kind, ref=self.known.ref, order=self.known.name, subject=subject, text=text, action=said)


@dataclass(frozen=True, slots=True)
class Compared:
    differences: tuple[Difference, ...]
    tally: Tally


def compare(facts: Facts) -> Compared:
    known = facts.known
    if known.under_way or known.on_its_way:
        return Compared((), Tally(orders=1, under_way=1))
    if not known.documents:
        return Compared(tuple(_not_booked(facts)), _standing(known.state))
    found = [*_documents(facts)]
    if known.state != "booked":  # a part of it is: the rest is blocked, and told by its own incident
        return Compared(tuple(found), _standing(known.state))
    if any(one.kind is not Kind.TWICE_IN_ERP for one in found) or not _shown(facts):
        return Compared(tuple(found), Tally(orders=1, booked=1))
    two = sides(known.booked, _shown(facts), facts.order)
    found += [*_sides(facts, two), *_money(facts, two)]
    weighed = _balance(facts)
    found += _parcels(facts, weighed)
    return Compared(tuple(found), _tally(facts, two, weighed))


def _standing(state: str) -> Tally:
    return Tally(
        orders=1, not_yet=int(state == "not_yet"), blocked=int(state == "blocked"), never=int(state == "never")
    )


# -- not booked --------------------------------------------------------------------------------------------------


def _not_booked(facts: Facts) -> Iterator[Difference]:
    known = facts.known
    if not known.waits and isinstance(facts.outcome, Ready):
        said = f" ({known.code})" if known.code else ""
        text = f"it would be booked now, and stands as {known.state.replace('_', ' ')}{said} with nobody at it"
        yield facts.differs(Kind.NOT_BOOKED, "order", text, LOOKED_AGAIN)


# -- documents ---------------------------------------------------------------------------------------------------


def _documents(facts: Facts) -> Iterator[Difference]:
    for document in facts.known.documents:
        yield from _document(facts, document.reference)
    for reference in facts.known.closed:
        if standing := _standing_there(facts.held.get(reference, ())):
            numbers = ", ".join(one.number for one in standing)
            text = f"given up here, and the ERP still holds it ({numbers}) beside what was made anew"
            yield facts.differs(Kind.TWICE_IN_ERP, reference, text, f"cancel {numbers} in the ERP")


def _document(facts: Facts, reference: Reference) -> Iterator[Difference]:
    hits, number = facts.held.get(reference, ()), facts.known.numbers.get(reference, "")
    if not hits:
        if facts.proven and reference not in facts.known.by_word:
            text = f"booked as {number or 'a document'}, and the ERP does not show it"
            yield facts.differs(Kind.MISSING_IN_ERP, reference, text, DELETED)
        return
    standing = _standing_there(hits)
    if len(standing) > 1:
        others = ", ".join(one.number for one in standing if one.number != number)
        text = f"the ERP holds it {len(standing)} times: {', '.join(one.number for one in standing)}"
        yield facts.differs(Kind.TWICE_IN_ERP, reference, text, f"cancel {others} in the ERP")


def _standing_there(hits: Iterable[BookedOrder]) -> list[BookedOrder]:
    """Those of which a piece is still ordered."""
    return [one for one in hits if any(line.quantity > line.cancelled for line in one.lines)]


def _shown(facts: Facts) -> tuple[Document, ...]:
    """Its documents as the ERP shows them; empty where one is not shown."""
    known = facts.known
    shown = [replace(one, held=_ours(facts.held.get(one.reference, ()), known)) for one in known.documents]
    return tuple(shown) if all(one.held for one in shown) else ()


def _ours(hits: Sequence[BookedOrder], known: KnownOrder) -> BookedOrder | None:
    """The one that we booked, where there are several."""
    numbers = set(known.numbers.values())
    return next((one for one in hits if one.number in numbers), hits[0] if hits else None)


# -- sides -------------------------------------------------------------------------------------------------------


def _sides(facts: Facts, two: Sides) -> Iterator[Difference]:
    if facts.known.agreed:
        return
    for line in two.differing:
        kind = _kind(two)
        yield facts.differs(kind, line.label, _pieces(line), _person(facts, _ACTIONS[kind], line.label))
    if two.cancelled:
        return
    yield from _beside(facts, two)


def _kind(two: Sides) -> Kind:
    return Kind.GONE_FROM_CHANNEL if two.gone else Kind.NOT_STOPPED if two.cancelled else Kind.PIECES_DIFFER


_AGREE = "do on one side what the other has, or: bcbridge agree {order} --why '...'"
_ACTIONS = {
    Kind.GONE_FROM_CHANNEL: "who deleted it? Cancel it in the ERP, or: bcbridge agree {order} --why '...'",
    Kind.NOT_STOPPED: "cancel it in the ERP, and stop what is picked; then nothing more is to be done",
    Kind.PIECES_DIFFER: _AGREE,
}


def _person(facts: Facts, otherwise: str, subject: str) -> str:
    """What the order's own incident asks for, where there is one."""
    about = [one for one in facts.known.sides if one.subject == subject]
    said = "; ".join(dict.fromkeys(one.text for one in about))
    return f"{said}; or: bcbridge agree {{order}} --why '...'" if said else otherwise


def _pieces(line: LineSides) -> str:
    gone = f", of which {line.shipped} left" if line.shipped else ""
    return f"booked {line.booked}, the channel wants {line.wanted}, the ERP holds {line.held}{gone}"


_MOVED = {Moved.CHANNEL: "the channel", Moved.ERP: "the ERP", Moved.BOTH: "both sides"}


def _beside(facts: Facts, two: Sides) -> Iterator[Difference]:
    for name, pieces in two.added:
        text = f"the channel has {pieces} that were added after it was booked"
        yield facts.differs(Kind.PIECES_DIFFER, name, text, _person(facts, _AGREE, name))
    for upc, pieces in two.foreign:
        text = f"the ERP holds {pieces} that were not sent"
        yield facts.differs(Kind.PIECES_DIFFER, upc, text, _person(facts, _AGREE, upc))
    if two.holds and two.to_go:
        text = f"the channel holds it ({', '.join(two.holds)}), and the ERP is going to ship {two.to_go}"
        yield facts.differs(Kind.STATUS_DIFFERS, "hold", text, "release it in the channel, or hold it in the ERP")
    for place in facts.places if two.to_go else ():
        if place.moved:
            text = f"the ship-to address is not the channel's: {_MOVED[place.moved]} changed it"
            action = _person(facts, _AGREE, "ship-to address")
            yield facts.differs(Kind.ADDRESS_DIFFERS, place.reference, text, action)


# -- money -------------------------------------------------------------------------------------------------------


def _money(facts: Facts, two: Sides) -> Iterator[Difference]:
    pair = amounts(facts, two)
    words = [word for said in facts.differences.values() for word in said]
    if pair is None or (pair.channel == pair.erp and not _currencies(facts)):
        return
    assert facts.order is not None
    currency, documents = facts.order.currency, ", ".join(one.number for one in _held(facts))
    said = f"; {'; '.join(words)}" if words else ""
    foreign = f" in {', '.join(_currencies(facts))}" if _currencies(facts) else ""
    here, there = (to_cents(amount, currency) for amount in (pair.channel, pair.erp))
    text = f"the order is worth {here} {currency}, the ERP's documents {there}{foreign}{said}"
    yield facts.differs(Kind.AMOUNTS_DIFFER, documents, text, "finance: correct the document in the ERP")


def amounts(facts: Facts, two: Sides) -> Pair | None:
    """What the order is worth on both sides; None where that says nothing: refunded, edited, cancelled, other pieces,
    or amounts that the ERP leaves out or that differed already when it was booked."""
    order = facts.order
    if order is None or order.cancelled or order.edited or order.refunded or two.added or two.foreign:
        return None
    if any(line.wanted != line.booked or line.held != line.booked for line in two.lines):
        return None
    worths = [worth(held) for held in _held(facts)]
    if any(one is None for one in worths) or any(one.differed for one in facts.known.documents):
        return None
    return Pair(channel=order.total, erp=sum((one for one in worths if one is not None), Decimal(0)))


def worth(held: BookedOrder) -> Decimal | None:
    """Rows, tax, freight and charges less allowances; None where the ERP leaves an amount out."""
    beside = (held.tax, held.freight, held.charges, held.allowances)
    if any(amount is None for amount in beside):
        return None
    tax, freight, charges, allowances = (amount or Decimal(0) for amount in beside)
    lines = sum((line.price * line.quantity for line in held.lines), Decimal(0))
    return lines + tax + freight + charges - allowances


def _currencies(facts: Facts) -> list[str]:
    order = facts.order
    return sorted({one.currency for one in _held(facts) if order and one.currency not in ("", order.currency)})


def _held(facts: Facts) -> list[BookedOrder]:
    return [one.held for one in _shown(facts) if one.held is not None]


# -- parcels -----------------------------------------------------------------------------------------------------


def unread(known: KnownOrder, held: Held) -> tuple[Reference, ...]:
    """Documents of which other pieces left, by the ERP, than were read as shipments."""
    read = {one.reference: 0 for one in known.documents}
    for shipment in known.shipments:
        if not shipment.void and shipment.reference in read:
            read[shipment.reference] += sum(line.pieces for line in shipment.lines)
    left = {ref: sum(line.shipped for one in held.get(ref, ())[:1] for line in one.lines) for ref in read}
    return tuple(reference for reference in read if held.get(reference) and left[reference] != read[reference])


def news(facts: Facts) -> tuple[Shipment, ...]:
    """Shipments that the ERP shows and that were not read, or not as they are now."""
    read = {one.number: one for one in facts.known.shipments}
    return tuple(one for one in facts.there if _said(one) != _said(read.get(one.number)))


def _said(shipment: Shipment | None) -> Shipment | None:
    """Without its stamp: what says the same is the same."""
    return shipment.model_copy(update={"stamp": ""}) if shipment else None


def _balance(facts: Facts) -> Balance | None:
    if facts.view is None or not facts.view.whole:
        return None
    changed = {one.number: one for one in news(facts)}
    shipments = {one.number: one for one in facts.known.shipments} | changed
    return balance(tuple(shipments.values()), facts.known.booked, facts.view, facts.known.confirmed)


def _parcels(facts: Facts, weighed: Balance | None) -> Iterator[Difference]:
    for shipment in news(facts):
        pieces = sum(line.pieces for line in shipment.lines)
        text = f"{pieces} left with {shipment.number}, and it was not read" if not shipment.void else "it is void now"
        yield facts.differs(Kind.SHIPMENT_NOT_READ, shipment.number, text, LOOKED_AGAIN)
    if weighed is None:
        return
    labels = _labels(facts.order)
    yield from _not_told(facts, weighed, labels)
    for line, pieces in _of_ours(weighed.surplus, facts.known.booked):
        text = f"the channel shows {pieces} as left that the ERP did not ship"
        action = "who made it? Take it back in the channel, or ship it in the ERP"
        yield facts.differs(Kind.DISPATCH_NOT_IN_ERP, labels.get(line, line), text, action)


def _not_told(facts: Facts, weighed: Balance, labels: Mapping[Ref, str]) -> Iterator[Difference]:
    blocked = "; ".join(dict.fromkeys(f"{one.text} ({one.code})" for one in facts.known.blocked_dispatch))
    action = f"{blocked}: bcbridge show {{order}}" if blocked else LOOKED_AGAIN
    for one in weighed.owed:
        text = f"{sum(one.pieces.values())} left with {one.shipment.number}, and the channel does not show them"
        yield facts.differs(Kind.DISPATCH_NOT_TOLD, one.shipment.number, text, action)
    for line, pieces in weighed.taken_back.items():
        text = f"{pieces} were told as left, and the channel shows them no more"
        asked = "who took the fulfilment back in the channel, and why? What was told once is never told again"
        yield facts.differs(Kind.DISPATCH_NOT_TOLD, labels.get(line, line), text, asked)


def _labels(order: Order | None) -> dict[Ref, str]:
    return {line.ref: line.sku or line.title for line in order.lines} if order else {}


def _of_ours(pieces: Mapping[Ref, int], booked: Sequence[BookedRow]) -> list[tuple[Ref, int]]:
    """Of lines that were booked: a gift card leaves by itself."""
    lines = {row.line for row in booked}
    return [(line, count) for line, count in pieces.items() if line in lines]


# -- counts ------------------------------------------------------------------------------------------------------


def _tally(facts: Facts, two: Sides, weighed: Balance | None) -> Tally:
    pair = amounts(facts, two)
    worths = {facts.order.currency: pair} if facts.order and pair else {}
    ordered = Pair(channel=_sum(line.wanted for line in two.lines), erp=_sum(line.held for line in two.lines))
    lines = {row.line for row in facts.known.booked}
    dispatched = None
    if facts.view is not None and weighed is not None:
        shown = _sum(facts.view.told(line) for line in lines)
        dispatched = Pair(channel=shown, erp=_sum(line.shipped for line in two.lines))
    return Tally(orders=1, booked=1, amounts=worths, ordered=ordered, dispatched=dispatched)


def _sum(pieces: Iterable[int]) -> Decimal:
    return Decimal(sum(pieces))
