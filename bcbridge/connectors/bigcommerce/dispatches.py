"""Dispatches told to a store: one shipment per order address, over the pieces of its lines that have not left
(contracts/woo_bigcommerce_magento.md 2.6, 5.3).

A shipment cannot be made idempotent: whoever makes one looks before, and again before it repeats what had no answer.
The order is asked for first and its shipments after it: one made meanwhile is shown, and its pieces are not left.
The status follows a shipment by itself, and so does the shopper's mail: no call can spare it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import orjson

from bcbridge.connectors.base import Retracks
from bcbridge.connectors.bigcommerce import wire
from bcbridge.connectors.bigcommerce.bundles import refunds, stood_for
from bcbridge.connectors.bigcommerce.client import Client, Data, as_agreed, id_of
from bcbridge.connectors.bigcommerce.detail import INCLUDE, every_line
from bcbridge.connectors.bigcommerce.failures import Missing, of_one_order, reasons
from bcbridge.connectors.bigcommerce.heads import ORDERS_PATH
from bcbridge.connectors.bigcommerce.payment import CANCELLED, DECLINED, INCOMPLETE, REFUNDED, STATUSES
from bcbridge.connectors.bigcommerce.settings import BigCommerceSettings, Bundles
from bcbridge.connectors.budget import Share
from bcbridge.errors import Malformed, Retry
from bcbridge.model.answers import Accepted, Doubtful, NotSent, PutAnswer, Rejected
from bcbridge.model.dispatch import Dispatch, DispatchView, Fulfillable, Fulfilment, LinePieces
from bcbridge.model.ids import Ref
from bcbridge.model.order import Hold

OVER = frozenset({CANCELLED, DECLINED})
HELD = frozenset({INCOMPLETE, 12, 13})
"""An abandoned checkout, to be verified by somebody, disputed: a shipment would move it on as if nothing were."""
FOR_REVIEW = "held for review"
PROVIDERS = frozenset(
    ("auspost", "canadapost", "endicia", "fedex", "royalmail", "shipperhq", "ups", "upsonline", "upsready", "usps")
)
"""Their fixed list (orders.v2.oas2.yml, shipping_provider_standard)."""
OF_A_THIRD = re.compile(r"carrier_[0-9]+")
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""How AfterShip names carriers; which of them there are it knows alone."""
LONGEST_LINK = 500
MORE = "More parcels:"
"""Begins the comments of a shipment of several parcels: it has one tracking number."""


class Dispatches:
    """``bigcommerce.dispatches``. ``name``: what an operator confirms for production."""

    def __init__(self, name: str, client: Client, settings: BigCommerceSettings) -> None:
        self.name = name
        self.retracks: Retracks | None = None
        self._client = client
        self._settings = settings

    async def look(self, ref: Ref) -> DispatchView | None:
        """One order as it stands now, in two calls; None where it is gone."""
        path = f"{ORDERS_PATH}/{ref}"
        try:
            order = (await self._client.get(path, INCLUDE, share=Share.READ_BACK)).content
        except Missing:
            order = None
        if order is None:
            await self._client.get("/v2/store")  # nothing was there: that counts only where something else is
            return None
        try:
            with as_agreed("order"):
                products = await every_line(self._client, ref, order, share=Share.READ_BACK)
            shipments = await self._client.all_v2(f"{path}/shipments", share=Share.READ_BACK)
        except Missing:
            raise Retry("a part of an order is not there, though the order is") from None
        with as_agreed("shipments"):
            found = wire.Shipped.model_validate({"order": order, "products": products, "shipments": shipments})
            return _View(found, self._settings.bundles, self._settings.import_status_ids).view(ref)

    # -- telling -----------------------------------------------------------------------------------------------

    def render(self, dispatch: Dispatch) -> bytes:
        """Pure: the order, and the exact body of its shipment. All pieces go to one address: its location."""
        (address,) = {piece.group for piece in dispatch.pieces}
        pieces = {piece.item: piece.pieces for piece in dispatch.pieces}
        return _shipment(dispatch.order, address, pieces, {**_tracking(dispatch), **_carrier(dispatch)})

    async def put(self, body: bytes) -> PutAnswer:
        """Once. A refusal changes nothing: a shipment is taken whole or not at all."""
        asked = orjson.loads(body)
        path = f"{ORDERS_PATH}/{asked['order']}/shipments"
        answer = await self._client.write("POST", path, asked["shipment"], decide=of_one_order)
        if isinstance(answer, NotSent | Doubtful):
            return answer
        if answer.status >= 400:
            return Rejected(reasons(answer))
        made = id_of(answer)
        return Accepted(made) if made else Doubtful("BigCommerce's yes to a shipment names none")


def _shipment(order: Ref, address: Ref, pieces: Mapping[Ref, int], more: Data) -> bytes:
    items = [{"order_product_id": int(line), "quantity": count} for line, count in pieces.items()]
    return orjson.dumps({"order": order, "shipment": {"order_address_id": int(address), "items": items, **more}})


def _tracking(dispatch: Dispatch) -> Data:
    """The first number where there is a place for one; the others are comments, with their links."""
    if not dispatch.tracks:
        return {}
    links = dict(zip(dispatch.tracks, dispatch.links, strict=False))
    first, *others = dispatch.tracks
    said: Data = {"tracking_number": first}
    if 0 < len(links.get(first, "")) <= LONGEST_LINK:
        said["tracking_link"] = links[first]
    if others:
        told = (f"{number} ({links[number]})" if number in links else number for number in others)
        said["comments"] = "\n".join([MORE, *told])
    return said


