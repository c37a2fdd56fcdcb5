"""What was last seen of each item's safety stock: a number that is written is on hand, and on hand less this is shown.

Only to save calls: what is not remembered is looked at before it is written, after a start as much as later.
"""

from __future__ import annotations

from collections import OrderedDict

from bcbridge.connectors.bigcommerce.items import Numbers
from bcbridge.model.ids import Ref

MOST = 200_000
"""Rows remembered; the longest unseen are forgotten."""


class Safety:
    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._seen: OrderedDict[tuple[Ref, Ref], int] = OrderedDict()

    def learn(self, numbers: Numbers) -> None:
        for key, number in numbers.items():
            self._seen[key] = number.safety
            self._seen.move_to_end(key)
        while len(self._seen) > self._most:
            self._seen.popitem(last=False)

    def forget(self, location: Ref, item: Ref) -> None:
        self._seen.pop((location, item), None)

    def of(self, location: Ref, item: Ref) -> int | None:
        """None: not seen."""
        return self._seen.get((location, item))
