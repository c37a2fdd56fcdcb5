"""The GraphQL documents this room sends, as they stand in ``documents/``, with the fragments they spread.

They live in files of their own so that a test can hold each against Shopify's schema
(contracts/shopify/admin-2026-10.min.graphql.gz) and so that a person can paste one into GraphiQL.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_FOLDER = files(__package__).joinpath("documents")
_SPREAD = re.compile(r"\.\.\.([A-Z]\w*)")


@cache
def query(name: str) -> str:
    """The document ``documents/<name>.graphql`` with every fragment it needs, ready to send."""
    text = _FOLDER.joinpath(f"{name}.graphql").read_text(encoding="utf-8")
    return "\n".join([text, *(_fragment(spread) for spread in _fragments_of(text))])


def names() -> tuple[str, ...]:
    """Every document there is."""
    found = (entry.name for entry in _FOLDER.iterdir() if entry.name.endswith(".graphql"))
    return tuple(sorted(name.removesuffix(".graphql") for name in found))


@cache
def _fragment(name: str) -> str:
    return _FOLDER.joinpath("fragments", f"{name}.graphql").read_text(encoding="utf-8")


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
