"""What a flow wants done about one subject: documents to make, each once."""

from __future__ import annotations

from bcbridge.model.ids import ConnectorName, Ref, Reference
from bcbridge.model.record import Moment, Record
from bcbridge.model.sales_order import SalesOrder


class Write(Record):
    """One document to be made under one reference: part ``part`` of ``parts``."""

    part: int
    parts: int
    generation: int
    reference: Reference
    item: SalesOrder
    wanted: tuple[int, ...] = ()
    """Beside its rows: how many of their pieces the channel wants. Fewer where an order is booked as it was sold, and
    some of it was refunded; empty: all."""


class Plan(Record):
    """All documents of one order, checked together before the first is sent."""

    order_id: int
    channel: ConnectorName
    ref: Ref
    created: Moment
    content_hash: str
    writes: tuple[Write, ...]
