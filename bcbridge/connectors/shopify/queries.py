"""The GraphQL documents this room sends, as they stand in ``documents/``, with the fragments they spread.

They live in files of their own so that a test can hold each against Shopify's schema
(contracts/shopify/admin-2026-10.min.graphql.gz) and so that a person can paste one into GraphiQL.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

_FOLDER = files(__package__).joinpath("documents")
_SPREAD = re.compile(r"\.\.\.([A-Z]\w*)")


def _read(folder: Traversable) -> dict[str, str]:
    """Name -> text. Read when this module is: nothing is read from disk while the loop runs."""
    found = (entry for entry in folder.iterdir() if entry.name.endswith(".graphql"))
    return {entry.name.removesuffix(".graphql"): entry.read_text(encoding="utf-8") for entry in found}


_DOCUMENTS = _read(_FOLDER)
_FRAGMENTS = _read(_FOLDER.joinpath("fragments"))


@cache
def query(name: str) -> str:
    """The document ``documents/<name>.graphql`` with every fragment it needs, ready to send."""
    text = _DOCUMENTS[name]
    return "\n".join([text, *(_fragment(spread) for spread in _fragments_of(text))])


def names() -> tuple[str, ...]:
    """Every document there is."""
    return tuple(sorted(_DOCUMENTS))


def _fragment(name: str) -> str:
    return _FRAGMENTS[name]


def _fragments_of(text: str) -> list[str]:
    """Names of the fragments a text needs, those of its fragments included, each once."""
    needed: list[str] = []
    waiting = _SPREAD.findall(text)
    while waiting:
        name = waiting.pop(0)
        if name not in needed:
            needed.append(name)
            waiting.extend(_SPREAD.findall(_fragment(name)))
    return needed
