"""Whatever the ERP answers, however late it posts, wherever the process dies: no order twice, none missing.

Each run is a list of steps against an ERP in memory with a gateway that holds calls back, posting cycles without an
order of their own, refusals after acceptance. Then the world calms down, and its books are compared with what was
sold. The same runs with the evidence taken out must show doubles: else these runs would prove nothing.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bcbridge.errors import PostingClosed, Retry
from bcbridge.model.answers import Accepted, Doubtful, NotSent, PutAnswer, Rejected
from bcbridge.model.ids import Reference
from bcbridge.runtime.writer import STEPS, Evidence, StepObserver
from bcbridge.store import outbox
from tests.runtime.kit import Bench, Killed, MemoryErp, bench

PARTS = ((("111111111111", 1),), (("222222222222", 2),))
CALM_ROUNDS = 30
RUNS = int(os.environ.get("BCBRIDGE_RUNS", "60"))
"""Of the property: thousands before a release."""


# -- an ERP with bad manners -----------------------------------------------------------------------------------


@dataclass
class BadErp(MemoryErp):
    """Takes what arrives, posts in cycles: a cycle makes what was taken before it began, the last one first."""

    now: Callable[[], datetime] = datetime.now
    held: list[tuple[datetime, bytes]] = field(default_factory=list)
    cycle: list[bytes] = field(default_factory=list)
    die: Callable[[], Awaitable[Killed]] | None = None
    refused: list[bytes] = field(default_factory=list)

    def arrive(self) -> None:
        """What the gateway held long enough arrives."""
        self.waiting += [body for due, body in self.held if due <= self.now()]
        self.held = [(due, body) for due, body in self.held if due > self.now()]

    def post(self, many: int | None = None) -> None:
        self.arrive()
        for _ in range(1000 if many is None else many):
            if not self.cycle:
                self.cycle, self.waiting = self.waiting, []
            if not self.cycle:
                return
            self.book(self.cycle.pop())

    def refuse(self) -> None:
        """Accepted, and never posted."""
        self.arrive()
        if self.waiting:
            self.refused.append(self.waiting.pop(0))


async def _accepts(erp: BadErp, body: bytes) -> PutAnswer:
    erp.take(body)
    return Accepted("pkey")


async def _refuses(erp: BadErp, body: bytes) -> PutAnswer:
    return Rejected(("no such season",))


async def _sends_away(erp: BadErp, body: bytes) -> PutAnswer:
    return NotSent("429")


async def _keeps_and_is_silent(erp: BadErp, body: bytes) -> PutAnswer:
    erp.take(body)
    return Doubtful("no answer")


async def _loses(erp: BadErp, body: bytes) -> PutAnswer:
    return Doubtful("no answer")


def _holds(seconds: float) -> Callable[[BadErp, bytes], Awaitable[PutAnswer]]:
    async def manner(erp: BadErp, body: bytes) -> PutAnswer:
        erp.held.append((erp.now() + timedelta(seconds=seconds), body))
        return Doubtful("gateway time-out")

    return manner


async def _dies_before(erp: BadErp, body: bytes) -> PutAnswer:
    assert erp.die is not None
    raise await erp.die()


async def _dies_after(erp: BadErp, body: bytes) -> PutAnswer:
    erp.take(body)
    assert erp.die is not None
    raise await erp.die()


MANNERS: dict[str, Callable[[BadErp, bytes], Awaitable[PutAnswer]]] = {
    "accepts": _accepts,
    "refuses": _refuses,
    "sends away": _sends_away,
    "keeps, silent": _keeps_and_is_silent,
    "loses": _loses,
    "holds 10 s": _holds(10),
    "holds 299 s": _holds(299),
    "dies before": _dies_before,
    "dies after": _dies_after,
}


# -- a run -----------------------------------------------------------------------------------------------------

Step = tuple[str, object]

CALM: tuple[Step, ...] = (
    ("tick", 200),
    ("go on", None),
    ("sell", ("accepts", 1, False)),
    ("tick", 5),
    ("post", 1000),
    ("confirm", None),
    ("tick", 1),
    ("read back", ("accepts", 1)),
    ("post", 1000),
    ("confirm", None),
)
"""What happens round after round when nothing goes wrong any more."""


@dataclass
class World:
    """One bridge, one ERP, and what was sold."""

    b: Bench
    erp: BadErp
    sold: dict[int, int] = field(default_factory=dict)
    """order -> parts."""
    from_before: frozenset[int] = frozenset()
    held_up: set[str] = field(default_factory=set)
    """Parts that were refused beside one that was accepted and is never posted: a person ends that one first."""

    async def take(self, step: Step) -> None:
        name, value = step
        try:
            await self._do(name, value)
        except Killed as killed:
            self.b.writer.on_step = _calm
            await self.b.rise(killed)
        except (Retry, PostingClosed):
            pass

    async def _do(self, name: str, value: object) -> None:
        match name, value:
            case "sell", (str(manner), int(parts), bool(old)):
                await self._sell(manner, parts, old=old)
            case "post", int(many):
                self.erp.post(many)
            case "tick", int(seconds):
                self.b.clock.tick(seconds)
            case "confirm", _:
                await self.b.writer.confirm_posted()
            case "read back", (str(manner), int(wait)):
                self.erp.manners.append(MANNERS[manner])  # type: ignore[arg-type]
                await self.b.read_back(wait=wait)
            case "refuse", _:
                self.erp.refuse()
            case "restart", _:
                await self.b.restart()
            case "death at", str(deadly):
                self.b.writer.on_step = self._death_at(deadly)
            case "go on", _:
                await self._go_on()
            case _:
                raise AssertionError(name)

    async def _sell(self, manner: str, parts: int, *, old: bool) -> None:
        number = len(self.sold) + 1
        self.sold[number] = parts
        if old:
            self.from_before |= {number}
        self.erp.manners = [MANNERS[manner]]  # type: ignore[list-item]
        await self._carry(number)

    async def _carry(self, number: int, notes: str = "") -> None:
        created = self.b.clock() - timedelta(days=1) if number in self.from_before else None
        plan = await self.b.plan(number, *PARTS[: self.sold[number]], created=created, notes=notes)
        await self.b.writer.carry(plan)

    def _death_at(self, deadly: str) -> StepObserver:
        async def die(step: str, reference: Reference) -> None:
            if step == deadly:
                raise await self.b.death()

        return die

    async def _go_on(self) -> None:
        """What the flow does when it looks at each order again; refusals are cured."""
        for number in self.sold:
            standing = await self.b.standing(number)
            try:
                if standing.has_open_write or standing.is_booked:
                    await self.b.writer.send_queued(standing.id)
                else:
                    await self._carry(number, notes="cured" if standing.was_refused else "")
            except (Retry, PostingClosed):
                continue

    async def calm_down(self) -> None:
        """Nothing goes wrong any more; selling goes on, and all is settled in the end."""
        self.b.writer.on_step = _calm
        for _ in range(CALM_ROUNDS):
            self.erp.manners = []
            for step in CALM:
                await self.take(step)
            if await self._all_settled():
                return

    async def _all_settled(self) -> bool:
        shown = {await self.b.shown(number) for number in self.sold}
        return shown <= {"booked", "accepted"} and not self.erp.held

    def refused_for_good(self) -> set[str]:
        return {reference_in(body) for body in self.erp.refused}

    def doubled(self) -> set[str]:
        return {one.reference for one in self.erp.books if self.erp.copies(one.reference) > 1}

    def missing(self) -> set[str]:
        expected = {f"SU{number}P{part}G1" for number, parts in self.sold.items() for part in range(1, parts + 1)}
        return expected - {str(one.reference) for one in self.erp.books} - self.refused_for_good() - self.held_up

    async def see_what_is_held_up(self) -> None:
        gone = self.refused_for_good()
        for number in self.sold:
            parts = (await self.b.standing(number)).parts
            if any(part.state == "accepted" and f"SU{number}P{part.part}G1" in gone for part in parts):
                self.held_up |= {f"SU{number}P{part.part}G1" for part in parts if part.state == "rejected"}


def reference_in(body: bytes) -> str:
    return MemoryErp(calls=[body]).sent()[0]


async def _calm(step: str, reference: Reference) -> None:
    return None


async def run(steps: list[Step], *, evidence: Evidence = outbox.evidence, in_order: bool = False) -> World:
    with tempfile.TemporaryDirectory() as folder:
        erp = BadErp()
        async with bench(Path(folder), erp=erp, evidence=evidence) as b:
            erp.now, erp.die = b.clock, b.death
            world = World(b, erp)
            for step in steps:
                await world.take(step)
            await world.calm_down()
            await check_what_is_shown(world)
            await world.see_what_is_held_up()
            return world


async def check_what_is_shown(world: World) -> None:
    """An order shows booked when every part of it is in the books, and only then."""
    in_books = {str(one.reference) for one in world.erp.books}
    for number, parts in world.sold.items():
        whole = all(f"SU{number}P{part}G1" in in_books for part in range(1, parts + 1))
        assert (await world.b.shown(number) == "booked") == whole, number


# -- the steps -------------------------------------------------------------------------------------------------

manners = st.sampled_from(sorted(MANNERS))
steps = st.one_of(
    st.tuples(st.just("sell"), st.tuples(manners, st.sampled_from([1, 1, 2]), st.booleans())),
    st.tuples(st.just("post"), st.sampled_from([1, 2, 1000])),
    st.tuples(st.just("tick"), st.sampled_from([1, 50, 299, 301])),
    st.tuples(st.just("confirm"), st.none()),
    st.tuples(st.just("read back"), st.tuples(manners, st.sampled_from([1, 60, 400]))),
    st.tuples(st.just("refuse"), st.none()),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("death at"), st.sampled_from(STEPS)),
    st.tuples(st.just("go on"), st.none()),
)


A_PART_REFUSED_BESIDE_ONE_THAT_NEVER_COMES: list[Step] = [
    ("sell", ("accepts", 1, True)),
    ("sell", ("accepts", 2, True)),
    ("sell", ("dies before", 1, False)),
    ("read back", ("holds 10 s", 1)),
    ("refuse", None),
    ("read back", ("refuses", 1)),
]


@given(st.lists(steps, min_size=3, max_size=30))
@example(A_PART_REFUSED_BESIDE_ONE_THAT_NEVER_COMES)
@settings(max_examples=RUNS, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_order_is_booked_twice_and_none_is_missing(steps: list[Step]) -> None:
    world = anyio.run(run, steps)
    assert world.doubled() == set()
    assert world.missing() == set()


async def always(*_: object, **__: object) -> bool:
    return True


@pytest.mark.slow
def test_with_the_evidence_taken_out_there_are_doubles() -> None:
    for seed in range(200):
        world = anyio.run(partial(run, by_chance(random.Random(seed)), evidence=always))
        if world.doubled():
            return
    pytest.fail("these runs cannot show a double: they prove nothing")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_the_same_runs_as_they_are_show_none(seed: int) -> None:
    world = anyio.run(run, by_chance(random.Random(seed)))
    assert world.doubled() == set()
    assert world.missing() == set()


def by_chance(chance: random.Random) -> list[Step]:
    """A run of the same steps, the same for the same seed."""

    def step() -> Step:
        manner = chance.choice(sorted(MANNERS))
        return chance.choice(
            [
                ("sell", (manner, chance.choice([1, 1, 2]), chance.random() < 0.3)),
                ("post", chance.choice([1, 2, 1000])),
                ("tick", chance.choice([1, 50, 299, 301])),
                ("confirm", None),
                ("read back", (manner, chance.choice([1, 60, 400]))),
                ("restart", None),
                ("death at", chance.choice(STEPS)),
                ("go on", None),
            ]
        )

    return [step() for _ in range(25)]
