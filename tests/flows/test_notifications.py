"""Notifications only say "look": in whatever order they come, and however often, the ERP ends up the same.

The real front half (intake, queue, worker), the real story, store and writer; a shop and an ERP in memory. A history
is what happens to one order in its shop; each moment of it may be told several times, late, out of order, or never:
the list that is read in the end is complete by itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcbridge.connectors.base import Head, Page
from bcbridge.flows.orders.story import ORDERS
from bcbridge.house.intake import Intake
from bcbridge.model.documents import Notification
from bcbridge.model.ids import Noun, Ref
from bcbridge.model.order import Order, PaymentStatus
from bcbridge.runtime.poller import heads_to_jobs
from bcbridge.runtime.worker import Worker
from bcbridge.runtime.writer import DOUBTS
from tests.flows.at_hand import DRESS, HOME, SHIRT, line
from tests.flows.scene import Scene, scene
from tests.runtime.kit import CHANNEL, ERP

NOUN = Noun("orders")
REF = Ref("gid://shop/Order/5001")
ROUNDS = 20
"""In the end: enough for every wait of the story and a posting cycle after each."""
WAIT_SECONDS = 130

Booked = list[tuple[str, list[tuple[str, int, str]]]]
"""What the ERP holds: references with their rows."""


# -- what happens in the shop ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moment:
    """The order as it is from so many seconds after the last moment on."""

    after: int
    pieces: int
    payment: PaymentStatus
    city: str = "Hoboken"
    shirts: int = 0
    cancelled: bool = False


def order_at(s: Scene, moment: Moment, created: datetime) -> Order:
    lines = [line(DRESS, "80.00", moment.pieces)] + ([line(SHIRT, "40.00", moment.shirts)] if moment.shirts else [])
    total = sum((one.amount for one in lines), Decimal(0))
    made = s.sold(said={"lines": tuple(lines), "payment": moment.payment})
    return made.model_copy(
        update={
            "created": created,
            "cancelled": s.b.clock() if moment.cancelled else None,
            "ship_to": HOME.model_copy(update={"city": moment.city}),
            "total": total,
        }
    )


unpaid = st.builds(
    Moment,
    after=st.integers(2, 90),
    pieces=st.integers(1, 4),
    payment=st.sampled_from([PaymentStatus.PENDING, PaymentStatus.AUTHORISED]),
    city=st.sampled_from(["Hoboken", "Newark"]),
    shirts=st.integers(0, 2),
)
histories = st.tuples(st.lists(unpaid, max_size=4), st.integers(2, 90)).map(
    lambda drawn: [*drawn[0], _paid(drawn[0][-1] if drawn[0] else None, drawn[1])]
)
"""Changed while it is unpaid, then paid: from then on it stays as it is."""


def _paid(last: Moment | None, after: int) -> Moment:
    if last is None:
        return Moment(after, 1, PaymentStatus.PAID)
    return Moment(after, last.pieces, PaymentStatus.PAID, last.city, last.shirts)


def _cancelled(history: Sequence[Moment]) -> list[Moment]:
    last = history[-1]
    return [*history, Moment(3, last.pieces, last.payment, last.city, last.shirts, cancelled=True)]


# -- what is told of it ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """One arrival: of which moment, by which delivery, with its stamp or without; how long nothing happens after."""

    moment: int
    delivery: int
    thin: bool
    then: int
    posts: bool


arrivals = st.lists(
    st.builds(
        Told,
        moment=st.integers(0, 5),
        delivery=st.integers(0, 2),
        thin=st.booleans(),
        then=st.sampled_from([0, 1, 6, 40, 130]),
        posts=st.booleans(),
    ),
    max_size=12,
)


# -- the bridge ------------------------------------------------------------------------------------------------


@dataclass
class Desk:
    """Intake and workers around a scene, driven by hand."""

    s: Scene
    stamps: list[datetime] = field(default_factory=list)
    intake: Intake = field(init=False)
    workers: list[Worker] = field(init=False)

    def __post_init__(self) -> None:
        b = self.s.b
        self.intake = Intake(store=b.store, now=b.clock, flows={NOUN: ORDERS}, wake={CHANNEL: lambda: None})
        self.workers = [
            Worker(
                flow=flow,
                connector=connector,
                handler=handler,
                store=b.store,
                circuit=b.circuit,
                suspects=anyio.Lock(),
                now=b.clock,
            )
            for flow, connector, handler in ((ORDERS, CHANNEL, self.s.flow), (DOUBTS, ERP, b.writer))
        ]
        self.created = b.clock()

    def happen(self, moment: Moment) -> None:
        self.s.b.clock.tick(moment.after)
        now = self.s.b.clock()
        self.s.shop.put(order_at(self.s, moment, self.created), modified=now)
        self.stamps.append(now)

    async def tell(self, told: Told) -> None:
        """A delivery that was told before carries the same id: it is known."""
        at = told.moment % len(self.stamps)
        delivery = f"{at}-{told.delivery}-{told.thin}"
        stamp = None if told.thin else self.stamps[at]
        await self.intake.take(CHANNEL, Notification("orders/updated", delivery, NOUN, REF, stamp), "hash")
        await self.work()
        self.s.b.clock.tick(told.then)
        if told.posts:
            await self.post()

    async def work(self) -> None:
        for worker in self.workers:
            while await worker._once(alone=False):
                pass

    async def post(self) -> None:
        """A posting cycle of the ERP, and what the bridge sees of it."""
        await self.work()
        self.s.b.erp.post()
        await self.s.b.writer.confirm_posted()

    async def settle(self) -> Booked:
        """The list shows the order once more; then time goes by."""
        heads = (Head(REF, self.stamps[-1], self.created),)
        receive = heads_to_jobs(CHANNEL, NOUN, "updated", flow=ORDERS, now=self.s.b.clock)
        await self.s.b.store.write(receive(Page(heads, (), "{}")))
        for _ in range(ROUNDS):
            await self.post()
            self.s.b.clock.tick(WAIT_SECONDS)
        rows = [
            (str(one.reference), [(str(row.upc), row.quantity, str(row.price)) for row in one.lines])
            for one in self.s.b.erp.books
        ]
        return sorted(rows)


async def after_all(history: Sequence[Moment], told: Sequence[Told]) -> Booked:
    """Everything has happened before anything is told."""
    with tempfile.TemporaryDirectory() as folder:
        async with scene(Path(folder)) as s:
            desk = Desk(s)
            for moment in history:
                desk.happen(moment)
            for one in told:
                await desk.tell(one)
            return await desk.settle()


async def meanwhile(history: Sequence[Moment], told: Sequence[Told], gaps: Sequence[int]) -> Booked:
    """What has happened is told while the rest still happens; ``gaps`` are how many are told after each moment."""
    with tempfile.TemporaryDirectory() as folder:
        async with scene(Path(folder)) as s:
            desk, left = Desk(s), list(told)
            for place, moment in enumerate(history):
                desk.happen(moment)
                for _ in range(gaps[place % len(gaps)] if gaps else 0):
                    if left:
                        await desk.tell(left.pop(0))
            for one in left:
                await desk.tell(one)
            return await desk.settle()


# -- the claims ------------------------------------------------------------------------------------------------

quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def sold_as(moment: Moment) -> Booked:
    """What the ERP must hold of an order that ended so, written down here and not by the bridge."""
    if moment.cancelled:
        return []
    men = [[(SHIRT, moment.shirts, "40.00")]] if moment.shirts else []  # divisions by their codes: MEN, WOM
    parts = [*men, [(DRESS, moment.pieces, "80.00")]]
    return [(f"SU5001P{place}G1", rows) for place, rows in enumerate(parts, 1)]


@given(history=histories, told=arrivals, cancelled=st.booleans())
@quick
def test_told_in_any_order_and_any_number_of_times_afterwards(
    history: list[Moment], told: list[Told], cancelled: bool
) -> None:
    lived = _cancelled(history) if cancelled else history
    assert anyio.run(after_all, lived, told) == sold_as(lived[-1])


@given(history=histories, told=arrivals, gaps=st.lists(st.integers(0, 4), min_size=1, max_size=5))
@quick
def test_told_in_any_order_and_any_number_of_times_while_it_happens(
    history: list[Moment], told: list[Told], gaps: list[int]
) -> None:
    assert anyio.run(meanwhile, history, told, gaps) == sold_as(history[-1])


@given(told=arrivals.flatmap(lambda one: st.tuples(st.just(one), st.permutations(one))))
@quick
def test_a_permutation_changes_nothing(told: tuple[list[Told], list[Told]]) -> None:
    history = [Moment(5, 2, PaymentStatus.PENDING), Moment(20, 1, PaymentStatus.PENDING, shirts=1)]
    history.append(_paid(history[-1], 10))
    assert anyio.run(after_all, history, told[0]) == anyio.run(after_all, history, told[1])


def test_nothing_is_told_at_all() -> None:
    """The lists alone are complete."""
    assert anyio.run(after_all, [Moment(5, 3, PaymentStatus.PAID)], []) == [("SU5001P1G1", [(DRESS, 3, "80.00")])]


def test_a_wait_is_long_enough_for_every_step_of_the_story() -> None:
    assert timedelta(seconds=WAIT_SECONDS) > timedelta(seconds=120)
