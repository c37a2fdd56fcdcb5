"""What goes wrong outside while the shops sell: faults of every system, the shops' clocks, a full disk."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.arena import Arena
from tests.chaos.plan import (
    CLOCK_STEPS,
    ERP_VALUES,
    NEEDS_A_CANCELLATION,
    REFUSED,
    SHOP_IS_BEHIND_SECONDS,
    SHOP_VALUES,
    STANDING,
    Plan,
)
from tests.e2e.world import call

CLOCK = "the shops' clocks are wrong"
ERP = "ERP"
DISK = "disk full"
KNOCKS_EVERY_SECONDS = 0.2


@dataclass
class Weather:
    """Ordered once; clock, disk and refusals come when so much of the sale is over."""

    arena: Arena
    plan: Plan
    happened: dict[str, int] = field(default_factory=dict)
    """Of what no server counts: the clock's steps, the times that the store could not be written."""
    steps: list[tuple[float, float]] = field(default_factory=list)
    disks: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    full_until: float = 0.0
    felt: bool = False
    knocked: float = 0.0
    knocks: int = 0

    def begin(self) -> None:
        """Before the daemon's first start."""
        self.happened = {CLOCK: 1, **({DISK: 0} if self.plan.disk_fulls else {})}
        self.arena.skew(SHOP_IS_BEHIND_SECONDS)
        self.arena.fulfils()
        self.arena.faults(self.arena.erp, rates=self.plan.erp_faults, values=ERP_VALUES)
        for shop in self.arena.shops:
            name = shop.connection
            values = SHOP_VALUES[name] | STANDING[name]
            self.arena.faults(self.arena.at(shop), rates=self.plan.shop_faults.get(name, {}), values=values)
        count = len(CLOCK_STEPS) + 1
        self.steps = [(place / count, step) for place, step in enumerate(CLOCK_STEPS, 1)]
        self.disks = [place / (self.plan.disk_fulls + 1) for place in range(1, self.plan.disk_fulls + 1)]
        self.refusals = [place / (self.plan.refused + 1) for place in range(self.plan.refused)]

    def tick(self, sold: float) -> None:
        """``sold``: which share of the orders is sold."""
        while self.steps and sold >= self.steps[0][0]:
            self.arena.skew(self.steps.pop(0)[1])
            self.happened[CLOCK] += 1
        while self.refusals and sold >= self.refusals[0]:
            self.refusals.pop(0)
            self.once(self.arena.erp, REFUSED)
        self._disk(sold)

    def _disk(self, sold: float) -> None:
        if self.full_until:
            self._while_full()
        elif self.disks and sold >= self.disks[0] and self.arena.bridge_is_up() and self.arena.no_room():
            self.full_until, self.felt = time.monotonic() + self.plan.disk_full_seconds, False

    def _while_full(self) -> None:
        """It counts once a webhook was told to come again: the store could not keep it."""
        now = time.monotonic()
        if not self.felt and now >= self.knocked + KNOCKS_EVERY_SECONDS:
            self.knocked, self.knocks = now, self.knocks + 1
            self.felt = self.arena.knock(f"chaos-{self.plan.seed}-{self.knocks}") == 503
        if now >= self.full_until:
            self.arena.room_again()
            self.full_until = 0.0
            if self.felt:  # else the daemon was killed too early: once more
                self.happened[DISK] += 1
                self.disks.pop(0)

    @property
    def finished(self) -> bool:
        return not self.disks and not self.steps and not self.refusals and not self.full_until

    # -- what the servers count ----------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Every configured fault, and how often it happened."""
        counted: dict[str, int] = {}
        for system, faults in self.ordered().items():
            happened = _happened(self.systems()[system])
            counted |= {f"{system}: {fault}": happened[fault] for fault in faults}
        return {**counted, **self.happened}

    def systems(self) -> dict[str, str]:
        """Addresses by the name in the table."""
        return {ERP: self.arena.erp, **{shop.connection: self.arena.at(shop) for shop in self.arena.shops}}

    def ordered(self) -> dict[str, list[str]]:
        """The faults that are to happen, by system."""
        erp = [*self.plan.erp_faults, *([REFUSED] if self.plan.refused else [])]
        shops = {shop.connection: list(self.plan.shop_faults.get(shop.connection, {})) for shop in self.arena.shops}
        return {ERP: erp, **shops}

    def order_missing(self) -> list[str]:
        """Faults that have not happened yet are ordered for the next occasion; which they are."""
        missing = [name for name, count in self.counts().items() if not count and must_happen(name)]
        for name in missing:
            system, colon, fault = name.partition(": ")
            if colon:
                self.once(self.systems()[system], fault)
        return missing

    def once(self, base: str, fault: str) -> None:
        self.arena.faults(base, once={fault: 1})

    def calm(self) -> None:
        """Good manners everywhere; the shops' clocks stay as wrong as they are."""
        self.arena.faults(self.arena.erp, clear=True)
        for shop in self.arena.shops:
            self.arena.faults(self.arena.at(shop), clear=True, values=STANDING[shop.connection])


def must_happen(name: str) -> bool:
    """``ERP: answer_lost``, as in the table."""
    return name.partition(": ")[2] not in NEEDS_A_CANCELLATION


def _happened(base: str) -> dict[str, int]:
    said: dict[str, Any] = call(f"{base}/_sandbox/faults")["faults"]
    return {name: fault["happened"] for name, fault in said.items()}
