"""What one run is to do, drawn from its size and its seed: how it sells, what goes wrong how often, who is killed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

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
    "export_missing": 0.06,
    "export_late": 0.05,
    "export_rows_missing": 0.05,
    "export_cut": 0.04,
    "export_all_zero": 0.03,
    "publish_between_pages": 0.003,
    "stock_replica_behind": 0.02,
    "change_call_lost": 0.1,
    "change_answer_lost": 0.1,
}
ERP_VALUES = {
    "picks_per_minute": 1_500,
    "ships_per_minute": 1_500,
    "cancels_per_minute": 0,
    "slow_ms": 200,
    "late_ms": 300,
    "timeout_seconds": 1.2,
    "retry_after_seconds": 1,
    "export_late_seconds": 4,
    "export_share_missing": 0.1,
}
SHARES = {"shopify_us": 2, "woocommerce_eu": 1, "bigcommerce_us": 1}
"""How the orders of a wave are shared among the shops."""
WEBHOOK_FAULTS = {
    "webhook_drop": 0.05,
    "webhook_twice": 0.05,
    "webhook_late": 0.03,
    "webhook_reorder": 0.05,
    "webhook_bad_hmac": 0.01,
}
ANY_SHOP = {
    "fulfil_call_lost": 0.03,
    "fulfil_answer_lost": 0.03,
    "http_500": 0.01,
    "slow": 0.01,
    "timeout": 0.002,
    "answer_lost": 0.005,
    "moving_list": 0.1,
    **WEBHOOK_FAULTS,
}
SHOP_FAULTS = {
    "shopify_us": {
        **ANY_SHOP,
        "http_502_html": 0.005,
        "http_429": 0.002,
        "throttled": 0.005,
        "internal_error": 0.005,
        "index_lag": 0.02,
        "equal_updated_at": 0.05,
        "webhook_stale": 0.05,
        "stock_call_lost": 0.03,
        "stock_answer_lost": 0.03,
        "sold_meanwhile": 0.03,
        "stale_stock": 0.02,
    },
    "woocommerce_eu": {
        **ANY_SHOP,
        "html_200": 0.003,
        "html_403": 0.003,
        "html_503": 0.003,
        "http_429": 0.002,
        "php_warning": 0.02,
        "bare_data": 0.003,
        "late_commit": 0.02,
        "equal_updated_at": 0.05,
        "webhook_stale": 0.05,
        "stock_lost": 0.02,
        "stock_answer_lost": 0.02,
        "stock_late": 0.02,
        "batch_500": 0.02,
        "plugin_counts": 0.01,
    },
    "bigcommerce_us": {
        **ANY_SHOP,
        "http_502_html": 0.005,
        "http_503": 0.002,
        "quota_eaten": 0.002,
        "http_429_bare": 0.0001,
        "stale_read": 0.02,
        "equal_date_modified": 0.05,
        "webhook_bad_header": 0.01,
        "webhook_unsigned": 0.05,
        "stale_stock": 0.02,
        "adjustment_torn": 0.03,
    },
}
"""By connection."""
STANDING: dict[str, dict[str, float]] = {
    "shopify_us": {"restore_rate": 50_000, "bucket": 1_000_000},
    "woocommerce_eu": {
        "webhook_seconds": 0.2,
        "webhook_once_seconds": 5,
        "write_least_ms": 50,
        "write_most_ms": 200,
    },
    "bigcommerce_us": {
        "quota": 100_000,
        "window_seconds": 2,
        "retry_scale": 0.01,
        "settle_least_seconds": 0.2,
        "settle_most_seconds": 1.5,
    },
}
"""Values of a shop that stay as they are when good manners are asked for: its limits, and how long things take there.
Whoever is told to wait for the end of a window waits two seconds here."""
ANY_VALUES = {"slow_ms": 300, "timeout_ms": 2_500, "webhook_late_ms": 4_000, "webhook_reorder_ms": 1_500}
SHOP_VALUES: dict[str, dict[str, float]] = {
    "shopify_us": {**ANY_VALUES, "index_lag_seconds": 2, "equal_updated_at_seconds": 3, "stale_stock_seconds": 2},
    "woocommerce_eu": {
        **ANY_VALUES,
        "late_commit_seconds": 2,
        "equal_updated_at_seconds": 3,
        "retry_after_seconds": 1,
        "stock_late_ms": 2_000,
    },
    "bigcommerce_us": {
        **ANY_VALUES,
        "stale_read_seconds": 2,
        "equal_date_modified_seconds": 3,
        "stale_stock_seconds": 2,
    },
}
NEEDS_A_CANCELLATION = ("change_call_lost", "change_answer_lost")
"""No run can be sure of one of an order that is booked and not picked yet: told in the table, and not waited for."""
WAITS_LONG = ("http_429_bare",)
"""Answers after which a shop is left alone for half a minute at least: not for a short run."""
REFUSED = "posting_refuses"
"""Ordered by count: each one is ended by a person, who looks into the ERP first."""

SHOP_IS_BEHIND_SECONDS = -15.0
CLOCK_STEPS = (25.0, -2.0, 45.0, -2.0, 3.0)
"""How the shop's clock moves against ours while it sells, in seconds: it is behind, then ahead; back by less than the
overlap in which its lists are read again (a clock that went back further would be the nightly sweep's business)."""

RANDOM = "random moment"
PAGES_PER_LIFE = 6
SHORT_STOCK_CYCLE_SECONDS = 6


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
    stock_cycle_seconds: int = 10
    """How often the ERP exports its stock."""
    erp_faults: dict[str, float] = field(default_factory=lambda: dict(ERP_FAULTS))
    shop_faults: dict[str, dict[str, float]] = field(default_factory=lambda: dict(SHOP_FAULTS))
    """By connection."""

    def in_short(self) -> Plan:
        """Without the faults that take long, with an ERP that exports its stock more often."""
        shops = {
            shop: {name: rate for name, rate in faults.items() if name not in WAITS_LONG}
            for shop, faults in self.shop_faults.items()
        }
        return replace(self, shop_faults=shops, stock_cycle_seconds=SHORT_STOCK_CYCLE_SECONDS)

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
