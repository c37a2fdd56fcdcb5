"""Orders as they are now, each put together into one document from as few answers as it needs.

Many at once, slim, as many as a query may cost by what the last one cost; what an order has more of (lines, shipping
lines, fulfilment orders and their lines, transactions) is paged to the end, and what few orders have (duties, fees,
the sales ledger) is asked for only where the slim answer points at it. An order that changes meanwhile is begun anew:
half of one state and half of another is no document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson

from bcbridge.connectors.base import Document
from bcbridge.connectors.shopify.client import Client, Data, Gone, OddAnswer, Reply
from bcbridge.connectors.shopify.failures import TooCostly, Unanswered
from bcbridge.errors import OpenCircuit, Retry
from bcbridge.model.ids import Noun, Ref

ORDERS = Noun("orders")
ORDER_GID = re.compile(r"gid://shopify/Order/\d+")

CEILING = 1000
"""Points one query may ask for, on any plan (contracts/shopify/NOTES.md 1.4)."""
FIRST_BATCH, LARGEST_BATCH = 4, 25
SLIM_LINES, SLIM_TRANSACTIONS = 6, 3
LINES_PAGE, SHIPPING_PAGE, FULFILMENT_PAGE, PIECES_PAGE, DUTIES_PAGE = 40, 10, 15, 100, 50
MOST_TRANSACTIONS = 200
AGREEMENTS_PAGE, SALES_PAGE = 4, 40
PRODUCTS_BATCH = 100
ATTEMPTS = 3

WITHHELD = frozenset({"customer", "billingAddress", "shippingAddress", "email", "phone", "app"})
"""What may be null for want of access: protected customer data (NOTES.md 1.2). Everything else is needed."""


class _Moved(Exception):
    """The order changed between two answers about it."""


@dataclass(slots=True)
class _Batch:
    """How many orders go into one query."""

    size: int = FIRST_BATCH

    def learn(self, orders: int, cost: float | None) -> None:
        if cost:
            self.size = max(1, min(LARGEST_BATCH, int(CEILING * orders / cost)))

    def halve(self) -> None:
        if self.size == 1:
            raise OpenCircuit("one order alone asks for too many points")
        self.size //= 2


class Details:
    """Fetches order documents. ``supercycle``: also asks which products are circular."""

    def __init__(self, client: Client, *, supercycle: bool) -> None:
        self._client = client
        self._supercycle = supercycle
        self._batch = _Batch()

    async def fetch(self, refs: Sequence[Ref]) -> list[Document]:
        """One document per order that is there, in the order asked; refs that name no order are absent."""
        waiting = [ref for ref in dict.fromkeys(refs) if ORDER_GID.fullmatch(ref)]
        found: list[Document] = []
        while waiting:
            nodes, asked = await self._slim(waiting)
            for ref, order in zip(waiting, nodes, strict=False):
                document = await self._document(ref, order, asked)
                found += [document] if document else []
            waiting = waiting[len(nodes) :]
        return found

    async def _slim(self, refs: Sequence[Ref]) -> tuple[list[Data | None], datetime]:
        """As many of the first as one query carries, each an order or null, and when they were asked for."""
        while True:
            some = refs[: self._batch.size]
            try:
                return await self._nodes(some)
            except TooCostly:
                self._batch.halve()
            except Unanswered:
                return await self._one_by_one(some)

    async def _nodes(self, refs: Sequence[Ref]) -> tuple[list[Data | None], datetime]:
        reply = await self._client.ask("orders", {"ids": list(refs), "lines": SLIM_LINES}, optional=WITHHELD)
        self._batch.learn(len(refs), reply.requested_cost)
        nodes = reply.data.get("nodes")
        if not isinstance(nodes, list) or len(nodes) != len(refs):
            raise OpenCircuit("Shopify's answer does not match the orders asked for", by_content=True)
        return nodes, reply.asked

    async def _one_by_one(self, refs: Sequence[Ref]) -> tuple[list[Data | None], datetime]:
        """One of them is broken over there: it comes as it is, and its neighbours go on."""
        asked = self._client.now()
        nodes: list[Data | None] = []
        broken = 0
        for ref in refs:
            try:
                (node, *_), _ = await self._nodes([ref])
            except Unanswered as fault:
                broken += 1
                node = {"id": ref, "unanswered": str(fault)}
                if 1 < broken == len(refs):
                    raise
            nodes.append(node)
        return nodes, asked

    async def _document(self, ref: Ref, order: Data | None, asked: datetime) -> Document | None:
        """The order made whole; nothing where it is gone. One that is built oddly is kept as it came."""
        for _ in range(ATTEMPTS):
            if not order:
                return None
            try:
                await _Order(self._client, ref, order).complete(supercycle=self._supercycle)
                return Document(ORDERS, ref, modified(order), asked, _bytes(order))
            except (_Moved, Gone):
                (order, *_), asked = await self._slim([ref])
            except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, OddAnswer) as odd:
                oddly = _bytes({"unreadable": type(odd).__name__, "order": order})
                return Document(ORDERS, ref, _stamp(order, asked), asked, oddly)
        raise Retry("an order changes faster than it can be read")


class _Order:
    """One order being made whole: ``order`` is filled in place."""

    def __init__(self, client: Client, ref: Ref, order: Data) -> None:
        self._client = client
        self._id = ref
        self._order = order

    async def complete(self, *, supercycle: bool) -> None:
        await self._rest("lineItems", "order_lines", LINES_PAGE)
        await self._rest("shippingLines", "order_shipping_lines", SHIPPING_PAGE)
        await self._rest("fulfillmentOrders", "order_fulfilment_orders", FULFILMENT_PAGE)
        for fulfilment_order in self._order["fulfillmentOrders"]["nodes"]:
            await self._pieces(fulfilment_order)
        await self._transactions()
        await self._charges()
        if _needs_ledger(self._order):
            self._order["agreements"] = {"nodes": await self._agreements()}
        if supercycle:
            await self._products()

    async def _rest(self, field: str, document: str, first: int) -> None:
        """What the slim answer left out of a connection."""
        connection = self._order[field]
        info = connection.pop("pageInfo")
        if not info["hasNextPage"]:
            return
        pages = self._client.slices(document, {"id": self._id}, "order", field, first=first, after=info["endCursor"])
        async for found, reply in pages:
            self._same(reply)
            connection["nodes"] += found.nodes

    async def _pieces(self, fulfilment_order: Data) -> None:
        lines = fulfilment_order["lineItems"]
        info = lines.pop("pageInfo")
        if not info["hasNextPage"]:
            return
        pages = self._client.slices(
            "fulfilment_order_lines",
            {"id": fulfilment_order["id"]},
            "fulfillmentOrder",
            "lineItems",
            first=PIECES_PAGE,
            after=info["endCursor"],
        )
        async for found, reply in pages:
            if reply.data["fulfillmentOrder"]["updatedAt"] != fulfilment_order["updatedAt"]:
                raise _Moved
            lines["nodes"] += found.nodes

    async def _transactions(self) -> None:
        """They have no cursor: a full slim answer is asked for again, larger."""
        if len(self._order["transactions"]) < SLIM_TRANSACTIONS:
            return
        reply = await self._ask("order_transactions", first=MOST_TRANSACTIONS)
        self._order["transactions"] = reply.data["order"]["transactions"]
        if len(self._order["transactions"]) >= MOST_TRANSACTIONS:
            raise ValueError("an order with more transactions than can be listed")

    async def _charges(self) -> None:
        if _is_some(self._order["originalTotalAdditionalFeesSet"]):
            fees = await self._ask("order_fees")
            self._order["additionalFees"] = fees.data["order"]["additionalFees"]
        if _is_some(self._order["originalTotalDutiesSet"]):
            await self._duties()

    async def _duties(self) -> None:
        lines = {line["id"]: line for line in self._order["lineItems"]["nodes"]}
        pages = self._client.slices("order_duties", {"id": self._id}, "order", "lineItems", first=DUTIES_PAGE)
        async for found, reply in pages:
            self._same(reply)
            for line in found.nodes:
                lines[line["id"]]["duties"] = line["duties"]

    async def _agreements(self) -> list[Data]:
        """The whole ledger: every agreement with all its sales."""
        agreements: list[Data] = []
        before: str | None = None
        pages = self._client.slices("order_agreements", {"id": self._id}, "order", "agreements", first=AGREEMENTS_PAGE)
        async for found, reply in pages:
            self._same(reply)
            for edge in found.edges:
                await self._sales(edge["node"], before)
                agreements.append(edge["node"])
                before = edge["cursor"]
        return agreements

    async def _sales(self, agreement: Data, before: str | None) -> None:
        """The rest of one agreement's sales; it is named by the cursor of the one before it."""
        sales = agreement["sales"]
        info = sales.pop("pageInfo")
        if not info["hasNextPage"]:
            return
        pages = self._client.slices(
            "agreement_sales",
            {"id": self._id, "before": before},
            "order",
            "agreements",
            "nodes",
            0,
            "sales",
            first=SALES_PAGE,
            after=info["endCursor"],
        )
        async for found, reply in pages:
            self._same(reply)
            sales["nodes"] += found.nodes

    async def _products(self) -> None:
        products = [line["product"] for line in self._order["lineItems"]["nodes"] if line["product"]]
        ids = list(dict.fromkeys(product["id"] for product in products))
        marks: dict[str, Any] = {}
        for start in range(0, len(ids), PRODUCTS_BATCH):
            reply = await self._client.ask("circular_products", {"ids": ids[start : start + PRODUCTS_BATCH]})
            marks |= {node["id"]: node["metafield"] for node in reply.data["nodes"] if node}
        for product in products:
            product["metafield"] = marks.get(product["id"])

    async def _ask(self, document: str, **variables: object) -> Reply:
        reply = await self._client.ask(document, {"id": self._id, **variables})
        self._same(reply)
        return reply

    def _same(self, reply: Reply) -> None:
        order = reply.data["order"]
        if order is None or order["updatedAt"] != self._order["updatedAt"]:
            raise _Moved


