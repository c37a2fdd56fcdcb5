"""When a store's orders move its numbers: what its inventory settings say, for each channel that has its own.

An order takes off what it asks for when it is placed (any status but an abandoned checkout's), or once all of it is
shipped or completed. What is over (refunded, cancelled, declined) has given back only where the settings say so; a
part that was refunded never (contracts/woo_bigcommerce_magento.md 2.4, 2.5). Which it was, no order tells: it is read
with the order, and kept in its document.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import anyio

from bcbridge.connectors.bigcommerce import wire
from bcbridge.connectors.bigcommerce.client import Client, Data, OddAnswer, as_agreed
from bcbridge.connectors.bigcommerce.failures import Denied, Missing, NotTaken
from bcbridge.errors import Retry

SETTINGS = "/v3/settings/inventory"
AT_ORDER = "order_placed"
KEPT = timedelta(hours=1)
MOST_CHANNELS = 200
INCOMPLETE, SHIPPED, REFUNDED, CANCELLED, DECLINED, COMPLETED = 0, 2, 4, 5, 6, 10
OVER = frozenset({REFUNDED, CANCELLED, DECLINED})
AFTER_SHIPPING = frozenset({*OVER, 13, 14})
"""What a shipped order may have become: refunded in part or whole, disputed, cancelled."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """``at_order``: numbers fall when an order is placed, else when all of it has left. ``gives_back``: one that is
    cancelled or refunded as a whole puts its pieces back."""

    at_order: bool
    gives_back: bool


class Behaviours:
    """What the settings say, by channel; asked for again after an hour. None of one channel: those of the store."""

    def __init__(self, client: Client, now: Callable[[], datetime]) -> None:
        self._client = client
        self._now = now
        self._kept: dict[int | None, tuple[datetime, Behaviour | None]] = {}
        self._one_at_a_time = anyio.Lock()

    async def of(self, channel: int | None, *, fresh: bool = False) -> Behaviour | None:
        """None where the API account may not see them. Raises Retry where nothing was ever heard of them."""
        async with self._one_at_a_time:
            kept = self._kept.get(channel)
            if kept is not None and not fresh and self._now() - kept[0] < KEPT:
                return kept[1]
            try:
                found = await self._asked(channel)
            except Retry:
                if kept is None or fresh:
                    raise
                return kept[1]
            if len(self._kept) >= MOST_CHANNELS:
                self._kept.clear()
            self._kept[channel] = (self._now(), found)
            return found

    async def _asked(self, channel: int | None) -> Behaviour | None:
        """A channel's own word, the store's where it has none."""
        try:
            store = await self._settings({})
            own = await self._settings({"channel_id": channel}) if channel is not None else {}
        except (Denied, Missing, NotTaken, OddAnswer):
            return None
        said: Data = {**store, **{name: value for name, value in own.items() if value is not None}}
        return Behaviour(
            at_order=said.get("update_stock_behavior", AT_ORDER) == AT_ORDER,
            gives_back=said.get("refund_order_stock_adjustment") is True,
        )

    async def _settings(self, params: Data) -> Data:
        reply = await self._client.get(SETTINGS, params)
        with as_agreed("inventory settings"):
            return dict(reply.data())


def taken(whole: wire.Whole, line: wire.Line) -> int | None:
    """Pieces of a line that the store has taken off its number. Pure."""
    counting, status = whole.counting, whole.order.status_id
    if counting is None:
        return None
    if status == INCOMPLETE or (status in OVER and counting.gives_back):
        return 0
    if counting.at_order or status in (SHIPPED, COMPLETED):
        return line.quantity
    has_left = line.quantity_shipped >= line.quantity and all(
        other.quantity_shipped >= other.quantity for other in whole.lines if other.order_address_id
    )
    return line.quantity if status in AFTER_SHIPPING and has_left else 0
