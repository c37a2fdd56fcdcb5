"""What one run is to do, drawn from its size and its seed: how it sells, what goes wrong how often, who is killed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from bcbridge.runtime.writer import STEPS

ERP_FAULTS = {
    "answer_lost": 0.01,
    "answer_lost_before": 0.01,
    "late_acceptance": 0.006,
    "error_500_after": 0.006,
    "timeout_after": 0.002,
    "error_500_on_post": 0.008,
    "error_502_html": 0.003,
    "error_500_on_get": 0.01,
    "throttle_429": 0.001,
    "timeout": 0.001,
    "slow": 0.01,
    "posting_stopped": 0.15,
    "posting_out_of_order": 0.2,
}
ERP_VALUES = {"slow_ms": 200, "late_ms": 300, "timeout_seconds": 1.2, "retry_after_seconds": 1}
SHOPIFY_FAULTS = {
    "http_500": 0.01,
    "http_502_html": 0.005,
    "http_429": 0.002,
    "throttled": 0.005,
    "internal_error": 0.005,
    "slow": 0.01,
    "timeout": 0.002,
    "answer_lost": 0.005,
    "moving_list": 0.1,
    "index_lag": 0.02,
    "equal_updated_at": 0.05,
}
WEBHOOK_FAULTS = {
    "webhook_drop": 0.05,
    "webhook_twice": 0.05,
    "webhook_late": 0.03,
    "webhook_reorder": 0.05,
    "webhook_stale": 0.05,
    "webhook_bad_hmac": 0.01,
}
SHOP_FAULTS = {"shopify_us": {**SHOPIFY_FAULTS, **WEBHOOK_FAULTS}}
"""By connection."""
VALUES = {"slow_ms": 300, "timeout_ms": 2_500, "webhook_late_ms": 4_000, "webhook_reorder_ms": 1_500}
STANDING = {"shopify_us": {"restore_rate": 50_000, "bucket": 1_000_000}}
"""Values of a shop that stay as they are when good manners are asked for: its rate limit."""
SHOP_VALUES = {"shopify_us": {**VALUES, "index_lag_seconds": 2, "equal_updated_at_seconds": 3}}
REFUSED = "posting_refuses"
"""Ordered by count: each one is ended by a person, who looks into the ERP first."""

SHOP_IS_BEHIND_SECONDS = -15.0
CLOCK_STEPS = (25.0, -2.0, 45.0, -2.0, 3.0)
"""How the shop's clock moves against ours while it sells, in seconds: it is behind, then ahead; back by less than the
overlap in which its lists are read again (a clock that went back further would be the nightly sweep's business)."""

RANDOM = "random moment"
PAGES_PER_LIFE = 6


@dataclass(frozen=True)
class Life:
    """How one life of the daemon ends: at the n-th time that a step is reached, or after so many seconds."""

    ends: str
    time: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Plan:
    """One run. ``kills`` is how often each named step is met, ``random_kills`` how often no step is chosen."""

    orders: int
    seed: int
    kills: int = 3
    random_kills: int = 9
    refused: int = 6
    disk_fulls: int = 2
    disk_full_seconds: float = 2.5
    deadline_minutes: float = 20.0
    read_back: bool = True
    erp_faults: dict[str, float] = field(default_factory=lambda: dict(ERP_FAULTS))
    shop_faults: dict[str, dict[str, float]] = field(default_factory=lambda: dict(SHOP_FAULTS))
    """By connection."""

    @property
    def wave(self) -> int:
        """Orders sold in one go: a dozen waves, or many of five hundred, or four hundred of many."""
        return max(50, min(self.orders // 12, max(500, self.orders // 400)))

    def chance(self, what: str) -> random.Random:
        """A source of chance of its own for each part of the run: one does not shift the other."""
        return random.Random(f"{self.seed}:{what}")

    def lives(self) -> list[Life]:
        """All lives but the last, in the order they are lived. Without read-back nothing is ever seen posted."""
        chance = self.chance("lives")
        reached = STEPS if self.read_back else STEPS[: STEPS.index("before_link")]
        ends = [*reached * self.kills, *[RANDOM] * self.random_kills]
        chance.shuffle(ends)
        orders = self.orders / (len(ends) + 1)
        return [self._life(end, orders, chance) for end in ends]

    def _life(self, end: str, orders: float, chance: random.Random) -> Life:
        if end == RANDOM:
            return Life(end, seconds=chance.uniform(0.3, 6.0))
        reached = PAGES_PER_LIFE if end.endswith("link") else int(orders * 1.4)
        return Life(end, time=chance.randint(1, max(reached, 1)))
