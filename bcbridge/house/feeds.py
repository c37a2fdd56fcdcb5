"""The figures of one ERP, pulled: what changed at every look, everything when it is time or somebody asks."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio

from bcbridge.runtime.worker import Bell


@dataclass(slots=True)
class FeedHouse:
    """The figures of one ERP."""

    erp: str
    everything: Bell = field(default_factory=Bell)
    """Rings when all figures are wanted now."""

    def pull_now(self) -> None:
        self.everything.ring()

    async def run(self) -> None:
        await anyio.sleep_forever()
