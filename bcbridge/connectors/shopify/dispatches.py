"""Dispatches told to a shop: one fulfilment per order and location, over the fulfilment orders that are open now
(contracts/shopify/NOTES.md 1.7).

A fulfilment cannot be made idempotent: whoever makes one looks before, and again before it repeats what had no answer.
The ids of fulfilment orders change when they are moved, split or fulfilled in part, so they are of this look alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import orjson

from bcbridge.connectors.budget import Share
from bcbridge.connectors.shopify.client import Client, Data, Gone, as_agreed
from bcbridge.model.answers import PutAnswer
from bcbridge.model.dispatch import Dispatch, DispatchView, Fulfillable, Fulfilment, LinePieces
from bcbridge.model.ids import Ref
from bcbridge.model.order import Hold

GROUPS_PAGE = 5
LINES_PAGE = 100
MOST_FULFILMENTS = 20
"""Read of one order: their list has no pages, and one question no more points."""
FULFIL = "CREATE_FULFILLMENT"
STANDS = "SUCCESS"
HELD = "ON_HOLD"


class Dispatches:
    """``shopify.dispatches``. ``name``: what an operator confirms for production."""

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self.retracks = Retracks(client)
        self._client = client

    async def look(self, ref: Ref) -> DispatchView | None:
        """One order as it stands now; None where it is gone."""
        groups: list[Data] = []
        order: Data = {}
        try:
            pages = self._client.slices(
                "order_dispatches", {"id": ref}, "order", "fulfillmentOrders", first=GROUPS_PAGE, share=Share.READ_BACK
            )
            async for found, reply in pages:
                groups += found.nodes
                order = reply.data["order"]
        except Gone:
            return None
        lines = {group["id"]: await self._lines(group) for group in groups}
        parcels = [await self._fulfilment(one) for one in order["fulfillments"] if one["status"] == STANDS]
        with as_agreed("order_dispatches"):
            return DispatchView(
                ref=Ref(order["id"]),
                cancelled=order["cancelledAt"] is not None,
                fulfilments=tuple(parcels),
                whole=len(order["fulfillments"]) < MOST_FULFILMENTS,
                fulfillable=tuple(piece for group in groups for piece in _fulfillable(group, lines[group["id"]])),
                holds=tuple(hold for group in groups for hold in _holds(group)),
            )

    async def _lines(self, group: Data) -> list[Data]:
        with as_agreed("order_dispatches"):
            lines, info = list(group["lineItems"]["nodes"]), group["lineItems"]["pageInfo"]
        if info["hasNextPage"]:
            lines += await self._rest("fulfilment_order_lines", group["id"], "fulfillmentOrder", "lineItems", info)
        return lines

    async def _fulfilment(self, shown: Data) -> Fulfilment:
        with as_agreed("order_dispatches"):
            lines, info = list(shown["fulfillmentLineItems"]["nodes"]), shown["fulfillmentLineItems"]["pageInfo"]
        if info["hasNextPage"]:
            lines += await self._rest("fulfilment_lines", shown["id"], "node", "fulfillmentLineItems", info)
        with as_agreed("order_dispatches"):
            said = shown["trackingInfo"]
            return Fulfilment(
                ref=Ref(shown["id"]),
                location=Ref(shown["location"]["id"]) if shown["location"] else None,
                lines=tuple(LinePieces(line=Ref(one["lineItem"]["id"]), pieces=one["quantity"] or 0) for one in lines),
                company=next((one["company"] for one in said if one["company"]), ""),
                tracks=tuple(one["number"] for one in said if one["number"]),
                at=datetime.fromisoformat(shown["createdAt"]),
            )

    async def _rest(self, document: str, ref: str, node: str, field: str, info: Data) -> list[Data]:
        pages = self._client.slices(document, {"id": ref}, node, field, first=LINES_PAGE, after=info["endCursor"])
        return [one async for found, _ in pages for one in found.nodes]

    # -- telling -----------------------------------------------------------------------------------------------

    def render(self, dispatch: Dispatch) -> bytes:
        """Pure: the exact variables of the call."""
        groups: dict[Ref, list[Fulfillable]] = {}
        for piece in dispatch.pieces:
            groups.setdefault(piece.group, []).append(piece)
        asked = {
            "lineItemsByFulfillmentOrder": [
                {
                    "fulfillmentOrderId": group,
                    "fulfillmentOrderLineItems": [{"id": one.item, "quantity": one.pieces} for one in pieces],
                }
                for group, pieces in groups.items()
            ],
            "notifyCustomer": dispatch.notify,
            **({"trackingInfo": tracking} if (tracking := _tracking(dispatch)) else {}),
        }
        return orjson.dumps({"fulfillment": asked})

    async def put(self, body: bytes) -> PutAnswer:
        """Once. A refusal changes nothing: Shopify takes a fulfilment whole or not at all."""
        return await self._client.put("fulfil", orjson.loads(body), "fulfillment")


class Retracks:
    """The company and numbers of a fulfilment that stands."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def render(self, shown: Ref, dispatch: Dispatch) -> bytes:
        return orjson.dumps({"id": shown, "tracking": _tracking(dispatch), "notify": dispatch.notify})

    async def put(self, body: bytes) -> PutAnswer:
        return await self._client.put("retrack", orjson.loads(body), "fulfillment")


def _tracking(dispatch: Dispatch) -> Data:
    """``company`` alone is left out: without a number there is nothing to follow."""
    if not dispatch.tracks:
        return {}
    said: Data = {"numbers": list(dispatch.tracks)}
    if dispatch.company:
        said["company"] = dispatch.company
    if dispatch.links:
        said["urls"] = list(dispatch.links)
    return said


def _fulfillable(group: Data, lines: Iterable[Data]) -> Iterator[Fulfillable]:
    if FULFIL not in {one["action"] for one in group["supportedActions"]}:
        return
    assigned = group["assignedLocation"]
    location = assigned["location"]
    for line in lines:
        if line["remainingQuantity"] > 0:
            yield Fulfillable(
                group=Ref(group["id"]),
                item=Ref(line["id"]),
                line=Ref(line["lineItem"]["id"]),
                location=Ref(location["id"]) if location else None,
                pieces=line["remainingQuantity"],
                place=assigned["name"],
            )


def _holds(group: Data) -> Sequence[Hold]:
    if group["status"] != HELD:
        return ()
    said = [Hold(reason=one["reason"].lower(), note=one["reasonNotes"] or "") for one in group["fulfillmentHolds"]]
    return said or [Hold(reason="on_hold")]
