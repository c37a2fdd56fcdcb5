"""Whom a JSON document is about: pure, and lenient, so that one that cannot be booked can still be erased."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import orjson

from bcbridge.connectors.base import Document
from bcbridge.model import person

Fields = Mapping[str, object]
"""One object of the document, wherever it stands in it."""


def about(document: Document, named: Callable[[Fields], Iterable[str]]) -> frozenset[str]:
    """Whoever is ``named`` in any object of it, in our one form; nothing where it is no JSON."""
    try:
        body = orjson.loads(document.body)
    except orjson.JSONDecodeError:
        return frozenset()
    return frozenset(trait for fields in _objects(body) for trait in named(fields))


def _objects(body: object) -> Iterator[Fields]:
    left = [body]
    while left:
        match left.pop():
            case dict() as fields:
                yield fields
                left += fields.values()
            case list() as many:
                left += many


def emails(fields: Fields, *names: str) -> Iterator[str]:
    """The addresses in the fields of these names."""
    for name in names:
        match fields.get(name):
            case str(text) if text.strip():
                yield person.email(text)


def phones(fields: Fields, *names: str) -> Iterator[str]:
    """The telephone numbers in the fields of these names."""
    for name in names:
        match fields.get(name):
            case str(text) if any(map(str.isdigit, text)):
                yield person.phone(text)


def customer_number(fields: Fields, name: str) -> Iterator[str]:
    """A customer's id that is a number; 0 is a guest."""
    match fields.get(name):
        case int(number) if number > 0 and not isinstance(number, bool):
            yield person.customer(str(number))
