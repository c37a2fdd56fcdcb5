"""Corrections of booked sales orders, by the write that the profile names (``order_changes``).

No such write is documented (NOTES.md 1, 7.3): its path and its shape are assumed, and so is what all rests on, that
``cxl_qty`` is a level: what is cancelled of a row all in all. Where an ERP counts it on top, asking again after a doubt
would cancel twice: somebody looks at that on staging before the write is confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass

from bcbridge.connectors.bluecherry import mapper, writes
from bcbridge.connectors.bluecherry.client import Client
from bcbridge.connectors.bluecherry.settings import BlueCherrySettings
from bcbridge.model.answers import PutAnswer
from bcbridge.model.changes import Correction


@dataclass(slots=True)
class OrderChanges:
    """Implements ``Corrections`` (connectors/base.py)."""

    name: str
    client: Client
    settings: BlueCherrySettings

    def render(self, correction: Correction) -> bytes:
        """The exact body: an array of this one correction."""
        return mapper.correction_body(correction, self.settings.profile)

    async def put(self, body: bytes) -> PutAnswer:
        """Ask for it once; the answer is read as that to an order is."""
        return await writes.put(self.client.post_change, body, self.client, self.settings.profile)
