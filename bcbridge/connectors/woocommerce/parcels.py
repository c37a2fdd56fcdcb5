"""What left, in the shop's words and in ours; pure (contract 1.6).

A shop with fulfilments keeps the pieces in them. One without has no place for pieces: there a list in the order's
hidden meta data, ours alone, is the truth of what was told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from html import unescape
from typing import Any

from bcbridge.connectors.woocommerce import wire
from bcbridge.connectors.woocommerce.answers import Data, as_object, json_of
from bcbridge.connectors.woocommerce.lines import part_of
from bcbridge.connectors.woocommerce.settings import Tracking
from bcbridge.model.dispatch import Dispatch, Fulfilment, LinePieces
from bcbridge.model.ids import Ref
from bcbridge.model.record import Moment

META = "_bcbridge_dispatches"
"""Of the order; hidden from whoever looks at it in the shop."""
ITEMS, NUMBER, PROVIDER = "_items", "_tracking_number", "_shipment_provider"
LINK, AT = "_tracking_url", "_date_fulfilled"


class Item(wire.Wire):
    item_id: wire.Id
    qty: wire.Count


class Parcel(wire.Wire):
    """One dispatch that the shop was told of, as our list keeps it."""

    items: tuple[Item, ...]
    numbers: tuple[wire.Text, ...] = ()
    company: wire.Text = ""
    links: tuple[wire.Text, ...] = ()
    notify: bool = True
    way: Tracking = Tracking.NOTE
    """How the shopper is told of it."""
    at: Moment

    @property
    def body(self) -> Data:
        return self.model_dump(mode="json")


def told(dispatch: Dispatch) -> Data:
    """A dispatch without its moment and its way: those are of the call."""
    pieces: Counter[int] = Counter()
    for piece in dispatch.pieces:
        pieces[int(piece.line)] += piece.pieces
    return {
        "items": [{"item_id": line, "qty": count} for line, count in pieces.items()],
        "numbers": list(dispatch.tracks),
        "company": dispatch.company,
        "links": list(dispatch.links),
        "notify": dispatch.notify,
    }


# -- the order


def back_by_line(refunds: Iterable[wire.SoldBack]) -> Mapping[int, int]:
    """Pieces that were given back, by the id of the order's line."""
    back: Counter[int] = Counter()
    for refund in refunds:
        for line in refund.line_items:
            back[part_of(line)] -= line.quantity
    return back


def parcels(order: wire.Sold) -> tuple[Parcel, ...]:
    """Raises ValueError where somebody has changed the list into none."""
    value = next((one.value for one in order.meta_data if one.key == META), None) or []
    kept = json_of(value.encode()) if isinstance(value, str) else value
    return tuple(Parcel.model_validate(one) for one in rows(kept))


def rows(kept: object) -> list[Any]:
    """A list; PHP writes one with a gap as an object."""
    if isinstance(kept, dict):
        return list(kept.values())
    if not isinstance(kept, list):
        raise TypeError("a list is expected")
    return kept


def of_parcel(order: Ref, number: int, parcel: Parcel) -> Fulfilment:
    return Fulfilment(
        ref=Ref(f"{order}/{number}"),
        location=None,
        lines=tuple(LinePieces(line=Ref(str(one.item_id)), pieces=one.qty) for one in parcel.items),
        company=parcel.company,
        tracks=parcel.numbers,
        at=parcel.at,
    )


# -- fulfilments


def listed(content: object) -> list[Data]:
    """The rows of a list of fulfilments. The first versions put them into an object, 10.5 answers them plainly."""
    inside = content.get("fulfillments") if isinstance(content, dict) else content
    return [as_object(one) for one in rows(inside)]


def made(content: object) -> Data:
    answered = as_object(content)
    return as_object(answered.get("fulfillment", answered))


