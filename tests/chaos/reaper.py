"""Who kills the daemon: at a named step, by its own hand within that step; at any other moment, from outside."""

from __future__ import annotations

import signal
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.arena import Arena
from tests.chaos.plan import RANDOM, Life

COMES_UP_WITHIN_SECONDS = 60.0
AT_ONCE = Life(RANDOM, seconds=1.0)


class DiedByItself(Exception):
    """The daemon ended and nobody had asked it to: the run is over."""


@dataclass
class Reaper:
    """Starts the daemon, and starts it again; ``lives`` are used up one after the other, the last one stays."""

    arena: Arena
    lives: list[Life]
    wiring: tuple[str, ...] = ()
    kills: Counter[str] = field(default_factory=Counter)
    life: Life | None = None
    born: float = 0.0
    hurried: bool = False
    """Selling is over: who is still to be killed is killed at the first occasion."""

    def start(self) -> None:
        self.life = self._next()
        self.born = time.monotonic()
        step = self.life is not None and self.life.ends != RANDOM
        deadly = ("--die-at", self.life.ends, "--time", str(self.life.time)) if step and self.life else ()
        stays = self.life is None  # its command line is looked at
        self.arena.start_bridge(*deadly, *self.wiring, fresh=stays)

    def _next(self) -> Life | None:
        if not self.lives:
            return None
        life = self.lives.pop(0)
        return Life(life.ends, time=1, seconds=min(life.seconds, 2.0)) if self.hurried else life

    @property
    def finished(self) -> bool:
        """Whether the last life is being lived."""
        return self.life is None and not self.lives

    @property
    def age(self) -> float:
        return time.monotonic() - self.born

    def tick(self) -> None:
        """Kill who is due, count who has died, start the next. Raises DiedByItself."""
        bridge, life = self.arena.bridge, self.life
        assert bridge is not None
        if life is not None and life.ends == RANDOM and self.age >= life.seconds:
            self.arena.kill_bridge()
        if bridge.poll() is None:
            return
        if bridge.returncode != -signal.SIGKILL or life is None:
            raise DiedByItself(f"exit {bridge.returncode}\n{self.arena.log_tail()}")
        self.kills[life.ends] += 1
        self.start()

    def hurry(self) -> None:
        """What is left of the killing is done now: who lives for a late occasion dies for an early one."""
        self.hurried = True
        if self.life is not None and self.life.time > 1:
            self.lives.insert(0, self.life)
            self.life = Life(RANDOM, seconds=0.0)  # counted as what it is: a kill at a random moment
