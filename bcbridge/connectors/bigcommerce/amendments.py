"""What a store takes of changes that the ERP made, and marks: an order cancelled, a line in its staff notes
(contracts/woo_bigcommerce_magento.md 2.3, 2.8; orders.v2.oas2.yml, `PUT /orders/{order_id}`). No money moves.

Each looks first and asks for what is still wanting, in one write. Lines are never written: that clears their discounts.
Fees are said again as they stand: the OpenAPI can be read as that a write deletes those that it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bcbridge.connectors.bigcommerce import wire
from bcbridge.connectors.bigcommerce.client import Client, Data, as_agreed, id_of
from bcbridge.connectors.bigcommerce.failures import Missing, of_one_order
from bcbridge.connectors.bigcommerce.heads import ORDERS_PATH
from bcbridge.connectors.bigcommerce.payment import (
    AWAITING_PAYMENT,
    AWAITING_PICKUP,
    AWAITING_SHIPMENT,
    CANCELLED,
    PARTLY_REFUNDED,
    PENDING,
    STATUSES,
)
from bcbridge.connectors.budget import Share
from bcbridge.errors import Reject, Retry
from bcbridge.model.answers import Accepted, Doubtful, NotSent, PutAnswer, Rejected
from bcbridge.model.changes import Amendment, AmendmentKind
from bcbridge.model.ids import Ref

WAITING = frozenset(
    {PENDING, AWAITING_PAYMENT, AWAITING_PICKUP, AWAITING_SHIPMENT, 11, 12, PARTLY_REFUNDED},
)
"""Statuses of what has not left and is not over: with 11, awaiting fulfilment, and 12, to be verified. What is disputed
(13) is a person's: the bank has a word in it."""
LONGEST_NOTES = 65_535
GONE = "the store has no such order"
FEE = (
    *("id", "type", "display_name_customer", "display_name_merchant", "source"),
    *("cost_ex_tax", "cost_inc_tax", "cost_tax", "tax_class_id"),
)
"""What a write says of a fee (``orderFees_Put``)."""


class Amendments:
    """``bigcommerce.amendments``. ``name``: what an operator confirms for production."""

    can = frozenset({AmendmentKind.CANCEL, AmendmentKind.MARK})

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self._client = client

    def render(self, amendment: Amendment) -> bytes:
        """Pure: which order is to be made what."""
        return amendment.model_dump_json().encode()

    async def put(self, body: bytes) -> PutAnswer:
        """Once. ``Accepted`` also where it is so already."""
        asked = Amendment.model_validate_json(body)
        try:
            order = await self._look(asked.order)
            wanting = WAYS[asked.kind](order, asked)
        except Retry as busy:
            return NotSent(str(busy), busy.after)
        except Reject as no:
            return Rejected(no.reasons)
        return await self._write(asked.order, {**wanting, **_fees(order)}) if wanting else Accepted(asked.order)

    async def _look(self, ref: Ref) -> wire.Amendable:
        """Raises Reject where the order is gone."""
        try:
            found = (await self._client.get(f"{ORDERS_PATH}/{ref}", {"include": "fees"}, share=Share.READ_BACK)).content
        except Missing:
            await self._client.get("/v2/store")  # it was not there: that counts only where something else is
            raise Reject([GONE]) from None
        with as_agreed("order"):
            return wire.Amendable.model_validate(found)

    async def _write(self, ref: Ref, fields: Data) -> PutAnswer:
        """Their words for a no may quote the notes: none is passed on."""
        answer = await self._client.write("PUT", f"{ORDERS_PATH}/{ref}", fields, decide=of_one_order)
        if isinstance(answer, NotSent | Doubtful):
            return answer
        if answer.status >= 400:
            return Rejected((f"BigCommerce does not take the change: {answer.status}",))
        return Accepted(ref) if id_of(answer) == ref else Doubtful("BigCommerce's yes to a change names no order")


def _cancelling(order: wire.Amendable, asked: Amendment) -> Data:
    """What is to be written; nothing where it is cancelled already. Raises Reject."""
    if order.status_id == CANCELLED:
        return {}
    if why := _beyond(order):
        raise Reject([why])
    notes = _noted(order, asked.words)
    return {"status_id": CANCELLED, **(notes if _fits(notes) else {})}


def _beyond(order: wire.Amendable) -> str:
    """Why it is too late to cancel it; empty where it is not."""
    if order.is_deleted:
        return "the order is archived"
    if order.status_id not in WAITING:
        return f"the order is {STATUSES[order.status_id]}"
    return f"pieces of it have left: {order.items_shipped}" if order.items_shipped else ""


def _marking(order: wire.Amendable, asked: Amendment) -> Data:
    notes = _noted(order, asked.mark)
    if not _fits(notes):
        raise Reject(["the staff notes are full"])
    return notes


def _noted(order: wire.Amendable, words: str) -> Data:
    """A line of its own behind what people wrote, once."""
    line, notes = " ".join(words.split()), order.staff_notes
    if not line or line in notes.splitlines():
        return {}
    return {"staff_notes": f"{notes}\n{line}" if notes else line}


def _fits(notes: Data) -> bool:
    return len(notes.get("staff_notes", "")) <= LONGEST_NOTES


def _fees(order: wire.Amendable) -> Data:
    told = [{name: fee[name] for name in FEE if fee.get(name) is not None} for fee in order.fees]
    return {"fees": told} if told else {}


WAYS: Mapping[AmendmentKind, Callable[[wire.Amendable, Amendment], Data]] = {
    AmendmentKind.CANCEL: _cancelling,
    AmendmentKind.MARK: _marking,
}
