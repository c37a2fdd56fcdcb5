"""What a shop takes of changes that the ERP made, and marks: an order cancelled, a row in its meta data (contract 1.2,
1.3, 1.8). No money moves.

The shop lets any status follow any other, so it is looked first whether the order still waits. Each is one save; the
reason of a cancellation is a note after it, for the shop's people alone, and changes nothing of the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from bcbridge.connectors.budget import Share
from bcbridge.connectors.woocommerce import wire
from bcbridge.connectors.woocommerce.answers import Data, Gone, NotAllowed, NotTaken, as_object
from bcbridge.connectors.woocommerce.client import Client, OddAnswer, Reply, as_agreed
from bcbridge.connectors.woocommerce.orders import ID, NO_ORDERS
from bcbridge.connectors.woocommerce.parcels import META
from bcbridge.connectors.woocommerce.payment import CANCELLED, COMPLETED, REFUNDED
from bcbridge.connectors.woocommerce.settings import WooCommerceSettings
from bcbridge.errors import BridgeError, Reject, Retry
from bcbridge.model.answers import Accepted, Doubtful, NotSent, PutAnswer, Rejected
from bcbridge.model.changes import Amendment, AmendmentKind
from bcbridge.model.ids import Ref

FIELDS = "id,status,meta_data"
MARK = "_bcbridge_mark"
WAITING = frozenset({"processing", "on-hold", "pending"})
OVER = frozenset({COMPLETED, REFUNDED, "failed"})
FULFILMENT_STATUS = "_fulfillment_status"
TRACKINGS = "_wc_shipment_tracking_items"
"""Of the extension Shipment Tracking."""
NOTHING_LEFT: tuple[Any, ...] = (None, "", "[]", [], {}, "unfulfilled", "no_fulfillments")
GONE = "the shop has no such order"

log = structlog.get_logger("bcbridge.woocommerce")


class Amendments:
    """``woocommerce.amendments``. ``name``: what an operator confirms for production."""

    can = frozenset({AmendmentKind.CANCEL, AmendmentKind.MARK})

    def __init__(self, name: str, client: Client, settings: WooCommerceSettings) -> None:
        self.name = name
        self._client = client
        self._waiting = waiting(settings)
        self._ways = {AmendmentKind.CANCEL: self._cancel, AmendmentKind.MARK: self._mark}

    def render(self, amendment: Amendment) -> bytes:
        """Pure: which order is to be made what."""
        return amendment.model_dump_json().encode()

    async def put(self, body: bytes) -> PutAnswer:
        """Once. ``Accepted`` also where it is so already."""
        asked = Amendment.model_validate_json(body)
        try:
            return await self._ways[asked.kind](await self._look(asked.order), asked)
        except Retry as busy:  # of the look
            return NotSent(str(busy), busy.after)
        except Reject as no:
            return Rejected(no.reasons)

    async def _look(self, ref: Ref) -> wire.Amendable:
        """Raises Reject where the order is gone."""
        if not ID.fullmatch(ref):
            raise Reject([GONE])
        try:
            reply = await self._client.ask(f"/orders/{ref}", {"_fields": FIELDS}, share=Share.READ_BACK)
        except Gone:
            raise Reject([GONE]) from None
        with as_agreed("/orders/{id}"):
            order = wire.Amendable.model_validate(reply.content)
        if order.status in NO_ORDERS:
            raise Reject([GONE])
        return order

    # -- the whole order

    async def _cancel(self, order: wire.Amendable, asked: Amendment) -> PutAnswer:
        if order.status == CANCELLED:
            return Accepted(asked.order)
        if why := self._beyond(order):
            return Rejected((why,))
        answer = await self._saved(asked.order, {"status": CANCELLED}, _status)
        if not isinstance(answer, Accepted):
            return answer
        if answer.key != CANCELLED:  # a plugin does not let it stand
            return Rejected((f"the shop made of {CANCELLED}: {answer.key}",))
        await self._note(asked.order, asked.words)
        return Accepted(asked.order)

    def _beyond(self, order: wire.Amendable) -> str:
        """Why it is too late to cancel it; empty where it is not."""
        if order.status not in self._waiting:
            return f"the order is {order.status}"
        left = {FULFILMENT_STATUS, TRACKINGS, META}
        shown = any(one.key in left and one.value not in NOTHING_LEFT for one in order.meta_data)
        return "pieces of it have left" if shown else ""

    async def _note(self, order: Ref, words: str) -> None:
        """For the shop's people. It is cancelled whatever comes of this."""
        if not words:
            return
        said = {"note": words, "customer_note": False}
        try:
            answer = await self._client.write(f"/orders/{order}/notes", said, share=Share.NORMAL)
            why = "" if isinstance(answer, Reply) else answer.reason
        except BridgeError as fault:
            why = str(fault)
        if why:
            log.warning("a cancelled order has no note of its reason", sink=self.name, order=order, why=why)

    # -- signs

    async def _mark(self, order: wire.Amendable, asked: Amendment) -> PutAnswer:
        if _has(order, asked.mark):
            return Accepted(asked.order)
        row = {"key": MARK, "value": asked.mark}
        answer = await self._saved(asked.order, {"meta_data": [row]}, lambda found: _kept(found, asked.mark))
        return Accepted(asked.order) if isinstance(answer, Accepted) else answer

    # -- one save

    async def _saved(self, order: Ref, fields: Data, key: Callable[[object], str]) -> PutAnswer:
        """Every no in words of ours. A yes that does not show the order may be none."""
        try:
            answer = await self._client.write(f"/orders/{order}", fields, method="PUT", share=Share.NORMAL)
        except Gone:
            return Rejected((GONE,))
        except (NotAllowed, NotTaken) as refused:
            return Rejected((str(refused),))
        if not isinstance(answer, Reply):
            return answer
        try:
            with as_agreed("a change of an order"):
                return Accepted(key(answer.content))
        except OddAnswer as odd:
            return Doubtful(str(odd))


def waiting(settings: WooCommerceSettings) -> frozenset[str]:
    """Statuses from which an order may be cancelled."""
    return WAITING.union(settings.import_statuses) - OVER


def _status(content: object) -> str:
    return str(as_object(content)["status"])


def _kept(content: object, mark: str) -> str:
    """Raises ValueError where the answer does not show the mark."""
    order = wire.Amendable.model_validate(content)
    if not _has(order, mark):
        raise ValueError("the mark was not kept")
    return str(order.id)


def _has(order: wire.Amendable, mark: str) -> bool:
    return any(one.key == MARK and one.value == mark for one in order.meta_data)
