"""Which schema this version of bcbridge writes: the steps in ``migrations/``, counted."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable


def steps() -> list[Traversable]:
    """The migrations in their order; a store that took all of them is of this version."""
    found = (item for item in resources.files("bcbridge.store.migrations").iterdir() if item.name.endswith(".sql"))
    return sorted(found, key=lambda item: item.name)
