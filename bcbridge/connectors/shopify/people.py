"""Whom a document of Shopify is about."""

from __future__ import annotations

from collections.abc import Iterator

from bcbridge.connectors import people
from bcbridge.connectors.base import Document
from bcbridge.model import person


def about(document: Document) -> frozenset[str]:
    """Every e-mail address, telephone number and customer's id in it."""
    return people.about(document, _named)


def _named(fields: people.Fields) -> Iterator[str]:
    yield from people.emails(fields, "email")
    yield from people.phones(fields, "phone")
    match fields.get("customer"):
        case {"id": str(id_)} if id_:
            yield person.customer(id_)
