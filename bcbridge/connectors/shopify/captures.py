"""Money that is only authorised, taken: ``orderCapture`` (schema 2026-10; contracts/shopify/NOTES.md 1.6).

Its description documents no idempotency, so no key is sent: whoever asks has looked, and looks again before what had no
answer is asked for again. Everything is in the currency that the customer paid in, as the input wants it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

import orjson

from bcbridge.connectors.budget import Share
from bcbridge.connectors.shopify.client import Client, Data, OddAnswer, as_agreed
from bcbridge.connectors.shopify.failures import LONGEST_TEXT
from bcbridge.model.answers import Accepted, Doubtful, PutAnswer, Rejected
from bcbridge.model.dispatch import Authorisation, AuthorisedMoney
from bcbridge.model.ids import Ref

MOST_TRANSACTIONS = 200
AUTHORISATIONS = frozenset({"AUTHORIZATION", "EMV_AUTHORIZATION"})
UNDER_WAY = frozenset({"PENDING", "AWAITING_RESPONSE", "UNKNOWN"})
"""Of a capture: it may still come."""
TAKEN = frozenset({"SUCCESS", "PENDING"})
FAILED = frozenset({"FAILURE", "ERROR"})


class Captures:
    """``shopify.captures``. ``name``: what an operator confirms for production."""

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self._client = client

    async def look(self, ref: Ref) -> AuthorisedMoney | None:
        """One order's as it stands now; None where it is gone."""
        asked = {"id": ref, "first": MOST_TRANSACTIONS}
        reply = await self._client.ask("order_authorisations", asked, share=Share.READ_BACK)
        with as_agreed("order_authorisations"):
            order = reply.data["order"]
            if order is None:
                return None
            if len(order["transactions"]) >= MOST_TRANSACTIONS:
                raise ValueError("an order with more transactions than can be listed")
            return AuthorisedMoney(order=ref, authorisations=tuple(_authorisations(order)))

    def render(self, authorisation: Authorisation) -> bytes:
        """Pure: the exact variables of the call. What is left of it is let go."""
        asked = {
            "id": authorisation.order,
            "parentTransactionId": authorisation.ref,
            "amount": str(authorisation.amount),
            "currency": authorisation.currency,
            "finalCapture": True,
        }
        return orjson.dumps({"input": asked})

    async def put(self, body: bytes) -> PutAnswer:
        """Once. A capture that a gateway has under way is a yes: whether it came is seen by looking."""
        payload = await self._client.change("capture", orjson.loads(body))
        if not isinstance(payload, dict):
            return payload
        try:
            with as_agreed("capture"):
                return _answer(payload["transaction"], payload["userErrors"])
        except OddAnswer as odd:
            return Doubtful(str(odd))


def _authorisations(order: Data) -> Iterator[Authorisation]:
    """Of each what may be captured: together no more than the order still costs. None while a capture is under way."""
    if any(one["kind"] == "CAPTURE" and one["status"] in UNDER_WAY for one in order["transactions"]):
        return
    owed = _amount(order["currentTotalPriceSet"]) - _amount(order["netPaymentSet"])
    for one in _capturable(order["transactions"]):
        amount = min(_amount(one["totalUnsettledSet"]), owed)
        if amount > 0:
            owed -= amount
            currency = one["totalUnsettledSet"]["presentmentMoney"]["currencyCode"]
            ref, gateway = Ref(one["id"]), one["gateway"] or ""
            yield Authorisation(order=Ref(order["id"]), ref=ref, gateway=gateway, amount=amount, currency=currency)


def _capturable(transactions: Iterable[Data]) -> Iterator[Data]:
    for one in transactions:
        stands = one["kind"] in AUTHORISATIONS and one["status"] == "SUCCESS"
        if stands and one["manuallyCapturable"] and one["totalUnsettledSet"] is not None:
            yield one


def _amount(bag: Data) -> Decimal:
    return Decimal(bag["presentmentMoney"]["amount"])


def _answer(made: Data | None, errors: list[Data]) -> PutAnswer:
    """A transaction without success is a no of the gateway's; what is neither yes nor no is a doubt."""
    if made is None and errors:
        return Rejected(tuple(str(one["message"])[:LONGEST_TEXT] for one in errors))
    if made is not None and made["status"] in FAILED:
        return Rejected((f"the gateway says {str(made['errorCode'] or made['status']).lower()}",))
    if made is not None and made["status"] in TAKEN and not errors:
        return Accepted(str(made["id"]))
    return Doubtful("Shopify answered a capture with neither a yes nor a no")
