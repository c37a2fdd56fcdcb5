"""Whom a document of BigCommerce is about: pure, and lenient, so that one that cannot be booked can still be erased."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from bcbridge.connectors.base import Document
from bcbridge.model import person

ADDRESSES = ("email", "recipient_email")
"""Of billing and consignments; of whom a gift certificate or a download was sent to."""


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
    for name in ADDRESSES:
        match fields.get(name):
            case str(text) if text.strip():
                yield person.email(text)
    match fields.get("phone"):
        case str(text) if any(map(str.isdigit, text)):
            yield person.phone(text)
    match fields.get("customer_id"):
        case int(number) if number and not isinstance(number, bool):  # 0 is a guest
            yield person.customer(str(number))
