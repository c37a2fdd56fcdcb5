"""The story of a pull: the ERP's figures, page by page, into memory and from there into every number.

1. What was released but not computed yet, because the process ended there, is computed first.
2. Each row is held against what we have: one that shows the same figure costs nothing, unless a booked piece waits for
   a later moment of it. The others are dated (evidence.py) and kept with the numbers that follow: as many as one unit
   of the store takes, and none later than a moment.
3. A figure that fell to none is put aside until the pull has ended, and what a whole pull of everything did not show is
   none as well. Too many of both at once are no sale but a broken export: none of them is stored, mark and floor stand
   still (pieces that are booked go on counting: nothing is oversold), and a person judges. What rows say that did not
   fall to none is kept: each was dated by itself.
4. At the end, and only there, the mark, the floor and all that dates later rows move. A crash anywhere repeats the
   pull.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import compress, islice
from operator import attrgetter, ne
from types import MappingProxyType
from typing import Protocol

import anyio.lowlevel

from bcbridge.connectors.base import StockFeed
from bcbridge.flows.stock.evidence import Dated, Dating, next_count
from bcbridge.model.figures import Echo, FeedState, Known, Place, Taken
from bcbridge.model.ids import Upc
from bcbridge.model.stock import Evidence, Numbers, Spot, StockPage, StockRow

LOSS_SHARE = 0.2
"""Of the figures with stock; more of them at once are not believed."""
LOSS_LEAST = 20
"""Fewer figures than this are never too many."""
TOGETHER = 250
"""Rows that are kept at once: a unit for each page would cost more than all the rest of a pull where little moved."""
AT_LATEST = timedelta(seconds=1)
"""No row waits longer for others."""
BREATH = 10_000
"""Figures looked through before the event loop has its turn."""
NONE: Numbers = (0, 0, 0)
NOTHING: frozenset[Upc] = frozenset()
NO_SHELF: Mapping[Upc, Numbers] = MappingProxyType({})
UPC: Callable[[StockRow], Upc] = attrgetter("upc")
SPOT: Callable[[StockRow], Spot] = attrgetter("spot")
NUMBERS: Callable[[StockRow], Numbers] = attrgetter("numbers")


class FigureBook(Protocol):
    """What is remembered of one ERP's figures."""

    async def feed(self) -> FeedState: ...

    def held(self) -> AsyncIterator[tuple[str, str, Mapping[str, Numbers]]]:
        """Every figure: UPC, warehouse, numbers by lot."""
        ...

    async def waiting(self, *, booked: bool) -> frozenset[str]:
        """UPCs with pieces that are in no figure yet; with ``booked`` only those that the ERP has booked."""
        ...

    async def keep(self, rows: Sequence[Taken]) -> Sequence[Taken]:
        """Returns those that were kept: one that is older than what is held is not."""
        ...

    async def end(self, *, mark: str, known: Known, everything: bool, believed: bool, clears: bool) -> None: ...

    async def hold(self, words: str) -> None: ...

    async def keep_cycles(self, cycles: str) -> None: ...

    async def release(self) -> None: ...

    async def echo_sent(self, echo: Echo) -> None: ...


@dataclass(frozen=True, slots=True)
class Pulled:
    """What became of a pull. ``rows``: read; ``moved``: showing another figure; ``held``: why it was not stored whole,
    in words. ``newest``: the newest stamp or publication read, by the ERP's clock; ``first_moved``: when the request
    left whose answer showed the first figure that had moved."""

    everything: bool
    began: datetime
    ended: datetime
    rows: int
    moved: int
    held: str
    odd: tuple[str, ...]
    newest: datetime | None
    first_moved: datetime | None


@dataclass(slots=True)
class Resident:
    """The figures as we have them: by spot, by UPC. Equal numbers are one object; zeros count as held."""

    shelves: dict[Spot, dict[Upc, Numbers]] = field(default_factory=dict)
    stocked: int = 0
    """How many of them show any piece."""
    _same: dict[Numbers, Numbers] = field(default_factory=dict)

    def get(self, upc: Upc, spot: Spot) -> Numbers | None:
        return self.shelves.get(spot, NO_SHELF).get(upc)

    def put(self, upc: Upc, spot: Spot, numbers: Numbers) -> None:
        shelf = self.shelves.setdefault(spot, {})
        self.stocked += has_stock(numbers) - has_stock(shelf.get(upc, NONE))
        shelf[upc] = self._same.setdefault(numbers, numbers)


def has_stock(numbers: Numbers) -> bool:
    return numbers[0] > 0 or numbers[1] > 0


def falls_to_none(before: Numbers | None, after: Numbers) -> bool:
    return before is not None and has_stock(before) and not has_stock(after)


