"""Small honest models of shops that count: each implements the seam's ``Shelf``, sells, and can be made to fail.

``Comparing`` (Shopify): by difference, or if what is expected stands there; all of a call or nothing of it; a call
under a key it knows is answered as before. ``Blind`` (WooCommerce): whatever it is told stands there. ``Slow``
(BigCommerce): as blind, in force only when ``settle`` says so. ``Reserving`` (Magento MSI): a sale leaves the number
alone and is subtracted from what may be sold until it is shipped.

What happens in the moment of a call is put into ``meanwhile``: it runs once, when the next call has left us and before
it takes effect; ``afterwards`` when it has taken effect and its answer has not come. Either may be awaited, or raise.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bcbridge.connectors.base import Doubtful, NotSent
from bcbridge.model.ids import Ref, Upc
from bcbridge.model.stock import (
    Asked,
    OrderLook,
    RowAnswer,
    RowResult,
    ShelfItem,
    ShelfLocation,
    ShelfPage,
    ShelfRules,
    StockChange,
    StockWrite,
    TakesOff,
    WriteKind,
    Written,
)

SETTLES = timedelta(seconds=6)


@dataclass
class Clock:
    """The present, which moves only when the test says so."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at

    def tick(self, seconds: float = 1.0) -> datetime:
        self.at += timedelta(seconds=seconds)
        return self.at


@dataclass
class Sold:
    """One order of a model shop: what it asks of each SKU, and what of it left the shop's number."""

    ref: str
    placed: datetime
    wanted: dict[str, int]
    modified: datetime
    cancelled: bool = False
    shipped: dict[str, int] = field(default_factory=dict)


def nothing() -> None:
    """Nothing happens meanwhile."""


