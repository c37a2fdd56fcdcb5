"""Whom a document of BigCommerce is about."""

from __future__ import annotations

from collections.abc import Iterator

from bcbridge.connectors import people
from bcbridge.connectors.base import Document


def about(document: Document) -> frozenset[str]:
    """Every e-mail address, telephone number and customer's id in it."""
    return people.about(document, _named)


def _named(fields: people.Fields) -> Iterator[str]:
    """Billing and consignments; and to whom a gift certificate or a download was sent."""
    yield from people.emails(fields, "email", "recipient_email")
    yield from people.phones(fields, "phone")
    yield from people.customer_number(fields, "customer_id")
