"""Where one order stands with us: what is kept of it beside its document, and the state of its parts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bcbridge.model.ids import Ref

OPEN_ROWS = frozenset({"queued", "sending", "accepted", "in_doubt"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What is kept of an order beside its document: names, stamps and its worth; no personal data."""

    ref: Ref
    channel_id: str = ""
    name: str = ""
    created: datetime | None = None
    modified: datetime | None = None
    currency: str = ""
    total: Decimal = Decimal(0)
    content_hash: str = ""
    payment: str = ""
    """As the channel tells it (model/order.py, PaymentStatus); empty where nothing is known of it."""
    authorised_until: datetime | None = None
    """Until when money that is authorised and not captured is held."""


@dataclass(frozen=True, slots=True)
class PartState:
    part: int
    generation: int
    state: str
    of: int = 1
    """How many parts the order was cut into."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an order stands in this store. ``held``: freed by a cure, but its turn has not come."""

    id: int
    state: str
    code: str
    content_hash: str
    created: datetime | None
    """When the channel made the order that we judged; None: never told."""
    held: bool
    parts: tuple[PartState, ...]

    @property
    def has_open_write(self) -> bool:
        return any(part.state in OPEN_ROWS for part in self.parts)

    @property
    def is_booked(self) -> bool:
        current = self._current
        return bool(current) and all(part.state == "posted" for part in current) and not self.misses_a_part

    @property
    def stands_in_erp(self) -> bool:
        """Some document of it is in the ERP, or may be: it can no longer come to nothing by itself."""
        return self.has_open_write or any(part.state == "posted" for part in self._current)

    @property
    def misses_a_part(self) -> bool:
        """A person closed the generation of a part, and it was not made anew."""
        return len({part.part for part in self._current}) < max((part.of for part in self._current), default=0)

    @property
    def _current(self) -> list[PartState]:
        return [part for part in self.parts if part.state != "closed"]

    @property
    def was_refused(self) -> bool:
        return any(part.state == "rejected" for part in self.parts)

    def generation_of(self, part: int) -> int:
        """The generation this part's document is to carry: the standing one, or one above what a person closed."""
        of_part = [one for one in self.parts if one.part == part]
        current = [one.generation for one in of_part if one.state != "closed"]
        closed = [one.generation for one in of_part if one.state == "closed"]
        return max(current) if current else max(closed, default=0) + 1
