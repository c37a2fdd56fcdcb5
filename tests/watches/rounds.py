"""What the tests of watches share: the rounds, and small facts put into the store as the product does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from bcbridge.config import WatchesSection
from bcbridge.house.wiring import House
from bcbridge.model.ids import Ref
from bcbridge.model.outcome import Blocked, NotYet, Outcome, Problem, Ready
from bcbridge.model.standing import Facts
from bcbridge.runtime.watchman import Watch, one_round
from bcbridge.store import orders
from bcbridge.watches.rounds import all_of
from tests.runtime.kit import Clock

ROOT = Path(__file__).resolve().parents[2]
SHOP, OTHER, ERP = "shopify_us", "shopify_eu", "bluecherry"
SINK = "bluecherry.orders"
SECOND_SHOP = """
[connections.shopify_eu]
kind = "shopify"
shop = "bcbridge-other.myshopify.com"
base_url = "http://127.0.0.1:9102"
code = "EU"
client_id = "file:var/sandbox/credentials/shopify_client_id"
client_secret = "file:var/sandbox/credentials/shopify_client_secret"
credential_lapses_on = 2026-12-31
[channels.shopify_eu]
erp = "bluecherry"
"""


@dataclass
class Rounds:
    """The watches as they were made at the start; ``now`` is moved by hand."""

    house: House
    now: Clock
    watches: list[Watch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watches = all_of(self.house)

    def limits(self, **limits: object) -> None:
        """Other settings; the watches are made anew."""
        changed = WatchesSection.model_validate({**self.house.settings.watches.model_dump(), **limits})
        self.house.settings = replace(self.house.settings, watches=changed)
        self.watches = all_of(self.house)

    async def go(self, *codes: str) -> dict[str, Any]:
        """One round; what stands after it, by fingerprint, of these codes."""
        await one_round(self.watches, self.house.store, now=self.now)
        rows = await self.house.store.read.rows("SELECT * FROM incidents WHERE closed_at IS NULL")
        return {row["fingerprint"]: row for row in rows if row["code"] in codes}

    async def texts(self, code: str) -> list[str]:
        return [row["text"] for row in (await self.go(code)).values()]

    def later(self, **time: float) -> None:
        self.now.at += timedelta(**time)

    async def order(
        self,
        name: str,
        outcome: Outcome | None = None,
        *,
        channel: str = SHOP,
        total: str = "10.00",
        currency: str = "USD",
        created: datetime | None = None,
    ) -> int:
        """One order, judged now."""
        facts = Facts(
            Ref(f"gid://{channel}/{name}"),
            name=name,
            created=created or self.now(),
            modified=self.now(),
            currency=currency,
            total=Decimal(total),
        )
        judged = outcome or Ready(parts=())
        return await self.house.store.write(lambda tx: orders.record(tx, channel, facts, judged, now=self.now()))


def blocked(*problems: tuple[str, str]) -> Blocked:
    """By these codes and causes."""
    return Blocked(
        problems=tuple(Problem(code=code, subject="it", text="...", cause=cause) for code, cause in problems)
    )


def not_yet(code: str) -> NotYet:
    return NotYet(code=code, text="It waits.")


def fingerprints(standing: dict[str, Any]) -> Sequence[str]:
    return sorted(standing)
