"""Does the money add up? Two sums, to the cent, and never a line to make them.

1. what was sold adds up to the channel's total;
2. what was paid, and is still owed, adds up to the same total.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from bcbridge.flows.orders.desk import Findings
from bcbridge.flows.orders.prices import Price, Prices, total
from bcbridge.model.money import cent, is_exact
from bcbridge.model.order import LineKind, Order, OrderLine, PaymentStatus, Tax, TenderKind

CODE = "money_does_not_tie"


def check_money(order: Order, prices: Prices, due: Decimal, findings: Findings, *, paid_back: bool = True) -> None:
    """Adds a problem per sum that misses ``due``; ``paid_back`` says whether refunds lower what was paid."""
    _check_amounts(order, prices, findings)
    _check_lines(order, findings)
    _check_sold(order, prices, due, findings)
    check_paid(order, due, findings, paid_back=paid_back)


def _check_sold(order: Order, prices: Prices, due: Decimal, findings: Findings) -> None:
    summed = total(price.charged for price in prices.everything)
    if summed != due:
        findings.block(CODE, "order total", f"{_sold_in_words(prices)} = {summed}, {_misses(summed, due, order)}")


def _sold_in_words(prices: Prices) -> str:
    terms = [
        ("lines", total(line.price.value for line in prices.goods)),
        ("shipping", total(price.value for price in prices.freight)),
        ("tax", total(price.tax for price in prices.everything)),
        *_charges_in_words(prices),
    ]
    said = " + ".join(f"{name} {amount}" for name, amount in terms if amount or name == "lines")
    off = total(price.allowed for price in prices.reductions)
    allowed = total(allowance.amount for allowance in prices.allowances) - off
    less = (("allowances", allowed), ("off the whole order", off))
    return said + "".join(f" - {name} {amount}" for name, amount in less if amount)


def _charges_in_words(prices: Prices) -> Iterator[tuple[str, Decimal]]:
    names = {"gift_card": "gift cards", "tip": "tips", "duty": "duties", "fee": "fees", "rounding": "rounding"}
    for kind, name in names.items():
        fitting = (charge.price.value for charge in prices.all_charges if charge.key.partition("/")[0] == kind)
        yield name, total(fitting)


def check_paid(order: Order, due: Decimal, findings: Findings, *, paid_back: bool = True) -> None:
    """The second sum alone."""
    captured, change = _tendered(order, TenderKind.CAPTURED), _tendered(order, TenderKind.CHANGE)
    refunded = _tendered(order, TenderKind.REFUNDED) if paid_back else Decimal(0)
    kept = captured - change - refunded
    if due in {kept + owed for owed in _owed(order)}:
        return
    said = f"captured {captured} - change {change} - refunded {refunded} + outstanding {order.outstanding}"
    summed = kept + order.outstanding
    findings.block(CODE, "payments", f"{said} = {summed}, {_misses(summed, due, order)}")


def _owed(order: Order) -> Iterator[Decimal]:
    """What is still to come. Of an authorised order channels differ whether the promise counts as outstanding."""
    yield order.outstanding
    if order.payment is PaymentStatus.AUTHORISED:
        yield _tendered(order, TenderKind.AUTHORISED)


def _tendered(order: Order, kind: TenderKind) -> Decimal:
    return total(tender.amount for tender in order.tenders if tender.kind is kind)


def _misses(summed: Decimal, due: Decimal, order: Order) -> str:
    how = "too much" if summed > due else "too little"
    return f"the order says {due} {order.currency}: {abs(summed - due)} {how}"


def _check_lines(order: Order, findings: Findings) -> None:
    """A line's amount is its pieces at their price; odd cents are two rows, a whole cent a piece is a mistake."""
    for line in order.lines:
        off = abs(line.amount - line.unit_price * line.quantity)
        if line.kind is LineKind.GOODS and line.quantity > 0 and off >= line.quantity * cent(order.currency):
            said = f"{line.quantity} x {line.unit_price} is not {line.amount}: {off} apart"
            findings.block(CODE, f"line {line.sku or line.title}", said)


def _check_amounts(order: Order, prices: Prices, findings: Findings) -> None:
    """Every amount positive and payable, and nothing, the whole order neither, reduced or taxed to below nothing."""
    for subject, amount in _amounts(order):
        if amount < 0:
            findings.block("nonsense_amount", subject, f"{amount} {order.currency} is below zero")
        elif not is_exact(amount, order.currency):
            findings.block("nonsense_amount", subject, f"{amount} is finer than {order.currency} goes")
    for subject, price in _net(prices):
        if price.value < price.allowed:
            findings.block("nonsense_amount", subject, "its allowances, or the tax in it, are more than it costs")
    if prices.reductions and _overdone(prices):
        findings.block("nonsense_amount", "order", "what is off the whole order is more than it costs")


def _overdone(prices: Prices) -> bool:
    """Whether nothing is left that could bear the reductions, or the tax they take away."""
    cost = total(price.value - price.allowed for price in prices.everything)
    return min(cost, total(price.tax for price in prices.everything)) < 0


def _net(prices: Prices) -> Iterator[tuple[str, Price]]:
    yield from ((f"line {one.line.sku or one.line.title}", one.price) for one in prices.goods)
    yield from (("shipping", freight) for freight in prices.freight)
    yield from ((charge.key, charge.price) for charge in prices.all_charges if charge.key != "rounding")


def _amounts(order: Order) -> Iterator[tuple[str, Decimal]]:
    for line in order.lines:
        yield from _line_amounts(line)
    for shipping in order.shipping:
        yield "shipping", shipping.amount
        yield from (("a shipping allowance", allowance.amount) for allowance in shipping.allowances)
        yield from _taxes("shipping", shipping.taxes)
    for charge in order.charges:
        yield charge.kind, charge.amount
        yield from _taxes(charge.kind, charge.taxes)
    for reduction in order.reductions:
        yield f"reduction {reduction.name}", reduction.amount
        yield from _taxes(f"reduction {reduction.name}", reduction.taxes)
    yield "tip", order.tip
    yield "order total", order.total
    yield "rounding", abs(order.rounding)


def _line_amounts(line: OrderLine) -> Iterator[tuple[str, Decimal]]:
    subject = f"line {line.sku or line.title}"
    yield subject, line.amount
    yield from ((subject, allowance.amount) for allowance in line.allowances)
    yield from _taxes(subject, line.taxes)
    for charge in line.charges:
        yield f"{charge.kind} of {subject}", charge.amount
        yield from _taxes(subject, charge.taxes)


def _taxes(subject: str, taxes: Iterable[Tax]) -> Iterator[tuple[str, Decimal]]:
    return ((f"tax of {subject}", tax.amount) for tax in taxes)
