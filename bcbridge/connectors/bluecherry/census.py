"""Whether a pull of all figures has shown every one of them (NOTES.md 1.1): only then is absent none.

Keys that rise all the way do not show it here. An export leaves out rows, or numbers them anew, and everything behind
moves up: a row crosses to the page that was read before, and the keys rise none the less. What does show it: all came
in one page; or every page says that it is of one and the same publication; or another pass met no SKU, place and lot
that the passes before it had not.

A pass remembers eight bytes a row, a hash: that a row which was missed shares its hash with one of a million others
happens once in ten million million times.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import anyio.lowlevel

BREATH = 10_000
"""Rows taken over before the event loop has its turn."""


@dataclass(slots=True)
class Census:
    """What one pull has met so far. ``note`` each page, ``again`` before each further pass."""

    _pages: int = 0
    _publications: set[datetime | None] = field(default_factory=set)
    _known: set[int] | None = None
    _met: array[int] = field(default_factory=lambda: array("q"))
    _lost: bool = False
    _missed: bool = False

    def note(
        self, names: Sequence[Hashable], publications: set[datetime | None], *, empty: bool, lost: bool = False
    ) -> None:
        """A page: what names each of its rows, and of what publications they are (None: it does not say). ``empty``:
        it had no row at all; ``lost``: it had rows that could not be read."""
        self._pages += not empty
        self._publications |= publications
        self._lost = self._lost or lost
        met = [hash(name) for name in names]
        self._met.extend(met)
        if self._known is not None:
            self._missed = self._missed or not self._known.issuperset(met)

    async def again(self) -> None:
        """Another pass begins."""
        self._known = self._known or set()
        for first in range(0, len(self._met), BREATH):
            self._known.update(self._met[first : first + BREATH])
            await anyio.lowlevel.checkpoint()
        self._pages, self._missed, self._lost = 0, False, False
        self._publications, self._met = set(), array("q")

    def steady(self) -> bool:
        """Whether all of this pass was of one moment."""
        one_publication = len(self._publications) == 1 and None not in self._publications
        return self._pages <= 1 or one_publication

    def settled(self) -> bool:
        """Whether another pass could not show more."""
        return self.steady() or (self._known is not None and not self._missed)

    def whole(self) -> bool:
        """Whether what was not met is not there: a row that could not be read may be the one."""
        return self.settled() and not self._lost