async def _happens(what: Callable[[], object]) -> None:
    happened = what()
    if inspect.isawaitable(happened):
        await happened


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Shop:
    """A shop with one number per SKU; items are named after their SKU. ``holds`` is what really stands there."""

    name: str
    clock: Clock
    holds: dict[str, int]
    location: str = "L1"
    orders: dict[str, Sold] = field(default_factory=dict)
    calls: list[StockWrite] = field(default_factory=list)
    meanwhile: Callable[[], object] = nothing
    afterwards: Callable[[], object] = nothing
    lose: str = ""
    """The next call has no answer: ``before`` it took effect, or ``after``, or it lands ``late`` (``land``)."""
    refuse: str = ""
    """The next call certainly has no effect, for this reason."""
    odd: dict[str, RowResult] = field(default_factory=dict)
    """SKUs whose rows come to this."""
    untracked: set[str] = field(default_factory=set)
    known_keys: dict[str, Written] = field(default_factory=dict)
    late: list[StockWrite] = field(default_factory=list)
    page_rows: int = 100
    lagging: set[str] = field(default_factory=set)
    """Orders that its lists do not show yet."""
    during_read: Callable[[], object] = nothing
    in_force: Callable[[str, str], object] = lambda key, sku: None
    """Told of each number that takes effect: the key of its call, its SKU."""
    rules: ShelfRules = field(default_factory=lambda: ShelfRules(compares=False))

    # -- what its customers see --------------------------------------------------------------------------------

    def salable(self, sku: str) -> int:
        return self.holds.get(sku, 0)

    def sell(self, sku: str, pieces: int = 1) -> Sold | None:
        """A customer buys; None where the shop has not enough."""
        if self.salable(sku) < pieces:
            return None
        order = Sold(f"{self.name}-{len(self.orders) + 1}", self.clock(), {sku: pieces}, self.clock())
        self.orders[order.ref] = order
        self._take(sku, pieces)
        return order

    def edit(self, order: Sold, sku: str, pieces: int) -> None:
        """An order now asks for so many; the number moves along."""
        self._take(sku, pieces - order.wanted.get(sku, 0))
        order.wanted[sku], order.modified = pieces, self.clock()

    def cancel(self, order: Sold) -> None:
        """And put back."""
        for sku, pieces in order.wanted.items():
            self._take(sku, -pieces)
        order.wanted, order.cancelled, order.modified = dict.fromkeys(order.wanted, 0), True, self.clock()

    def _take(self, sku: str, pieces: int) -> None:
        self.holds[sku] = self.holds.get(sku, 0) - pieces

    def looks(self, since: datetime) -> list[OrderLook]:
        """Orders changed since, as its lists show them now."""
        changed = [one for one in self.orders.values() if one.modified >= since and one.ref not in self.lagging]
        return [self.look_at(one) for one in changed]

    def look_at(self, order: Sold) -> OrderLook:
        lines = tuple(
            Asked(Upc(sku), Ref(self.location), "", pieces, self._taken(order, sku))
            for sku, pieces in order.wanted.items()
        )
        return OrderLook(Ref(order.ref), order.placed, self.clock(), lines)

    def _taken(self, order: Sold, sku: str) -> int:
        return order.wanted[sku]

    # -- the seam ----------------------------------------------------------------------------------------------

    async def ready(self) -> ShelfRules:
        return self.rules

    async def locations(self) -> Sequence[ShelfLocation]:
        return [ShelfLocation(Ref(self.location), "the only one")]

    async def items(self) -> AsyncIterator[ShelfPage]:
        skus = sorted(self.holds)
        for at in range(0, len(skus), self.page_rows):
            asked = self.clock()
            page = tuple(self._item(sku) for sku in skus[at : at + self.page_rows])
            self.clock.tick(0.2)
            happened, self.during_read = self.during_read, nothing
            happened()
            yield ShelfPage(page, asked)

    async def look(self, changes: Sequence[StockChange]) -> Sequence[ShelfItem | None]:
        items = [self._item(change.item) if change.item in self.holds else None for change in changes]
        self.clock.tick(0.2)
        return items

    def _item(self, sku: str) -> ShelfItem:
        managed = sku not in self.untracked
        return ShelfItem(
            location=Ref(self.location),
            item=Ref(sku),
            group=self._group(sku),
            variant=Ref(f"v-{sku}"),
            sku=sku,
            barcode=None,
            title=f"a shirt {sku}",
            shown=self.holds[sku],
            managed=managed,
            why="" if managed else "untracked",
        )

    def _group(self, sku: str) -> Ref:
        return Ref("")

    def batches(self, changes: Sequence[StockChange]) -> Sequence[Sequence[StockChange]]:
        many = self.rules.rows_per_call
        return [changes[at : at + many] for at in range(0, len(changes), many)]

    async def write(self, write: StockWrite) -> Written | Doubtful | NotSent:
        self.clock.tick(0.3)
        happened, self.meanwhile = self.meanwhile, nothing
        await _happens(happened)
        if self.refuse:
            why, self.refuse = self.refuse, ""
            return NotSent(why)
        lost, self.lose = self.lose, ""
        if lost == "before":
            return Doubtful("no answer in time")
        if lost == "late":
            self.late.append(write)
            return Doubtful("no answer in time")
        answer = self._apply(write)
        self.clock.tick(0.3)
        happened, self.afterwards = self.afterwards, nothing
        await _happens(happened)
        return Doubtful("no answer in time") if lost == "after" else answer

    def land(self) -> None:
        """Calls that were given up take effect after all."""
        late, self.late = self.late, []
        for write in late:
            self._apply(write)

    def _apply(self, write: StockWrite) -> Written:
        if write.key in self.known_keys:
            return self.known_keys[write.key]
        self.calls.append(write)
        answer = Written(tuple(self._rows(write)))
        self.known_keys[write.key] = answer
        return answer

    def _rows(self, write: StockWrite) -> list[RowAnswer]:
        answers = []
        for change in write.changes:
            result = self._result(change)
            if result is RowResult.TAKEN:
                self._set(write.key, change.item, change.number)
            answers.append(RowAnswer(result, reason="" if result is RowResult.TAKEN else "as the test says"))
        return answers

    def _result(self, change: StockChange) -> RowResult:
        return self.odd.get(change.item, RowResult.TAKEN if change.item in self.holds else RowResult.GONE)

    def _set(self, key: str, sku: str, number: int) -> None:
        self.holds[sku] = number
        self.in_force(key, sku)


