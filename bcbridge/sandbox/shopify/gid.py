"""Shopify's ids: 64-bit numbers above 2**53, written ``gid://shopify/Order/820982911946010010000`` in GraphQL.

An order owns a block of ten thousand numbers, so its children's ids follow from its own and nothing else has
to be counted.
"""

from __future__ import annotations

from bcbridge.sandbox.shopify.bag import JSON

FIRST = 820_982_911_000_000_000
BLOCK = 10_000


def gid(kind: str, number: int) -> str:
    return f"gid://shopify/{kind}/{number}"


def kind_of(identifier: str) -> str:
    return identifier.split("/")[-2] if identifier.startswith("gid://shopify/") else ""


def number_of(identifier: str) -> int:
    """The number at the end of a GID or of a bare id; 0 where there is none."""
    tail = identifier.rsplit("/", 1)[-1].split("?")[0]
    return int(tail) if tail.isdigit() else 0


def order_id(number: int) -> int:
    return FIRST + number * BLOCK


def order_number(any_id: int) -> int:
    """The number of the order whose block holds this id."""
    return (any_id - FIRST) // BLOCK


def next_id(order: JSON, kind: str) -> str:
    """A new id from the order's own block."""
    book = order["_sandbox"]
    book["ids"] += 1
    if book["ids"] >= BLOCK:
        raise OverflowError(f"order {order['name']} has used its block of ids")
    return gid(kind, number_of(order["id"]) + book["ids"])