def _bytes(document: Data) -> bytes:
    """JSON as they sent it; text that is no UTF-8 (half a surrogate pair) stays escaped, for ``read`` to refuse."""
    try:
        return orjson.dumps(document)
    except TypeError:
        return json.dumps(document).encode()


def _stamp(order: Data, asked: datetime) -> datetime:
    """Their stamp of an order that is built oddly, so that a whole one of the same stamp takes its place."""
    try:
        return min(asked, modified(order))
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError):
        return asked


def _is_something(total: Data | None) -> bool:
    """Whether a total is more than null or zero; orders without duties or fees may show either."""
    return total is not None and Decimal(total["shopMoney"]["amount"]) != 0


def _needs_ledger(order: Data) -> bool:
    """Something was reduced, edited, refunded or tipped: only the sales tell what is left of what."""
    return (
        bool(order["refunds"])
        or order["edited"]
        or _is_some(order["totalTipReceivedSet"])
        or any(line["currentQuantity"] != line["quantity"] for line in order["lineItems"]["nodes"])
    )


def _is_some(bag: Data | None) -> bool:
    """An amount that is there and not nothing."""
    return bag is not None and Decimal(bag["shopMoney"]["amount"]) != 0


def modified(order: Data) -> datetime:
    """The newest stamp in a document: a fulfilment order can change without the order (NOTES.md 1.6)."""
    return max(_stamps(order)).astimezone(UTC)


def _stamps(order: Data) -> Iterable[datetime]:
    yield datetime.fromisoformat(order["updatedAt"])
    for fulfilment_order in order["fulfillmentOrders"]["nodes"]:
        yield datetime.fromisoformat(fulfilment_order["updatedAt"])