class Blind(Shop):
    """Its numbers are written whatever stands there."""


class Styles(Blind):
    """A call is one style's: SKUs that begin with the same letter."""

    def _group(self, sku: str) -> Ref:
        return Ref(sku[0])

    def batches(self, changes: Sequence[StockChange]) -> Sequence[Sequence[StockChange]]:
        styles: dict[str, list[StockChange]] = {}
        for change in changes:
            styles.setdefault(change.group, []).append(change)
        return list(styles.values())


class Slow(Shop):
    """An accepted number is in force later: when ``settle`` says so, within SETTLES at the latest."""

    def __init__(self, name: str, clock: Clock, holds: dict[str, int], location: str = "L1") -> None:
        super().__init__(name, clock, holds, location, rules=ShelfRules(compares=False, settles=SETTLES))
        self.accepted: list[tuple[datetime, str, str, int]] = []

    def _set(self, key: str, sku: str, number: int) -> None:
        self.accepted.append((self.clock(), key, sku, number))

    def settle(self, *, older_than: timedelta = timedelta(0)) -> None:
        """What was accepted comes into force, in its order."""
        upto = self.clock() - older_than
        for _, key, sku, number in (one for one in self.accepted if one[0] <= upto):
            super()._set(key, sku, number)
        self.accepted = [one for one in self.accepted if one[0] > upto]


class Comparing(Shop):
    """By difference, or if what is expected stands there; all of a call or nothing."""

    def __init__(self, name: str, clock: Clock, holds: dict[str, int], location: str = "L1") -> None:
        super().__init__(name, clock, holds, location, rules=ShelfRules(compares=True, rows_per_call=250))
        self.tells_what_stands_there = True

    def _rows(self, write: StockWrite) -> list[RowAnswer]:
        answers = [self._answer(write.kind, change) for change in write.changes]
        if any(answer.result is not RowResult.TAKEN for answer in answers):
            untried = RowAnswer(RowResult.UNTRIED)
            return [untried if answer.result is RowResult.TAKEN else answer for answer in answers]
        for change in write.changes:
            if write.kind is WriteKind.ADJUST:
                self._set(write.key, change.item, self.holds[change.item] + change.difference)
            else:
                self._set(write.key, change.item, change.number)
        return answers

    def _answer(self, kind: WriteKind, change: StockChange) -> RowAnswer:
        result = self._result(change)
        if result is RowResult.TAKEN and kind is WriteKind.COMPARE and self.holds[change.item] != change.was:
            shown = self.holds[change.item] if self.tells_what_stands_there else None
            return RowAnswer(RowResult.STALE, shown)
        return RowAnswer(result)


class Reserving(Shop):
    """A source's quantity falls at shipment; until then a sale is a reservation."""

    def __init__(self, name: str, clock: Clock, holds: dict[str, int], location: str = "L1") -> None:
        rules = ShelfRules(compares=False, takes_off=TakesOff.AT_SHIPMENT, reserves=True)
        super().__init__(name, clock, holds, location, rules=rules)

    def salable(self, sku: str) -> int:
        return self.holds.get(sku, 0) - self.reserved(sku)

    def reserved(self, sku: str) -> int:
        return sum(one.wanted.get(sku, 0) - one.shipped.get(sku, 0) for one in self.orders.values())

    def _take(self, sku: str, pieces: int) -> None:
        """A sale moves no quantity."""

    def ship(self, order: Sold, sku: str, pieces: int) -> None:
        self.holds[sku] -= pieces
        order.shipped[sku] = order.shipped.get(sku, 0) + pieces
        order.modified = self.clock()

    def _taken(self, order: Sold, sku: str) -> int:
        return order.wanted[sku] - order.shipped.get(sku, 0)
