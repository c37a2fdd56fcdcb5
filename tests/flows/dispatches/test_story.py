"""What left is told once: looks, lost answers, calls that land late, deaths of the process. Over a real store."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcbridge.connectors.base import Retracks
from bcbridge.errors import OpenCircuit
from bcbridge.flows.dispatches.settings import DispatchSettings
from bcbridge.flows.dispatches.story import DISPATCHES, REFUSED_FOR, Dispatching
from bcbridge.mappings import Mappings
from bcbridge.model.answers import Accepted, Doubtful, NotSent, PutAnswer, Rejected
from bcbridge.model.dispatch import Dispatch, DispatchView, Fulfillable, Fulfilment, LinePieces
from bcbridge.model.ids import ConnectorName, Ref, Reference
from bcbridge.model.shipment import Shipment
from bcbridge.model.work import Again, Done, Job, Verdict
from bcbridge.store import dispatching
from bcbridge.store.db import Store
from bcbridge.store.dispatching import DispatchMemory
from bcbridge.store.stamps import stamp
from tests.flows.dispatches.test_owed import PART, TEE, shipment
from tests.stores import empty_store

BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ORDER, LINE = Ref("o"), Ref("l1")
DOUBT = timedelta(seconds=60)
COMPLETE = b'"complete"'


@dataclass
class Clock:
    at: datetime = BEGIN

    def now(self) -> datetime:
        return self.at


@dataclass
class Channel:
    """A shop of one order of so many pieces. ``fates``: what happens to the next calls; then all is well. A call that
    lands late does so within the doubt."""

    clock: Clock
    ordered: int = 4
    name: str = "shop.dispatches"
    retracks: Retracks | None = None
    fates: list[str] = field(default_factory=list)
    shown: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    late: list[tuple[datetime, int, tuple[str, ...]]] = field(default_factory=list)
    calls: int = 0
    looks: int = 0
    completes: bool = True
    """By itself, once everything left. Else it wants a call for that, and mails with each."""
    mails: int = 0

    async def look(self, ref: Ref) -> DispatchView | None:
        self.looks += 1
        self._land()
        left = self.ordered - sum(pieces for pieces, _ in self.shown)
        piece = Fulfillable(group=Ref("g"), item=Ref("i"), line=LINE, location=Ref("nj"), pieces=left)
        return DispatchView(
            ref=ref,
            cancelled=False,
            fulfilments=tuple(
                Fulfilment(
                    ref=Ref(f"f{at}"),
                    location=None,
                    lines=(LinePieces(line=LINE, pieces=pieces),),
                    company="",
                    tracks=tracks,
                    at=BEGIN,
                )
                for at, (pieces, tracks) in enumerate(self.shown)
            ),
            fulfillable=(piece,) if left else (),
            unfinished=() if left or self.completes or self.mails else (COMPLETE,),
            again=not self.completes,
        )

    def render(self, dispatch: Dispatch) -> bytes:
        return orjson.dumps([sum(piece.pieces for piece in dispatch.pieces), list(dispatch.tracks)])

    async def put(self, body: bytes) -> PutAnswer:
        self.calls += 1
        if body == COMPLETE:
            return self._completed()
        pieces, tracks = orjson.loads(body)
        fate = self.fates.pop(0) if self.fates else "taken"
        if fate == "closed":
            raise OpenCircuit("the shop takes no call")
        if fate in ("late", "broke off"):
            self.late.append((self.clock.at + DOUBT / 2, pieces, tuple(tracks)))
        if fate == "broke off":
            raise RuntimeError("in the middle of it")
        if fate in ("taken", "answer lost"):
            self._land()
            assert pieces <= self.ordered - sum(count for count, _ in self.shown), "more than is left"
            self.shown.append((pieces, tuple(tracks)))
        answers: dict[str, PutAnswer] = {
            "taken": Accepted(f"f{len(self.shown) - 1}"),
            "refused": Rejected(("no",)),
            "busy": NotSent("busy", timedelta(seconds=2)),
        }
        return answers.get(fate, Doubtful(fate))

    def _completed(self) -> PutAnswer:
        fate = self.fates.pop(0) if self.fates else "taken"
        self.mails += fate in ("taken", "answer lost")
        if fate == "refused":
            return Rejected(("no",))
        return Accepted("") if fate == "taken" else Doubtful(fate)

    def _land(self) -> None:
        for moment, pieces, tracks in [one for one in self.late if one[0] <= self.clock.at]:
            self.late.remove((moment, pieces, tracks))
            self.shown.append((pieces, tracks))


@dataclass
class Scene:
    store: Store
    clock: Clock
    channel: Channel
    flow: Dispatching

    async def left(self, *shipments: Shipment) -> None:
        await self.store.write(lambda tx: dispatching.keep(tx, "erp", shipments, now=self.clock.now()))

    async def round(self) -> Verdict:
        job = Job(1, DISPATCHES, "shop", ORDER, "k", 0, None, self.clock.at, 1, 0)
        ended: list[Verdict] = []

        async def settle(job: Job, verdict: Verdict) -> None:
            ended.append(verdict)

        await self.flow.handle([job], settle)
        return ended[0]

    async def until_done(self, most: int = 12) -> Verdict:
        for _ in range(most):
            verdict = await self.round()
            if isinstance(verdict, Done):
                return verdict
            self.clock.at += verdict.after
        raise AssertionError(f"not done after {most} rounds: {verdict}")

    async def problems(self) -> list[str]:
        row = await self.store.read.row("SELECT problems FROM dispatched")
        return [one["code"] for one in orjson.loads(row["problems"])] if row else []


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Scene]:
    async with Store(empty_store(tmp_path / "store.db")).opened() as store:
        yield await a_scene(store)


BOOKED = (
    f"""INSERT INTO orders (id, connector, ref, state, since, first_seen)
    VALUES (1, 'shop', '{ORDER}', 'booked', '{stamp(BEGIN)}', '{stamp(BEGIN)}')""",
    f"""INSERT INTO outbox (sink, order_id, part, parts, generation, reference, body, body_hash, state, written_at)
    VALUES ('erp.orders', 1, 1, 1, 1, '{PART}', x'00', '', 'posted', '{stamp(BEGIN)}')""",
    f"""INSERT INTO booked_rows (reference, line_seq, order_id, line, upc, pieces)
    VALUES ('{PART}', 1, 1, '{LINE}', '{TEE}', 4)""",
)
"""An order of four pieces on one line, booked as one document."""


def book(tx: sqlite3.Connection) -> None:
    for statement in BOOKED:
        tx.execute(statement)


async def a_scene(store: Store) -> Scene:
    await store.write(book)
    clock = Clock()
    channel = Channel(clock)
    flow = Dispatching(
        channel=ConnectorName("shop"),
        sink=channel,
        memory=DispatchMemory(store, "shop", clock.now),
        settings=DispatchSettings(mandatory=(), doubt_seconds=DOUBT.total_seconds()),
        mappings=Mappings,
        now=clock.now,
    )
    return Scene(store, clock, channel, flow)


async def test_nothing_left_is_nothing_to_do(here: Scene) -> None:
    assert isinstance(await here.round(), Done)
    assert here.channel.calls == 0


async def test_each_shipment_is_told_and_a_yes_is_enough(here: Scene) -> None:
    await here.left(shipment("I1", (TEE, 1), tracks=["A"]), shipment("I2", (TEE, 2), tracks=["B"], day=2))
    assert await here.round() == Done("told")
    assert here.channel.shown == [(1, ("A",)), (2, ("B",))]
    assert here.channel.calls == 2
    row = await here.store.read.row("SELECT left, told, owed FROM dispatched")
    assert row is not None
    assert tuple(row) == (3, 3, 0)


async def test_looking_again_tells_nothing_again(here: Scene) -> None:
    await here.left(shipment("I1", (TEE, 1)))
    await here.until_done()
    for _ in range(3):
        assert await here.round() == Done("told")
    assert here.channel.calls == 1


@pytest.mark.parametrize("fate", ["answer lost", "never arrived", "late"])
async def test_a_call_without_an_answer_is_waited_for_and_told_once(here: Scene, fate: str) -> None:
    await here.left(shipment("I1", (TEE, 1), tracks=["A"]))
    here.channel.fates = [fate]
    verdict = await here.round()
    assert isinstance(verdict, Again)
    assert verdict.after >= DOUBT
    assert isinstance(await here.round(), Again), "nothing is repeated while it may still land"
    assert here.channel.calls == 1
    await here.until_done()
    assert here.channel.shown == [(1, ("A",))]


async def test_a_call_that_broke_off_is_waited_for_like_one_without_an_answer(here: Scene) -> None:
    """Whatever it was: it may still land."""
    await here.left(shipment("I1", (TEE, 1), tracks=["A"]))
    here.channel.fates = ["broke off"]
    with pytest.raises(RuntimeError):
        await here.round()
    assert isinstance(await here.round(), Again)
    assert here.channel.calls == 1
    await here.until_done()
    assert here.channel.shown == [(1, ("A",))]


async def test_a_call_whose_answer_was_not_kept_is_waited_for_too(here: Scene) -> None:
    await here.left(shipment("I1", (TEE, 1)))
    memory = DispatchMemory(here.store, "shop", here.clock.now)
    await memory.begin(1, "I1", b"[1, []]", {LINE: 1})
    assert isinstance(await here.round(), Again)
    assert here.channel.calls == 0


async def test_a_shop_that_takes_no_call_leaves_nothing_in_doubt(here: Scene) -> None:
    await here.left(shipment("I1", (TEE, 1)))
    here.channel.fates = ["closed"]
    with pytest.raises(OpenCircuit):
        await here.round()
    assert await here.round() == Done("told")
    assert here.channel.calls == 2
    assert here.channel.shown == [(1, ())]


async def test_what_was_under_way_when_the_process_ended_is_in_doubt(here: Scene) -> None:
    await here.left(shipment("I1", (TEE, 1)))
    here.channel.shown = [(1, ())]  # it had arrived
    memory = DispatchMemory(here.store, "shop", here.clock.now)
    await memory.begin(1, "I1", b"[1, []]", {LINE: 1})
    assert await here.store.write(lambda tx: dispatching.recover(tx, now=here.clock.now())) == 1
    assert isinstance(await here.round(), Again)
    assert await here.until_done() == Done("told")
    assert here.channel.calls == 0


async def test_a_refusal_is_a_persons_with_its_reason(here: Scene) -> None:
    await here.left(shipment("I1", (TEE, 1)))
    here.channel.fates = ["refused"]
    assert await here.round() == Done("blocked")
    assert await here.problems() == ["dispatch_refused"]
    (incident,) = await here.store.read.rows("SELECT code, text FROM incidents WHERE closed_at IS NULL")
    assert incident["code"] == "dispatch_blocked"
    assert "no (dispatch_refused)" in incident["text"]
    assert await here.round() == Done("blocked")
    assert here.channel.calls == 1, "the very same is not tried again at once"
    here.clock.at += REFUSED_FOR
    await here.until_done()
    assert await here.problems() == []
    assert not await here.store.read.rows("SELECT 1 FROM incidents WHERE closed_at IS NULL")


async def test_what_the_shop_takes_back_is_not_told_again(here: Scene) -> None:
    await here.left(shipment("I1", (TEE, 1)))
    await here.until_done()
    here.channel.shown.clear()
    here.clock.at += DOUBT
    assert await here.round() == Done("blocked")
    assert await here.problems() == ["dispatch_taken_back"]
    assert here.channel.calls == 1


async def test_what_is_not_shown_at_once_was_not_taken_back(here: Scene) -> None:
    await here.left(shipment("I1", (TEE, 1)))
    await here.round()
    shown, here.channel.shown = here.channel.shown, []
    assert isinstance(await here.round(), Again)
    here.channel.shown = shown
    assert await here.until_done() == Done("told")
    assert (await here.problems(), here.channel.calls) == ([], 1)


async def test_what_is_void_and_was_not_told_never_is(here: Scene) -> None:
    await here.left(shipment("I1", (TEE, 1)))
    await here.left(shipment("I1", (TEE, 1), void=True))
    assert await here.round() == Done("told")
    assert here.channel.calls == 0


async def test_nothing_is_told_without_permission(here: Scene) -> None:
    await here.left(shipment("I1", (TEE, 1)))
    here.flow.permitted = lambda: "not confirmed"
    assert await here.round() == Done("not confirmed")
    assert here.channel.looks == 1
    assert await here.round() == Done("not confirmed")
    assert (here.channel.calls, here.channel.looks) == (0, 1), "nor is it looked at all the time"
    here.flow.permitted = lambda: ""
    assert await here.round() == Done("told")


async def test_what_finishes_an_order_and_is_refused_is_never_tried_again(here: Scene) -> None:
    here.channel.completes, here.channel.fates = False, ["taken", "refused"]
    await here.left(shipment("I1", (TEE, 4)))
    await here.until_done()
    for _ in range(3):
        here.clock.at += REFUSED_FOR
        assert await here.round() == Done("blocked")
    assert (here.channel.calls, await here.problems()) == (2, ["dispatch_refused"])


async def test_what_is_void_after_it_was_told_is_a_persons_who_may_agree(here: Scene) -> None:
    await here.left(shipment("I1", (TEE, 2)))
    await here.until_done()
    await here.left(shipment("I1", (TEE, 2), void=True))
    assert await here.until_done() == Done("blocked")
    assert await here.problems() == ["told_and_void"]
    await here.store.write(lambda tx: dispatching.agree(tx, 1, now=here.clock.at))
    await here.until_done()
    assert await here.problems() == []
    assert await here.store.write(lambda tx: dispatching.open_orders(tx, ["shop"])) == []
    assert not await here.store.read.rows("SELECT 1 FROM incidents WHERE closed_at IS NULL")


@pytest.mark.parametrize("fate", ["taken", "answer lost", "never arrived"])
async def test_an_order_of_which_everything_left_is_finished_once(here: Scene, fate: str) -> None:
    here.channel.completes, here.channel.fates = False, ["taken", fate]
    await here.left(shipment("I1", (TEE, 4)))
    assert await here.until_done() == Done("told")
    assert (sum(pieces for pieces, _ in here.channel.shown), here.channel.mails) == (4, 1)


async def test_what_finished_an_order_and_was_undone_is_a_persons(here: Scene) -> None:
    here.channel.completes = False
    await here.left(shipment("I1", (TEE, 4)))
    await here.until_done()
    here.clock.at += DOUBT
    here.channel.mails = 0
    assert await here.until_done() == Done("blocked")
    assert (await here.problems(), here.channel.mails) == (["finish_undone"], 0)


@dataclass
class Renumbering:
    """Takes other numbers for what the channel shows."""

    channel: Channel

    def render(self, shown: Ref, dispatch: Dispatch) -> bytes:
        return orjson.dumps([shown, list(dispatch.tracks)])

    async def put(self, body: bytes) -> PutAnswer:
        shown, tracks = orjson.loads(body)
        at = int(shown[1:])
        self.channel.shown[at] = (self.channel.shown[at][0], tuple(tracks))
        return Accepted(shown)


async def test_numbers_that_the_erp_corrects_are_corrected_where_nobody_else_did(here: Scene) -> None:
    here.channel.retracks = Renumbering(here.channel)
    await here.left(shipment("I1", (TEE, 1), tracks=["WRONG"]))
    await here.until_done()
    await here.left(shipment("I1", (TEE, 1), tracks=["RIGHT"]))
    assert await here.until_done() == Done("told")
    assert here.channel.shown == [(1, ("RIGHT",))]
    await here.left(shipment("I1", (TEE, 1), tracks=["AGAIN"]))
    here.channel.shown[0] = (1, ("BY HAND",))
    assert await here.until_done() == Done("told")
    assert here.channel.shown == [(1, ("BY HAND",))]


async def test_an_order_is_finished_no_sooner_than_a_doubtful_call_can_have_landed(here: Scene) -> None:
    here.channel.completes, here.channel.fates = False, ["taken", "never arrived"]
    await here.left(shipment("I1", (TEE, 4)))
    assert isinstance(await here.round(), Again)
    ended = here.clock.at
    await here.until_done()
    assert here.clock.at >= ended + DOUBT


async def test_a_shipment_of_somebody_elses_order_is_not_kept(here: Scene) -> None:
    stranger = shipment("I9", (TEE, 1), reference=Reference("MACYS-1"))
    assert await here.store.write(lambda tx: dispatching.keep(tx, "erp", [stranger], now=BEGIN)) == []
    ours = shipment("I1", (TEE, 1))
    for news in ([("shop", ORDER)], []):
        assert await here.store.write(lambda tx: dispatching.keep(tx, "erp", [ours], now=BEGIN)) == news


FATES = st.lists(st.sampled_from(["taken", "answer lost", "never arrived", "late", "busy", "refused"]), max_size=6)
SHIPPED = st.lists(st.integers(1, 2), min_size=1, max_size=3).filter(lambda counts: sum(counts) <= 4)


@given(FATES, SHIPPED)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_however_calls_end_every_piece_is_told_once(
    tmp_path_factory: pytest.TempPathFactory, fates: list[str], shipped: list[int]
) -> None:
    async with Store(empty_store(tmp_path_factory.mktemp("story") / "store.db")).opened() as store:
        here = await a_scene(store)
        here.channel.fates = list(fates)
        for at, pieces in enumerate(shipped):
            await here.left(shipment(f"I{at}", (TEE, pieces), tracks=["SAME"], day=at + 1))
            await here.until_done(40)
        here.channel.fates = []
        for _ in range(3):
            here.clock.at += REFUSED_FOR
            await here.until_done(40)
        assert sum(pieces for pieces, _ in here.channel.shown) == sum(shipped)
        assert await here.problems() == []