@dataclass(slots=True)
class _Tally:
    """One pull, as far as it has come."""

    rows: int = 0
    moved: int = 0
    first_moved: datetime | None = None
    odd: list[str] = field(default_factory=list)
    fresh: list[Taken] = field(default_factory=list)
    """Not kept yet, in the order in which they were read."""
    aside: dict[Place, Taken] = field(default_factory=dict)
    """Figures that fell to none."""
    unsettled: dict[Upc, set[Spot]] = field(default_factory=dict)
    """Where something is fresh or aside."""
    seen: dict[Spot, set[Upc]] | None = None


@dataclass(slots=True)
class Pulls:
    """The pulls of one ERP, one at a time. ``loss_share``: see LOSS_SHARE."""

    feed: StockFeed
    book: FigureBook
    now: Callable[[], datetime]
    loss_share: float = LOSS_SHARE
    _resident: Resident | None = None

    async def changed(self) -> Pulled:
        """What changed since the last pull; of an ERP that was never read, everything."""
        state = await self.book.feed()
        if not state.mark:
            return await self.everything()
        return await self._pull(state, self.feed.changed(state.mark), everything=False)

    async def everything(self) -> Pulled:
        """Every row; what it does not show is none, if it proved itself whole."""
        return await self._pull(await self.book.feed(), self.feed.everything(), everything=True)

    async def echo(self) -> None:
        """Set another count of the echo SKU; due now and then where the profile allows that evidence."""
        state = await self.book.feed()
        now = self.now()
        echo = Echo(next_count(state.known.echoes, now=now), now)
        await self.book.echo_sent(echo)
        await self.feed.set_echo(echo.count)

    async def waits(self) -> bool:
        """Whether booked pieces wait for a figure that contains them."""
        return bool(await self.book.waiting(booked=True))

    @property
    def echoes(self) -> bool:
        return Evidence.ECHO in self.feed.rules.kinds

    # -- the story -----------------------------------------------------------------------------------------

    async def _pull(self, state: FeedState, pages: AsyncIterator[StockPage], *, everything: bool) -> Pulled:
        await self.book.release()
        resident, waiting = await self._figures(), await self.book.waiting(booked=everything)
        dating = Dating(self.feed.rules, state.known, self.now())
        tally, last = _Tally(seen={} if everything else None), None
        try:
            async for page in pages:
                await self._page(page, resident, waiting, dating, tally)
                last = page
        except Exception:
            await self._keep(tally, resident)  # what was read is true, however the reading ended
            raise
        await self._keep(tally, resident)
        whole = everything and last is not None and last.last and last.whole and not dating.lags
        if last is None or not last.last:
            return self._pulled(dating, tally, everything=False, held="")
        known = dating.after(everything=whole)
        losses = [*tally.aside.values(), *[one async for one in _absent(resident, tally, known, last, whole=whole)]]
        words = self._too_many(losses, resident, everything=everything)
        if words and not state.accepted:
            await self.book.hold(words)
            return self._pulled(dating, tally, everything=False, held=words)
        tally.fresh = losses
        await self._keep(tally, resident)
        clears = whole or (not everything and not state.held.startswith(ALL))
        mark = last.mark if whole or not everything else state.mark
        await self.book.end(mark=mark, known=known, everything=whole, believed=bool(words), clears=clears)
        await self.book.release()
        return self._pulled(dating, tally, everything=whole, held="")

    async def _figures(self) -> Resident:
        """Read once from memory, kept ever after."""
        if self._resident is None:
            resident = Resident()
            async for upc, warehouse, lots in self.book.held():
                for lot, numbers in lots.items():
                    resident.put(Upc(upc), Spot(warehouse, lot), numbers)
            self._resident = resident
        return self._resident

    async def _page(
        self, page: StockPage, resident: Resident, waiting: frozenset[str], dating: Dating, tally: _Tally
    ) -> None:
        moved, other = 0, False
        columns = Columns.of(page.rows)
        for row, before in differing(columns, resident, waiting, tally.unsettled):
            if dating.is_older(row):
                continue
            changed, place = row.numbers != before, (row.upc, row.spot)
            moved += changed
            shows_other = changed and before is not None  # one that was not shown before may be as old as any
            other = other or shows_other
            taken = _taken(row, dating.date(row, page, moved=shows_other), page)
            tally.aside.pop(place, None)
            tally.unsettled.setdefault(row.upc, set()).add(row.spot)
            if falls_to_none(before, row.numbers):
                tally.aside[place] = taken
            else:
                tally.fresh.append(taken)
        dating.pass_page(page, moved=other)
        _count(page, columns, tally, moved)
        if tally.fresh and (len(tally.fresh) >= TOGETHER or page.answered - tally.fresh[0].read >= AT_LATEST):
            await self._keep(tally, resident)

    async def _keep(self, tally: _Tally, resident: Resident) -> None:
        """What is kept is resident after it is on disk, not before: a unit that failed is met again. What was refused
        never is: the figure after it may be the same, and is news."""
        rows, tally.fresh = tally.fresh, []
        if rows:
            for taken in await self.book.keep(rows):
                resident.put(taken.row.upc, taken.row.spot, taken.row.numbers)
        tally.unsettled = {}
        for upc, spot in tally.aside:
            tally.unsettled.setdefault(upc, set()).add(spot)

    def _too_many(self, losses: Sequence[Taken], resident: Resident, *, everything: bool) -> str:
        """Why this cannot be believed, in words; empty where it can."""
        lost = sum(has_stock(resident.get(taken.row.upc, taken.row.spot) or NONE) for taken in losses)
        if lost < LOSS_LEAST or lost <= self.loss_share * resident.stocked:
            return ""
        return f"{ALL if everything else CHANGED}: {lost} of {resident.stocked} figures with stock would be none"

    def _pulled(self, dating: Dating, tally: _Tally, *, everything: bool, held: str) -> Pulled:
        return Pulled(
            everything=everything,
            began=dating.began,
            ended=self.now(),
            rows=tally.rows,
            moved=tally.moved,
            held=held,
            odd=tuple(tally.odd),
            newest=dating.newest,
            first_moved=tally.first_moved,
        )


