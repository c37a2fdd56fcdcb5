"""A channel's order on its way into the ERP: its life in story.py, its judgement (all of it pure) in judge.py."""

from bcbridge.flows.orders.content import changes, content_hash
from bcbridge.flows.orders.desk import Desk, Masters
from bcbridge.flows.orders.judge import judge
from bcbridge.flows.orders.reference import Parsed, parse_reference, reference
from bcbridge.flows.orders.settings import OrderSettings, OverWidth, Unit

__all__ = [
    "Desk",
    "Masters",
    "OrderSettings",
    "OverWidth",
    "Parsed",
    "Unit",
    "changes",
    "content_hash",
    "judge",
    "parse_reference",
    "reference",
]