def of_fulfilments(found: Iterable[Data], zone: tzinfo) -> Iterator[Fulfilment]:
    """Those that say that they have left; a draft has not."""
    for one in found:
        if one["is_fulfilled"]:
            yield _of_fulfilment(one, {meta["key"]: meta["value"] for meta in one["meta_data"]}, zone)


def _of_fulfilment(one: Data, meta: Mapping[str, Any], zone: tzinfo) -> Fulfilment:
    at = datetime.fromisoformat(meta.get(AT) or one["date_updated"])
    tracks = (number.strip() for number in str(meta.get(NUMBER) or "").split(","))
    return Fulfilment(
        ref=Ref(str(one["id"])),
        location=None,
        lines=tuple(_pieces(item) for item in rows(meta[ITEMS])),
        company=str(meta.get(PROVIDER) or ""),
        tracks=tuple(filter(None, tracks)),
        at=at if at.tzinfo else at.replace(tzinfo=zone),
    )


def _pieces(item: Data) -> LinePieces:
    """Half a piece is a plugin's, and none of ours."""
    return LinePieces(line=Ref(str(item["item_id"])), pieces=int(Decimal(str(item["qty"]))))


def fulfilment(said: Data) -> Data:
    """The body that makes one. A fulfilment has room for one number: several stand in it beside each other. What the
    carrier is called is mailed to the shopper as it stands here, so it is never ``other``."""
    meta = {ITEMS: said["items"], NUMBER: ", ".join(said["numbers"]), PROVIDER: said["company"]}
    if said["links"]:
        meta[LINK] = said["links"][0]
    return {
        "status": "fulfilled",
        "is_fulfilled": True,
        "notify_customer": said["notify"],
        "meta_data": [{"id": 0, "key": key, "value": value} for key, value in meta.items() if value],
    }


# -- trackings


def untracked(kept: Sequence[Parcel], shown: Iterable[Data]) -> Iterator[Data]:
    """The trackings that are still to be made: one a number, however many parcels share it."""
    there = {_plain(str(one["tracking_number"])) for one in shown}
    for parcel in kept:
        if parcel.way is not Tracking.SHIPMENT_TRACKING:
            continue
        for at, number in enumerate(parcel.numbers):
            if _plain(number) not in there:
                there.add(_plain(number))
                yield _tracking(parcel, number, parcel.links[at] if at < len(parcel.links) else "")


def _tracking(parcel: Parcel, number: str, link: str) -> Data:
    """A carrier that the extension knows makes its own link, whatever link is sent."""
    carrier = (
        {"custom_tracking_provider": parcel.company, "custom_tracking_link": link}
        if link
        else {"tracking_provider": parcel.company}
    )
    return {"tracking_number": number, **{key: value for key, value in carrier.items() if value}}


def _plain(number: str) -> str:
    return "".join(number.split()).casefold()


# -- notes


def unnoted(order: wire.Sold, kept: Sequence[Parcel], texts: Sequence[str], beginning: str) -> Iterator[Data]:
    """The notes that are still to be made. Each ends with a mark of its own, by which it is known again."""
    shown = [unescape(text) for text in texts]
    for number, parcel in enumerate(kept, 1):
        if parcel.way is Tracking.NOTE and not any(_mark(order, number) in text for text in shown):
            text = "\n".join([beginning, *_words(order, parcel), _mark(order, number)])
            yield {"note": text, "customer_note": parcel.notify}


def _mark(order: wire.Sold, number: int) -> str:
    return f"({order.id}/{number})"


def _words(order: wire.Sold, parcel: Parcel) -> Iterator[str]:
    """In no language: pieces and what they are called in the shop, the carrier, the numbers, the links."""
    names = {line.id: line.name for line in order.line_items}
    yield from (f"{one.qty} x {names.get(one.item_id, one.item_id)}" for one in parcel.items)
    if parcel.company or parcel.numbers:
        yield " ".join(filter(None, (parcel.company, ", ".join(parcel.numbers))))
    yield from parcel.links