ALL = "all figures"
CHANGED = "changed figures"
ODD_KEPT = 20


@dataclass(frozen=True, slots=True)
class Columns:
    """A page, column by column: half a million rows are gone through at the speed of the interpreter's own loops.
    ``spot``: where all of them lie; None where they lie in several."""

    rows: Sequence[StockRow]
    upcs: Sequence[Upc]
    spot: Spot | None

    @classmethod
    def of(cls, rows: Sequence[StockRow]) -> Columns:
        spots = list(map(SPOT, rows))
        alone = bool(spots) and spots.count(spots[0]) == len(spots)
        return cls(rows, list(map(UPC, rows)), spots[0] if alone else None)

    def held(self, resident: Resident) -> list[Numbers | None]:
        """The figures that we have of them."""
        if self.spot is not None:
            return list(map(resident.shelves.get(self.spot, NO_SHELF).get, self.upcs))
        return [resident.get(row.upc, row.spot) for row in self.rows]


def differing(
    page: Columns, resident: Resident, waiting: frozenset[str], unsettled: Mapping[Upc, set[Spot]]
) -> Iterator[tuple[StockRow, Numbers | None]]:
    """Rows that show another figure than the one we have, whose moment somebody waits for, or that were read before and
    are not kept yet; with the figure that we have."""
    rows, held = page.rows, page.held(resident)
    found = set(compress(range(len(rows)), map(ne, map(NUMBERS, rows), held)))
    if not waiting.isdisjoint(page.upcs):
        found.update(at for at, upc in enumerate(page.upcs) if upc in waiting)
    if not unsettled.keys().isdisjoint(page.upcs):
        found.update(at for at, row in enumerate(rows) if row.spot in unsettled.get(row.upc, ()))
    return ((rows[at], held[at]) for at in sorted(found))


def _taken(row: StockRow, dated: Dated, page: StockPage) -> Taken:
    return Taken(row, dated.as_of, dated.by, page.asked)


def _count(page: StockPage, columns: Columns, tally: _Tally, moved: int) -> None:
    tally.rows += len(page.rows)
    tally.moved += moved
    tally.odd.extend(page.odd[: ODD_KEPT - len(tally.odd)])
    if moved and tally.first_moved is None:
        tally.first_moved = page.asked
    if tally.seen is None:
        return
    if columns.spot is not None:
        tally.seen.setdefault(columns.spot, set()).update(columns.upcs)
        return
    for row in page.rows:
        tally.seen.setdefault(row.spot, set()).add(row.upc)


async def _absent(
    resident: Resident, tally: _Tally, known: Known, last: StockPage, *, whole: bool
) -> AsyncIterator[Taken]:
    """What a whole pull of everything did not show, as none. What it showed is resident by now."""
    if not whole or tally.seen is None:
        return
    for spot, shelf in resident.shelves.items():
        seen = tally.seen.get(spot, NOTHING)
        if len(seen) == len(shelf):
            continue
        held = iter(shelf.items())
        while some := list(islice(held, BREATH)):
            await anyio.lowlevel.checkpoint()
            for upc, numbers in some:
                if numbers != NONE and upc not in seen:
                    yield Taken(StockRow(upc, spot, NONE), known.floor, None, last.asked)
