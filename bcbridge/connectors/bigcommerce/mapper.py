"""From BigCommerce's order document to our record: pure, and the only place that sees both.

Parts with a story of their own stand beside it: ``lines``, ``bundles``, ``consignments``, ``discounts``, ``taxes``,
``payment``, ``money``. What is not stated (whether ``total_inc_tax`` lacks what was paid by store credit, whether a
line's price lacks its own discount) is decided by what adds up to the cent; where nothing does, the documented reading
stands and the order does not tie, which blocks it with the difference.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal

from pydantic import ValidationError

from bcbridge.connectors.base import Document
from bcbridge.connectors.bigcommerce import bundles, payment, wire
from bcbridge.connectors.bigcommerce.consignments import Destinations, shipping, shipping_taxes
from bcbridge.connectors.bigcommerce.discounts import Discounts, readings
from bcbridge.connectors.bigcommerce.lines import Lines, now
from bcbridge.connectors.bigcommerce.money import Side, total
from bcbridge.connectors.bigcommerce.payment import Paying
from bcbridge.connectors.bigcommerce.settings import Bundles
from bcbridge.connectors.bigcommerce.taxes import HANDLING, WRAPPING, taxes
from bcbridge.errors import Malformed
from bcbridge.model.ids import Ref
from bcbridge.model.order import Allowance, AsSold, Charge, Order, OrderLine, Shipping, Tax


def read(document: Document, *, import_statuses: Collection[int], bundled: Bundles) -> Order:
    """The order in our words. Raises Malformed with where it is odd, never quoting a value."""
    whole = _parsed(document.body)
    if whole.unreadable:
        raise Malformed("an answer about it is not built as the API says", where="document")
    if str(whole.order.id) != document.ref:
        raise Malformed("the document is of another order", where="order.id")
    try:
        return _Reading(whole, import_statuses, bundled).order()
    except ArithmeticError:
        raise Malformed("an amount that nothing can be worked out with", where="order") from None


def _parsed(body: bytes) -> wire.Whole:
    try:
        return wire.Whole.model_validate_json(body)
    except ValidationError as fault:
        first = fault.errors(include_input=False, include_context=False, include_url=False)[0]
        where = ".".join(_step(step) for step in first["loc"]) or "document"
        raise Malformed(first["type"].replace("_", " "), where=where) from None


def _step(step: int | str) -> str:
    """A field's name or a place in a list; never a key that is theirs to choose."""
    known = isinstance(step, int) or step.isidentifier()
    return str(step) if known else "?"


@dataclass(frozen=True, slots=True)
class _Sale:
    """What was sold, in one reading of the discounts, and what it comes to."""

    lines: tuple[OrderLine, ...]
    shipping: tuple[Shipping, ...]
    charges: tuple[Charge, ...]
    with_tax: bool

    @property
    def charged(self) -> Decimal:
        lines = total([_charged(one.amount, one.allowances, one.taxes, self.with_tax) for one in self.lines])
        freight = total([_charged(one.amount, one.allowances, one.taxes, self.with_tax) for one in self.shipping])
        return lines + freight + total([_charged(one.amount, (), one.taxes, self.with_tax) for one in self.charges])


def _charged(amount: Decimal, off: Iterable[Allowance], taxed: Iterable[Tax], with_tax: bool) -> Decimal:
    beside = Decimal(0) if with_tax else total([one.amount for one in taxed])
    return amount - total([one.amount for one in off]) + beside


