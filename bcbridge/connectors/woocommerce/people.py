"""Whom a document of WooCommerce is about: pure, and lenient, so that one that cannot be booked can still be erased."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from bcbridge.connectors.base import Document
from bcbridge.model import person


def about(document: Document) -> frozenset[str]:
    """Every e-mail address, telephone number and customer's id in it, in our one form; nothing where it is no JSON."""
    try:
        body = orjson.loads(document.body)
    except orjson.JSONDecodeError:
        return frozenset()
    return frozenset(_traits(body))


def _traits(body: object) -> Iterator[str]:
    left = [body]
    while left:
        match left.pop():
            case dict() as fields:
                yield from _said(fields)
                left += fields.values()
            case list() as many:
                left += many


def _said(fields: dict[str, object]) -> Iterator[str]:
    match fields.get("email"):
        case str(text) if text.strip():
            yield person.email(text)
    match fields.get("phone"):
        case str(text) if any(map(str.isdigit, text)):
            yield person.phone(text)
    match fields.get("customer_id"):
        case int(id_) if id_ > 0:
            yield person.customer(str(id_))
