"""Sales orders: made one per call, found again by our reference, and seen posted in one delta list."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from bcbridge.connectors.base import Found, PostedPage, PostingRules, Unproven
from bcbridge.connectors.bluecherry import mapper, writes
from bcbridge.connectors.bluecherry.client import Client, Hits, read_each
from bcbridge.connectors.bluecherry.clock import ErpClock
from bcbridge.connectors.bluecherry.settings import ORDER, BlueCherrySettings
from bcbridge.connectors.bluecherry.walk import Mark, Row
from bcbridge.connectors.budget import Share
from bcbridge.errors import Malformed
from bcbridge.model.answers import PutAnswer
from bcbridge.model.documents import Cursor
from bcbridge.model.ids import Reference
from bcbridge.model.order import Address
from bcbridge.model.sales_order import BookedOrder, SalesOrder

log = structlog.get_logger("bcbridge.bluecherry")

PLAIN = re.compile(r"[A-Za-z0-9-]+")
"""References that no filter syntax can trip over make the better control."""


def nonsense() -> Reference:
    """A reference that nobody uses, another one each time: an answer kept by a cache would prove nothing."""
    return Reference(f"NOSUCH{secrets.token_hex(6).upper()}")


@dataclass(slots=True)
class SalesOrders:
    """The sink of sales orders. Remembers a control between calls, which only saves looking for one."""

    name: str
    client: Client
    settings: BlueCherrySettings
    nonsense: Callable[[], Reference] = nonsense
    read_back: str = field(init=False)
    rules: PostingRules = field(init=False)
    _clock: ErpClock = field(init=False)
    _control: Reference | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.read_back = self.settings.read_back
        self.rules = self.settings.rules
        self._clock = self.settings.clock

    def render(self, item: SalesOrder) -> bytes:
        """The exact body: an array of this one order."""
        return mapper.body(item, self.settings.profile)

    def differences(self, body: bytes, booked: BookedOrder) -> tuple[str, ...]:
        return mapper.differences(body, booked, self.settings.profile)

    def sent_to(self, body: bytes) -> str:
        return mapper.sent_to(body, self.settings.profile)

    def goes_to(self, address: Address) -> str:
        return mapper.goes_to(address)

    # -- making one --------------------------------------------------------------------------------------------

    async def put(self, body: bytes) -> PutAnswer:
        """Send those bytes once."""
        return await writes.put(self.client.post_order, body, self.client, self.settings.profile)

    # -- finding them ------------------------------------------------------------------------------------------

    async def find(self, references: Sequence[Reference]) -> Found | Unproven:
        """Read back by reference: one query each, between a control, a nonsense reference, and the control again."""
        doubt = await self._search_works()
        hits: dict[Reference, tuple[BookedOrder, ...]] = {}
        for reference in dict.fromkeys(references):
            said = await self.client.orders_with(reference)
            hits[reference], odd = self._equal(said, reference)
            doubt = doubt or odd
        if not doubt and not all(hits.values()) and not await self._shows_control():
            doubt = "the control order that was found before is no longer found"
        return Unproven(doubt, hits) if doubt else Found(hits)

    async def _search_works(self) -> str:
        """Why the search cannot show absence, or the empty string: a control is found and a nonsense is not."""
        if not await self._shows_control() and not await self._another_control():
            return "no order that the ERP lists can be found again by its reference"
        said = await self.client.orders_with(self.nonsense())
        return "a nonsense reference finds orders: the filter is ignored" if said.rows else ""

    async def _shows_control(self) -> bool:
        """Whether the control is found, and nothing but it."""
        if self._control is None:
            return False
        said = await self.client.orders_with(self._control)
        return bool(said.rows) and all(_reference(row) == self._control for row in said.rows)

    async def _another_control(self) -> bool:
        """Look for an order with a reference among those the ERP lists, first the recent ones."""
        for after in (self.client.days_ago(self.settings.recent_days), None):
            page = await self.client.orders(after, 1)
            self._control = _control_of(page.rows)
            if self._control is not None:
                return await self._shows_control()
        return False

    def _equal(self, said: Hits, reference: Reference) -> tuple[tuple[BookedOrder, ...], str]:
        """The hits under exactly this reference, and why the answer as a whole cannot be trusted, if so."""
        equal: list[BookedOrder] = []
        doubt = ""
        for row in said.rows:
            if _reference(row) != reference:
                doubt = "orders under other references come with it: the filter is not exact"
                continue
            try:
                order = self._booked(row)
            except Malformed as fault:
                doubt = f"an order under the reference cannot be read: {fault}"
                continue
            if order.status in self.settings.profile.statuses_not_posted:
                doubt = f"an order under the reference is listed and not posted (status {order.status})"
            else:
                equal.append(order)
        return tuple(equal), doubt

    def _booked(self, row: Row) -> BookedOrder:
        return mapper.booked(row.fields, self.settings.profile, self._clock)

    # -- seeing them posted ------------------------------------------------------------------------------------

    async def posted(self, since: Cursor) -> AsyncIterator[PostedPage]:
        """The delta list of posted orders, whoever made them; from ``recent_days`` back where there is no cursor."""
        mark = Mark.of(since) if since else Mark()
        if not mark.high and mark.place is None:
            mark = Mark(self.client.days_ago(self.settings.recent_days).isoformat())
        async for stretch in self.client.walk(ORDER, share=Share.READ_BACK).pages(mark):
            yield PostedPage(self._posted(stretch.rows), stretch.mark.cursor())

    def _posted(self, rows: Sequence[Row]) -> tuple[BookedOrder, ...]:
        self._control = self._control or _control_of(rows)
        found, _ = read_each(rows, self._booked, "orders")
        return tuple(order for order in found if order.status not in self.settings.profile.statuses_not_posted)


def _reference(row: Row) -> Reference | None:
    said = row.fields.get("po_num")
    return Reference(said.rstrip()) if isinstance(said, str) and said.strip() else None


def _control_of(rows: Sequence[Row]) -> Reference | None:
    """The reference of the latest row that has one, one without odd signs if there is any."""
    filled = [reference for row in reversed(rows) if (reference := _reference(row)) is not None]
    return next((one for one in filled if PLAIN.fullmatch(one)), filled[0] if filled else None)
