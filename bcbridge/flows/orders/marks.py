"""Circular commerce: rentals, memberships and resale look like plain sales and must not be booked as such."""

from __future__ import annotations

from collections.abc import Iterable

from bcbridge.flows.orders.desk import Desk, Findings
from bcbridge.flows.orders.upcs import subject
from bcbridge.model.order import Order


def check_marks(order: Order, desk: Desk, findings: Findings) -> None:
    """With Supercycle any mark blocks; without it only ``_cycle``, which nobody else sets (shopify/NOTES.md 2.2)."""
    for line in order.lines:
        _check(subject(line), line.marks, desk, findings)
    _check("order", order.marks, desk, findings)


def _check(of: str, marks: Iterable[str], desk: Desk, findings: Findings) -> None:
    telling = sorted(mark for mark in marks if desk.settings.supercycle or mark.startswith("_cycle"))
    if telling:
        findings.block("circular", of, f"marked {', '.join(telling)}")