def _carrier(dispatch: Dispatch) -> Data:
    """A provider of theirs; else an empty one (without any no link is made), and a carrier as AfterShip names it where
    no link is given, or its name where a person reads how it was sent."""
    company = dispatch.company
    provider = re.sub(r"[\s-]", "", company.lower())
    if provider in PROVIDERS or OF_A_THIRD.fullmatch(provider):
        return {"shipping_provider": provider}
    if company and not dispatch.links and SLUG.fullmatch(company):
        return {"shipping_provider": "", "tracking_carrier": company}
    return {"shipping_provider": "", **({"shipping_method": company} if company else {})}


# -- looking -------------------------------------------------------------------------------------------------------


class _View:
    """One order being looked at."""

    def __init__(self, found: wire.Shipped, bundled: Bundles, import_statuses: Collection[int]) -> None:
        self._found = found
        self._order = found.order
        self._imported = found.order.status_id in import_statuses
        self._addresses = found.addresses()
        self._stood_for = stood_for(found.lines, bundled)
        self._shown = Counter[int]()
        for shipment in found.shipments:
            for one in shipment.items:
                self._shown[one.order_product_id] += one.quantity
        self._refunded = _refunded(found.lines)

    def view(self, ref: Ref) -> DispatchView:
        order = self._order
        holds = tuple(self._holds())
        may = not holds and order.status_id not in {*OVER, REFUNDED}
        return DispatchView(
            ref=ref,
            cancelled=order.status_id in OVER,
            fulfilments=(*map(self._fulfilment, self._found.shipments), *self._marked()),
            fulfillable=tuple(self._fulfillable()) if may else (),
            holds=holds,
            unfinished=tuple(self._unfinished(ref)) if may else (),
            again=bool(self._stood_for),
        )

    def _holds(self) -> Iterator[Hold]:
        order = self._order
        if order.is_deleted:
            yield Hold(reason="archived")
        if order.status_id in HELD and not self._imported:
            yield Hold(reason=f"status {STATUSES[order.status_id]}")
        if order.payment_status == FOR_REVIEW:
            yield Hold(reason=f"payment {FOR_REVIEW}")

    def _fulfilment(self, shipment: wire.Shipment) -> Fulfilment:
        return Fulfilment(
            ref=_ref(shipment.id),
            location=None,
            lines=self._booked(shipment.items),
            company=shipment.shipping_provider or shipment.tracking_carrier,
            tracks=_tracks(shipment),
            at=shipment.date_created,
        )

    def _booked(self, items: Sequence[wire.ShippedPieces]) -> tuple[LinePieces, ...]:
        told = ((_ref(one.order_product_id), one.quantity) for one in items)
        return tuple(LinePieces(line=line, pieces=pieces) for line, pieces in told if line not in self._stood_for)

    def _marked(self) -> Iterator[Fulfilment]:
        """Pieces that are shown as shipped, and in no shipment that is."""
        items = [
            wire.ShippedPieces(order_product_id=line.id, quantity=line.quantity_shipped - self._shown[line.id])
            for line in self._found.lines
            if line.quantity_shipped > self._shown[line.id]
        ]
        if lines := self._booked(items):
            at = self._order.date_modified
            yield Fulfilment(ref=Ref("marked"), location=None, lines=lines, company="", tracks=(), at=at)

    def _left(self, line: wire.Line) -> int:
        """Pieces that may be shipped."""
        if line.id not in self._addresses:
            return 0
        return max(0, line.quantity - self._refunded.get(_ref(line.id), 0) - self._gone(line))

    def _fulfillable(self) -> Iterator[Fulfillable]:
        """Location is the address, for one dispatch is of one location: where it leaves from no store says."""
        for line in self._found.lines:
            if (left := self._left(line)) and _ref(line.id) not in self._stood_for:
                address, own = _ref(self._addresses[line.id]), _ref(line.id)
                yield Fulfillable(group=address, item=own, line=own, location=address, pieces=left)

    def _unfinished(self, ref: Ref) -> Iterator[bytes]:
        """Of a bundle one of the two is booked, the bundle or its parts: once that has left, the other has as well, or
        the order would be partially shipped for ever. A shipment for each address."""
        lines = {_ref(line.id): line for line in self._found.lines}
        by_address: dict[int, dict[Ref, int]] = {}
        for own, booked in self._stood_for.items():
            left, of = self._left(lines[own]), [lines[one] for one in booked]
            if left and not any(map(self._left, of)) and any(self._gone(one) for one in of):
                by_address.setdefault(self._addresses[lines[own].id], {})[own] = left
        for address, pieces in by_address.items():
            yield _shipment(ref, _ref(address), pieces, {"shipping_provider": ""})

    def _gone(self, line: wire.Line) -> int:
        """Which of the two is behind, the order or the list, nobody says."""
        return max(line.quantity_shipped, self._shown[line.id])


def _refunded(lines: Sequence[wire.Line]) -> Mapping[Ref, int]:
    """By line; where a bundle's cannot be told as its parts', each line's own."""
    try:
        return refunds(lines)
    except Malformed:
        return {_ref(line.id): line.quantity_refunded for line in lines}


def _tracks(shipment: wire.Shipment) -> tuple[str, ...]:
    """Its number, and those that its comments tell."""
    _, found, rest = shipment.comments.partition(MORE)
    others = [line.split(" (", 1)[0].strip() for line in rest.splitlines()] if found else []
    return tuple(number for number in (shipment.tracking_number.strip(), *others) if number)


def _ref(number: int) -> Ref:
    return Ref(str(number))
