"""Money that is only authorised, taken: ``POST /v3/orders/{id}/payment_actions/capture`` (orders.v3.yml).

The call names no amount and has no key: all that is authorised is taken, and asynchronously. So it is asked for only
where that is what the order costs. Whoever repeats what had no answer looks before: ``capture pending`` is under way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal

import orjson

from bcbridge.connectors.bigcommerce import wire
from bcbridge.connectors.bigcommerce.client import Client, as_agreed
from bcbridge.connectors.bigcommerce.failures import LONGEST_REASON, Missing, of_one_order
from bcbridge.connectors.bigcommerce.heads import ORDERS_PATH
from bcbridge.connectors.bigcommerce.money import Side
from bcbridge.connectors.budget import Share
from bcbridge.connectors.http import Answer
from bcbridge.model.answers import Accepted, Doubtful, NotSent, PutAnswer, Rejected
from bcbridge.model.dispatch import Authorisation, AuthorisedMoney
from bcbridge.model.ids import Ref

AUTHORISED = "authorized"
"""The payment status of what may be captured; ``capture pending`` once it was asked for."""
AUTHORISATION = "authorization"
ENDS = frozenset({"capture", "void", "settled"})
"""Events after which an authorisation is none any more."""
WELL = "ok"
MOST_TRANSACTIONS = 50
"""A page of theirs, and the call knows no other page: of an order that fills it nothing is known."""


class Captures:
    """``bigcommerce.captures``. ``name``: what an operator confirms for production."""

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self._client = client

    async def look(self, ref: Ref) -> AuthorisedMoney | None:
        """One order's, in two calls; None where it is gone."""
        try:
            found = (await self._client.get(f"{ORDERS_PATH}/{ref}", share=Share.READ_BACK)).content
        except Missing:
            await self._client.get("/v2/store")  # it was not there: that counts only where something else is
            return None
        with as_agreed("order"):
            order = wire.Payable.model_validate(found)
        if order.payment_status != AUTHORISED:
            return AuthorisedMoney(order=ref)
        reply = await self._client.get(f"/v3/orders/{ref}/transactions", share=Share.READ_BACK)
        with as_agreed("transactions"):
            moved = [wire.Transaction.model_validate(row) for row in reply.rows_v3()]
        held = () if len(moved) >= MOST_TRANSACTIONS else _authorisations(ref, order, moved)
        return AuthorisedMoney(order=ref, authorisations=held)

    def render(self, authorisation: Authorisation) -> bytes:
        """Pure: which order. The call itself says nothing else."""
        return orjson.dumps({"order": authorisation.order})

    async def put(self, body: bytes) -> PutAnswer:
        """Once. A yes says that the capture is scheduled: whether it came is seen by looking."""
        order = orjson.loads(body)["order"]
        path = f"/v3/orders/{order}/payment_actions/capture"
        answer = await self._client.write("POST", path, None, decide=of_one_order)
        if isinstance(answer, NotSent | Doubtful):
            return answer
        return Rejected((_reason(answer),)) if answer.status >= 400 else Accepted(order)


def _authorisations(ref: Ref, order: wire.Payable, moved: Sequence[wire.Transaction]) -> tuple[Authorisation, ...]:
    """The one that stands, where it is of what the order costs. The price may lack what credit paid of it."""
    side = Side(with_tax=True, currency=order.default_currency_code)
    well = [one for one in moved if one.status == WELL]
    held = [one for one in well if one.event == AUTHORISATION]
    if len(held) != 1 or any(one.event in ENDS for one in well):
        return ()
    (one,) = held
    costs = {side.plain(price) for price in (order.total_inc_tax, order.total_inc_tax - order.credits)}
    amount = side.plain(one.amount)
    if one.currency != order.default_currency_code or amount not in costs or amount <= Decimal(0):
        return ()
    gateway, currency = order.payment_method, order.default_currency_code
    return (Authorisation(order=ref, ref=Ref(str(one.id)), gateway=gateway, amount=amount, currency=currency),)


def _reason(answer: Answer) -> str:
    """In their words: nothing of a customer is sent with the call."""
    try:
        said = str(json.loads(answer.body)["title"])[:LONGEST_REASON]
    except (ValueError, RecursionError, LookupError, TypeError):
        said = "not in its own words"
    return f"BigCommerce does not capture it: {answer.status}, {said}"