class _Reading:
    """One order being read."""

    def __init__(self, whole: wire.Whole, import_statuses: Collection[int], bundled: Bundles) -> None:
        order = whole.order
        self._whole = whole
        self._order = order
        self._bundled = bundled
        self._side = Side(order.is_tax_inclusive_pricing, order.default_currency_code)
        self._destinations = Destinations(whole)
        self._taxes = taxes(whole, self._side, shipping_taxes(whole))
        self._sale, self._due = self._chosen()
        self._paying = Paying(whole, self._side, self._due, import_statuses)

    def order(self) -> Order:
        order, paying = self._order, self._paying
        lines, refunded = self._lines_now(), paying.refunded()
        return Order(
            ref=Ref(str(order.id)),
            id=str(order.id),
            name=f"#{order.id}",
            created=order.date_created,
            modified=order.date_modified,
            processed=order.date_created,
            currency=self._side.currency,
            prices_include_tax=self._side.with_tax,
            payment=paying.status(),
            gateways=paying.gateways(),
            cancelled=order.date_modified if order.status_id == payment.CANCELLED else None,
            test=False,
            edited=False,
            source=order.order_source,
            tags=(),
            lines=lines,
            shipping=self._sale.shipping,
            charges=self._sale.charges,
            tenders=paying.tenders(),
            total=self._due - refunded,
            original_total=self._due,
            outstanding=paying.outstanding(),
            refunded=refunded,
            holds=paying.holds(),
            ship_to=self._destinations.ship_to,
            bill_to=self._destinations.bill_to,
            customer=Ref(str(order.customer_id)) if order.customer_id else None,
            note=order.customer_message,
            attributes=self._attributes(),
            as_sold=self._as_sold() if refunded or lines != self._sale.lines else None,
        )

    def _chosen(self) -> tuple[_Sale, Decimal]:
        """The first reading that adds up to the order's total, without or with what credit paid of it."""
        order, side = self._order, self._side
        stated = side.plain(order.total_inc_tax)
        credited = stated + side.plain(order.store_credit_amount) + side.plain(order.gift_certificate_amount)
        sales = [self._sold(discounts) for discounts in readings(self._whole, side)]
        fitting = ((sale, due) for due in (stated, credited) for sale in sales if sale.charged == due)
        return next(fitting, (sales[0], stated))

    def _sold(self, discounts: Discounts) -> _Sale:
        whole, side = self._whole, self._side
        lines = Lines(whole, side, self._destinations, discounts.lines, self._taxes).as_sold()
        return _Sale(
            lines=bundles.unbundled(lines, whole.lines, self._bundled, side.currency),
            shipping=shipping(whole, side, discounts.shipping, self._taxes, self._destinations),
            charges=self._charges(),
            with_tax=side.with_tax,
        )

    def _lines_now(self) -> tuple[OrderLine, ...]:
        refunded = bundles.refunds(self._whole.lines)
        return tuple(now(line, refunded.get(line.ref, 0), self._side.currency) for line in self._sale.lines)

    def _charges(self) -> tuple[Charge, ...]:
        """Handling, gift wrapping, and fees by the merchant's name for them."""
        order, amount = self._order, self._side.amount
        costs = [
            ("Handling", amount(order.handling_cost_ex_tax, order.handling_cost_inc_tax), HANDLING),
            ("Gift wrapping", amount(order.wrapping_cost_ex_tax, order.wrapping_cost_inc_tax), WRAPPING),
        ]
        for number, fee in enumerate(order.fees):
            name = fee.display_name_merchant or fee.display_name_customer
            costs.append((name, amount(fee.cost_ex_tax, fee.cost_inc_tax), ("fee", number)))
        made = (Charge(kind="fee", name=name, amount=cost, taxes=self._taxes.get(on, ())) for name, cost, on in costs)
        return tuple(charge for charge in made if charge.amount or charge.taxes)

    def _attributes(self) -> tuple[tuple[str, str], ...]:
        """Where it was sold, and the currency prices were shown in where it is another than the one paid in."""
        order = self._order
        shown = order.currency_code if order.currency_code != self._side.currency else ""
        channel = "" if order.channel_id is None else str(order.channel_id)
        told = (("channel_id", channel), ("external_source", order.external_source), ("shown_in", shown))
        return tuple((key, value) for key, value in told if value)

    def _as_sold(self) -> AsSold:
        return AsSold(lines=self._sale.lines, shipping=self._sale.shipping, charges=self._sale.charges)
