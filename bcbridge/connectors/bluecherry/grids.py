"""The ledger as the ERP's own table has it: a row for each transaction type, with a quantity in each of 24 buckets
(NOTES.md 2.1, 2.2: ``rec_type``, ``SizeNN_Qty``, ``CallNN``). Pure.

A *grid* is a style and colour in one place and lot; its rows are put together here, and come out as a row for each size
that is live, such as inventory.py reads. A type that has no row is none: that is only known when all rows were seen, so
nothing comes out before. Types that came in two pages may be of two moments: a piece that was picked in between would
be neither open nor picked. Such a grid is taken only if nothing of it was different the time before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bcbridge.connectors.bluecherry.ledger import COMPONENTS, PLACED
from bcbridge.connectors.bluecherry.settings import BUCKET_NAMES, BUCKETS, INVENTORY, Profile
from bcbridge.model.ids import Upc

Parts = tuple[str, str, str, str, str, str]
"""Division, style, colour, label, dimension and size: what a SKU is, where no UPC is said."""
GRID = ("division", "style", "color_code", "lbl_code", "dimension")
NUMBERS = {"qoh": "qoh", "pk": "pick_qty", "ots": "ots", "ots_wip": "ots_wip"}
"""What rows carry where the sums are not shown, by their type; ``pk`` is both."""
TYPES = frozenset({*COMPONENTS, PLACED, *NUMBERS})
LIVE = frozenset({"Y", "y"})


Bucket = tuple[int, object, str]
"""Its number, its UPC where the row says it, and its size."""


@dataclass(slots=True)
class Grid:
    """What was met of one; ``buckets``: those that are live."""

    row: Mapping[str, Any]
    buckets: tuple[Bucket, ...]
    pages: set[int] = field(default_factory=set)
    types: dict[str, tuple[object, ...]] = field(default_factory=dict)
    stamps: dict[str, str] = field(default_factory=dict)

    def print(self) -> int:
        """Of all that stands in it: equal where nothing moved."""
        return hash((frozenset(self.types.items()), frozenset(self.stamps.items())))

    @property
    def stamp(self) -> str | None:
        """When what is open was last changed: a booking moves that. Where nothing ever was open, the earliest."""
        return self.stamps.get("ots" if "ots" in self.stamps else "op") or min(self.stamps.values(), default=None)


class Grids:
    """Those of one pull. ``note`` each page, ``again`` before another pass, then take the ``sizes``."""

    def __init__(self, profile: Profile) -> None:
        names = profile.aliases.get(INVENTORY, {})
        self._named = {
            ours: names.get(ours, ours) for ours in (*TYPES, *NUMBERS.values(), "upc", "rec_type", "last_mod")
        }
        self._place = [names.get(ours, ours) for ours in ("location", "lot")]
        self._columns = [
            tuple(names.get(ours, ours) for ours in (name.format(number) for name in BUCKET_NAMES))
            for number in range(1, BUCKETS + 1)
        ]
        self._now: dict[tuple[object, ...], Grid] = {}
        self._before: dict[tuple[object, ...], int] = {}
        self.types: set[str] = set()
        """Those that have been met."""
        self.met = False
        """Whether there was any row."""

    def note(self, rows: Sequence[Mapping[str, Any]], page: int) -> list[tuple[object, ...]]:
        """The rows of one page; which grid and type each is."""
        return [self._note(row, page) for row in rows]

    def again(self) -> None:
        self._before = {key: grid.print() for key, grid in self._now.items()}
        self._now = {}

    def sizes(self, upcs: Mapping[Parts, Upc], *, steady: bool) -> Iterator[dict[str, Any]]:
        """A row for each live size. ``steady``: everything met was of one moment."""
        for key, grid in self._now.items():
            if steady or self._of_one_moment(key, grid):
                yield from self._sizes(grid, upcs)

    def torn(self, *, steady: bool) -> list[str]:
        """In words, the grids that ``sizes`` leaves out."""
        return [
            f"{' '.join(str(part) for part in key if part)} moved while it was read"
            for key, grid in self._now.items()
            if not (steady or self._of_one_moment(key, grid))
        ]

    def _of_one_moment(self, key: tuple[object, ...], grid: Grid) -> bool:
        return len(grid.pages) == 1 or self._before.get(key) == grid.print()

    # -- one grid ----------------------------------------------------------------------------------------------

    def _note(self, row: Mapping[str, Any], page: int) -> tuple[object, ...]:
        kind = str(row.get(self._named["rec_type"]) or "").strip().lower()
        key = tuple(_text(row.get(name)) for name in (*GRID, *self._place))
        self.met = True
        if kind not in TYPES:
            return (*key, kind)
        self.types.add(kind)
        grid = self._now.get(key)
        if grid is None:
            grid = self._now[key] = Grid(row, tuple(self._live(row)))
        grid.pages.add(page)
        quantities = tuple(row.get(self._columns[number][0]) for number, _, _ in grid.buckets)
        grid.types[kind] = tuple(map(_plain, quantities))
        stamp = row.get(self._named["last_mod"])
        if isinstance(stamp, str) and stamp:
            grid.stamps[kind] = stamp
        return (*key, kind)

    def _live(self, row: Mapping[str, Any]) -> Iterator[Bucket]:
        for number, (_, call, upc, size) in enumerate(self._columns):
            if _text(row.get(call)) in LIVE:
                yield number, row.get(upc), _text(row.get(size))

    def _sizes(self, grid: Grid, upcs: Mapping[Parts, Upc]) -> Iterator[dict[str, Any]]:
        division, style, colour, label, dimension = (_text(grid.row.get(name)) for name in GRID)
        shared = {name: value for name, value in grid.row.items() if not name.startswith(("size", "call", "sz", "upc"))}
        shared[self._named["last_mod"]] = grid.stamp
        for at, (_, said, size) in enumerate(grid.buckets):
            upc = said or upcs.get((division, style, colour, label, dimension, size))
            yield shared | {"size_desc": size, self._named["upc"]: upc} | self._quantities(grid, at)

    def _quantities(self, grid: Grid, at: int) -> dict[str, object]:
        if "ots" in grid.types:
            return {self._named[NUMBERS[kind]]: row[at] for kind, row in grid.types.items() if kind in NUMBERS}
        every = {kind: grid.types[kind][at] if kind in grid.types else 0 for kind in (*COMPONENTS, PLACED)}
        return {self._named[kind]: pieces for kind, pieces in every.items()}


def _text(said: object) -> str:
    return said.rstrip() if isinstance(said, str) else "" if said is None else str(said)


def _plain(said: object) -> object:
    """A value that can be compared and kept, whatever it was; nothing is none."""
    return 0 if said is None or said == "" else said if isinstance(said, int | float | str) else repr(said)
