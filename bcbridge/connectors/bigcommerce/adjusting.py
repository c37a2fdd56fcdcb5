"""One write of numbers: an absolute adjustment, and what became of each of its rows.

1. Rows whose item nobody has seen yet are looked at; what is not there is answered, and not sent.
2. The rest goes in one call. 200 is a yes to every row, in force some seconds later.
3. 400, 413 or 422 is a no because of some row, and nobody says of which, nor whether the others are applied all the
   same. The rows are looked at again, with how their products are tracked; what explains it is answered, the others go
   on, by halves where nothing explains it, until each was either taken or refused alone.

Of a write whose first call was refused some rows may be in force: from then on, a call without a definite answer makes
the whole write doubtful.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from bcbridge.connectors.bigcommerce.client import Client, Data
from bcbridge.connectors.bigcommerce.items import (
    BY_PRODUCT,
    BY_VARIANT,
    NONE,
    NOT_TRACKED,
    PRODUCT,
    TOGETHER,
    Items,
    Number,
)
from bcbridge.connectors.bigcommerce.safety import Safety
from bcbridge.errors import OpenCircuit, Retry
from bcbridge.model.answers import Doubtful, NotSent
from bcbridge.model.ids import Ref
from bcbridge.model.stock import RowAnswer, RowResult, StockChange, StockWrite, Written

ABSOLUTE = "/v3/inventory/adjustments/absolute"
MOST_ROWS = 2_000
MOST_PIECES = 2_147_483_647
MOST_CALLS = 48
"""Of one write, however its rows are refused: two bad rows among 2,000 are found in less."""
TAKEN = RowAnswer(RowResult.TAKEN)
UNKNOWN = RowAnswer(RowResult.GONE, reason="BigCommerce counts no such item at this location")
REFUSED = RowAnswer(RowResult.REFUSED, reason="BigCommerce refuses the number")
NONE_TAKEN = RowAnswer(RowResult.REFUSED, reason="BigCommerce takes no number of this call, whichever it is")
NOT_REACHED = RowAnswer(RowResult.UNTRIED, reason="too many rows of one call are refused")


@dataclass(slots=True)
class Adjusting:
    """One write being made. Rows are named by their place in it."""

    client: Client
    items: Items
    safety: Safety
    write: StockWrite
    answers: dict[int, RowAnswer] = field(default_factory=dict)
    calls: int = 0

    async def made(self) -> Written | Doubtful | NotSent:
        rows = list(range(len(self.write.changes)))
        try:
            await self._learn([row for row in rows if self._safety_of(row) is None])
        except Retry as fault:
            return NotSent(str(fault), fault.after)
        known = [row for row in rows if row not in self.answers]
        ended = await self._put(known) if known else True
        if ended is False:
            try:
                ended = await self._refused(known)
            except OpenCircuit as fault:
                ended = Doubtful(f"refused for some row, and then as a whole: {fault}")
        if isinstance(ended, Doubtful | NotSent):
            return ended
        return Written(tuple(self.answers[row] for row in rows))

    # -- calls

    async def _put(self, rows: Sequence[int]) -> bool | NotSent | Doubtful:
        """Whether these rows were taken together."""
        self.calls += 1
        body = {"reason": f"bcbridge {self.write.run}".strip(), "items": [self._item(row) for row in rows]}
        answer = await self.client.write("PUT", ABSOLUTE, body)
        if isinstance(answer, NotSent | Doubtful):
            return answer
        if answer.status >= 400:
            return False
        if not _names_a_transaction(answer.body):
            return Doubtful("BigCommerce's yes to the numbers names no transaction")
        self._say(rows, TAKEN)
        return True

    async def _refused(self, rows: Sequence[int]) -> bool | Doubtful:
        """Rows that were refused together: what explains it, then the rest, smaller and smaller."""
        try:
            await self._explain(rows)
        except Retry as fault:
            return Doubtful(f"refused for some row, and it could not be asked which: {fault}")
        rest = [row for row in rows if row not in self.answers]
        parts = [rest] if len(rest) < len(rows) else self._smaller(rest)
        while parts:
            part = parts.pop()
            if self.calls >= MOST_CALLS:
                self._say([row for one in (part, *parts) for row in one], NOT_REACHED)
                break
            ended = await self._put(part) if part else True
            if isinstance(ended, NotSent | Doubtful):
                return Doubtful(ended.reason)
            if ended is False:
                parts += self._smaller(part)
        self._none_at_all(rest)
        return True

    def _smaller(self, rows: Sequence[int]) -> list[Sequence[int]]:
        """Two halves of what was refused, the first one last, for it is taken next; a row alone is refused itself."""
        if len(rows) == 1:
            self._say(rows, REFUSED)
            return []
        middle = (len(rows) + 1) // 2
        return [rows[middle:], rows[:middle]]

    def _none_at_all(self, rest: Sequence[int]) -> None:
        """Where not one row was taken in so many calls, the fault is in none of them."""
        results = {self.answers[row].result for row in rest}
        if RowResult.UNTRIED in results and RowResult.TAKEN not in results:
            self._say(rest, NONE_TAKEN)

    # -- rows

    async def _learn(self, rows: Sequence[int]) -> Mapping[int, Number]:
        """Looks at items; those that are not there are answered."""
        found: dict[int, Number] = {}
        for location, there in self._by_location(rows).items():
            numbers = await self.items.numbers(location, [self.write.changes[row].item for row in there])
            self.safety.learn(numbers)
            for row in there:
                number = numbers.get((location, self.write.changes[row].item))
                if number is None:
                    self.answers[row] = UNKNOWN
                    self.safety.forget(location, self.write.changes[row].item)
                else:
                    found[row] = number
        return found

    async def _explain(self, rows: Sequence[int]) -> None:
        found = await self._learn(rows)
        tracking = await self.items.tracking(found.values())
        for row, number in found.items():
            why = _tracked_otherwise(self.write.changes[row].item, tracking.get(number.product, ""))
            if why:
                self.answers[row] = RowAnswer(RowResult.UNMANAGED, reason=why)

    def _say(self, rows: Sequence[int], answer: RowAnswer) -> None:
        self.answers |= dict.fromkeys(rows, answer)

    def _safety_of(self, row: int) -> int | None:
        change = self.write.changes[row]
        return self.safety.of(change.location, change.item)

    def _item(self, row: int) -> Data:
        """What is written is on hand: the number to be shown, and the safety stock that is taken off it."""
        change = self.write.changes[row]
        item = change.item
        quantity = min(max(change.number + (self._safety_of(row) or 0), 0), MOST_PIECES)
        if item.startswith(PRODUCT):
            return {"location_id": int(change.location), "product_id": int(item[len(PRODUCT) :]), "quantity": quantity}
        return {"location_id": int(change.location), "variant_id": int(item), "quantity": quantity}

    def _by_location(self, rows: Sequence[int]) -> dict[Ref, list[int]]:
        found: dict[Ref, list[int]] = {}
        for row in rows:
            found.setdefault(self.write.changes[row].location, []).append(row)
        return found


def _names_a_transaction(body: bytes) -> bool:
    """As the OpenAPI has it, or in ``data`` as the rest of v3."""
    try:
        said = orjson.loads(body)
    except ValueError:
        return False
    wrapped = said.get("data") if isinstance(said, dict) else None
    return any(isinstance(one, dict) and one.get("transaction_id") for one in (said, wrapped))


def _tracked_otherwise(item: Ref, tracking: str) -> str:
    if tracking == NONE:
        return NOT_TRACKED
    wanted = BY_PRODUCT if item.startswith(PRODUCT) else BY_VARIANT
    return TOGETHER if tracking and tracking != wanted else ""


def rows_of(changes: Sequence[StockChange]) -> list[list[StockChange]]:
    """Pure: cut by location, and to what one call may carry; rows keep their order."""
    by_location: dict[Ref, list[list[StockChange]]] = {}
    cuts: list[list[StockChange]] = []
    for change in changes:
        calls = by_location.setdefault(change.location, [])
        if not calls or len(calls[-1]) == MOST_ROWS:
            calls.append([])
            cuts.append(calls[-1])
        calls[-1].append(change)
    return cuts
