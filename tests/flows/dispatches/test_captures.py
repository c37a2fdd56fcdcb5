"""Money that is only authorised is asked for once, when everything left: policies, lost answers, refusals. Over a real
store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from bcbridge.errors import OpenCircuit
from bcbridge.flows.dispatches.settings import CapturedBy, DispatchSettings
from bcbridge.model.answers import Accepted, Doubtful, NotSent, PutAnswer, Rejected
from bcbridge.model.dispatch import Authorisation, AuthorisedMoney
from bcbridge.model.ids import Ref
from bcbridge.model.order import Hold
from bcbridge.model.work import Again, Done
from bcbridge.store import dispatching
from bcbridge.store.db import Store
from bcbridge.store.stamps import stamp
from tests.flows.dispatches.test_owed import PART, TEE, shipment
from tests.flows.dispatches.test_story import BEGIN, DOUBT, ORDER, Clock, Scene, a_scene
from tests.stores import empty_store

CARD = "card"


@dataclass
class Till:
    """What gateways hold, by authorisation. ``fates``: what happens to the next calls; then all is well. A call
    that lands late does so within the doubt."""

    clock: Clock
    held: dict[str, Decimal] = field(default_factory=lambda: {"a1": Decimal("40.00")})
    gateways: dict[str, str] = field(default_factory=dict)
    name: str = "shop.captures"
    fates: list[str] = field(default_factory=list)
    taken: list[tuple[str, Decimal]] = field(default_factory=list)
    late: list[tuple[datetime, str]] = field(default_factory=list)
    looks: int = 0
    calls: int = 0
    shows: bool = True
    """What was taken as taken; else as authorised still."""

    async def look(self, ref: Ref) -> AuthorisedMoney | None:
        self.looks += 1
        self._land()
        done = {one for one, _ in self.taken} if self.shows else set()
        held = [
            Authorisation(order=ref, ref=Ref(key), gateway=self.gateways.get(key, CARD), amount=amount, currency="USD")
            for key, amount in self.held.items()
            if key not in done
        ]
        return AuthorisedMoney(order=ref, authorisations=tuple(held))

    def render(self, authorisation: Authorisation) -> bytes:
        return orjson.dumps([authorisation.ref, str(authorisation.amount)])

    async def put(self, body: bytes) -> PutAnswer:
        self.calls += 1
        key, amount = orjson.loads(body)
        assert Decimal(amount) == self.held[key], "the whole of it"
        fate = self.fates.pop(0) if self.fates else "taken"
        if fate == "closed":
            raise OpenCircuit("the shop takes no call")
        if fate in ("late", "broke off"):
            self.late.append((self.clock.at + DOUBT / 2, key))
        if fate == "broke off":
            raise RuntimeError("in the middle of it")
        if fate in ("taken", "answer lost"):
            self._take(key)
        answers: dict[str, PutAnswer] = {
            "taken": Accepted(f"t-{key}"),
            "refused": Rejected(("card declined, says Ada",)),
            "busy": NotSent("busy", timedelta(seconds=2)),
        }
        return answers.get(fate, Doubtful(fate))

    def _take(self, key: str) -> None:
        assert key not in {one for one, _ in self.taken}, "money moved twice"
        self.taken.append((key, self.held[key]))

    def _land(self) -> None:
        for at, key in [one for one in self.late if one[0] <= self.clock.at]:
            self.late.remove((at, key))
            self._take(key)


@dataclass
class Shop:
    scene: Scene
    till: Till

    async def left(self, pieces: int, number: str = "I1") -> None:
        await self.scene.left(shipment(number, (TEE, pieces), tracks=["A"]))

    async def problems(self) -> list[str]:
        return await self.scene.problems()

    async def events(self) -> list[str]:
        rows = await self.scene.store.read.rows("SELECT kind FROM events")
        return [row["kind"] for row in rows]

    async def write(self, statement: str) -> None:
        await self.scene.store.write(lambda tx: tx.execute(statement))

    def policy(self, **captures: CapturedBy) -> None:
        said = {"*" if gateway == "others" else gateway: by for gateway, by in captures.items()}
        settings = DispatchSettings(mandatory=(), doubt_seconds=DOUBT.total_seconds(), captures=said)
        self.scene.flow.settings = settings


LEAVING = f"""
INSERT INTO leaving (reference, order_id, connector, warehouse, pieces, posted_at)
VALUES ('{PART}', 1, 'shop', 'NJ1', 4, '{stamp(BEGIN)}')
"""


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """Four pieces, booked as one document, paid by card: authorised."""
    async with Store(empty_store(tmp_path / "store.db")).opened() as store:
        scene = await a_scene(store)
        found = Shop(scene, Till(scene.clock))
        scene.flow.captures = found.till
        found.policy(card="bridge")
        await found.write(LEAVING)
        await found.write("UPDATE orders SET payment = 'authorised'")
        yield found


async def test_all_that_is_authorised_is_taken_once_everything_is_shown_as_left(shop: Shop) -> None:
    await shop.left(4)
    assert isinstance(await shop.scene.round(), Again), "told: whether it is shown, before money is asked for"
    assert shop.till.calls == 0
    assert await shop.scene.until_done() == Done("told")
    assert shop.till.taken == [("a1", Decimal("40.00"))]
    assert (await shop.events())[-1] == "capture_told"
    for _ in range(3):
        await shop.scene.round()
    assert shop.till.calls == 1


async def test_a_part_captures_nothing(shop: Shop) -> None:
    await shop.left(3)
    await shop.scene.until_done()
    assert (shop.till.looks, shop.till.calls) == (0, 0)
    await shop.left(1, "I2")
    await shop.scene.until_done()
    assert shop.till.taken == [("a1", Decimal("40.00"))]


@pytest.mark.parametrize("statement", ["UPDATE orders SET payment = 'paid'", "UPDATE orders SET state = 'sending'"])
async def test_no_order_but_one_that_waits_for_its_money_costs_a_look(shop: Shop, statement: str) -> None:
    await shop.write(statement)
    await shop.left(4)
    await shop.scene.until_done()
    assert (shop.scene.channel.calls, shop.till.looks) == (1, 0)


async def test_without_a_policy_the_shop_is_left_to_do_it(shop: Shop) -> None:
    shop.policy(card="shop", others="person")
    await shop.left(4)
    assert await shop.scene.round() == Done("told")
    assert shop.till.looks == 0


async def test_only_gateways_of_the_policy_are_asked_for(shop: Shop) -> None:
    shop.policy(card="bridge", others="person")
    shop.till.held["a2"] = Decimal("5.00")
    shop.till.gateways["a2"] = "paypal"
    await shop.left(4)
    await shop.scene.until_done()
    assert shop.till.taken == [("a1", Decimal("40.00"))]
    assert await shop.problems() == []


async def test_each_authorisation_is_taken(shop: Shop) -> None:
    shop.policy(others="bridge")
    shop.till.held["a2"] = Decimal("5.00")
    await shop.left(4)
    await shop.scene.until_done()
    assert dict(shop.till.taken) == shop.till.held
    assert shop.till.calls == 2


@pytest.mark.parametrize("fate", ["answer lost", "never arrived", "late"])
async def test_a_call_without_an_answer_is_waited_for_and_looked_for(shop: Shop, fate: str) -> None:
    await shop.left(4)
    await shop.scene.round()
    shop.till.fates = [fate]
    verdict = await shop.scene.round()
    assert isinstance(verdict, Again)
    assert verdict.after >= DOUBT
    assert isinstance(await shop.scene.round(), Again), "nothing is repeated while it may still land"
    assert shop.till.calls == 1
    await shop.scene.until_done()
    assert shop.till.taken == [("a1", Decimal("40.00"))]
    assert shop.till.calls == (2 if fate == "never arrived" else 1)


async def test_a_call_that_broke_off_is_waited_for_like_one_without_an_answer(shop: Shop) -> None:
    await shop.left(4)
    await shop.scene.round()
    shop.till.fates = ["broke off"]
    with pytest.raises(RuntimeError):
        await shop.scene.round()
    assert isinstance(await shop.scene.round(), Again)
    await shop.scene.until_done()
    assert (shop.till.calls, shop.till.taken) == (1, [("a1", Decimal("40.00"))])


async def test_a_death_of_the_process_during_the_call_leaves_a_doubt(shop: Shop) -> None:
    await shop.left(4)
    await shop.scene.round()
    await shop.scene.flow.memory.begin(1, "capture/a1", b'["a1", "40.00"]', {}, ())
    shop.till._take("a1")
    await shop.scene.store.write(lambda tx: dispatching.recover(tx, now=shop.scene.clock.now()))
    assert isinstance(await shop.scene.round(), Again)
    await shop.scene.until_done()
    assert shop.till.calls == 0


@pytest.mark.parametrize("fate", ["busy", "closed"])
async def test_what_had_no_effect_is_asked_again(shop: Shop, fate: str) -> None:
    await shop.left(4)
    await shop.scene.round()
    shop.till.fates = [fate]
    if fate == "closed":
        with pytest.raises(OpenCircuit):
            await shop.scene.round()
    await shop.scene.until_done()
    assert shop.till.taken == [("a1", Decimal("40.00"))]


async def test_a_refusal_is_a_persons_and_is_not_tried_again(shop: Shop) -> None:
    await shop.left(4)
    shop.till.fates = ["refused"]
    assert await shop.scene.until_done() == Done("blocked")
    for _ in range(3):
        shop.scene.clock.at += 2 * DOUBT
        assert await shop.scene.round() == Done("blocked")
    assert (shop.till.calls, await shop.problems()) == (1, ["capture_refused"])
    incident = await shop.scene.store.read.row("SELECT text, count(*) AS n FROM incidents WHERE closed_at IS NULL")
    assert incident is not None
    assert "40.00 USD of card" in incident["text"]
    assert "Ada" not in incident["text"], "what another program said stands in the order's own story"
    shop.till._take("a1")  # in the shop's admin
    assert await shop.scene.round() == Done("told")
    assert await shop.problems() == []


async def test_what_was_taken_and_is_not_shown_is_a_persons_after_a_while(shop: Shop) -> None:
    shop.till.shows = False
    await shop.left(4)
    await shop.scene.until_done()
    assert await shop.scene.round() == Done("told"), "it may be late"
    shop.scene.clock.at += 2 * DOUBT
    assert await shop.scene.round() == Done("blocked")
    assert (await shop.problems(), shop.till.calls) == (["capture_not_shown"], 1)


async def test_what_was_taken_is_remembered_when_its_bytes_are_forgotten(shop: Shop) -> None:
    shop.till.shows = False
    await shop.left(4)
    await shop.scene.until_done()
    await shop.scene.store.write(lambda tx: dispatching.erase(tx, 1))
    shop.scene.clock.at += 2 * DOUBT
    await shop.scene.round()
    assert shop.till.calls == 1


async def test_unconfirmed_nothing_is_asked_and_nothing_is_looked_at(shop: Shop) -> None:
    shop.scene.flow.may_capture = lambda: "not confirmed"
    await shop.left(4)
    await shop.scene.round()
    assert await shop.scene.round() == Done("not confirmed")
    assert (shop.till.looks, await shop.problems()) == (0, [])


@pytest.mark.parametrize("why", ["waits for more", "cancelled", "held"])
async def test_nothing_is_taken_while_the_channel_waits_for_more(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """The ERP sends no more, and the shop does not know it: the money of what never left is not taken."""
    if why == "waits for more":
        shop.scene.channel.ordered = 5
    look = shop.scene.channel.look

    async def otherwise(ref: Ref) -> object:
        view = await look(ref)
        assert view is not None
        held = (Hold(reason="fraud"),) if why == "held" else ()
        return view.model_copy(update={"cancelled": why == "cancelled", "holds": held})

    await shop.left(4)
    await shop.scene.round()
    monkeypatch.setattr(shop.scene.channel, "look", otherwise)
    assert await shop.scene.until_done() == Done("told")
    assert shop.till.looks == 0


async def test_what_the_erp_will_not_send_and_the_shop_knows_of_holds_nothing_up(shop: Shop) -> None:
    shop.scene.channel.ordered = 3
    await shop.write("UPDATE leaving SET cancelled = 1")
    await shop.left(3)
    await shop.scene.until_done()
    assert shop.till.calls == 1


@pytest.mark.parametrize(("change", "found"), [("", 1), ("UPDATE orders SET payment = 'paid'", 0)])
async def test_an_order_that_left_and_waits_for_its_money_is_looked_at_again(
    shop: Shop, change: str, found: int
) -> None:
    shop.scene.flow.captures = None
    await shop.left(4)
    await shop.scene.until_done()
    if change:
        await shop.write(change)

    def ask(paying: list[str], before: datetime) -> Callable[..., list[tuple[str, Ref]]]:
        return lambda tx: dispatching.open_orders(tx, ["shop"], paying=paying, paying_before=before)

    later = shop.scene.clock.at + timedelta(hours=1)
    assert await shop.scene.store.write(ask(["shop"], later)) == [("shop", ORDER)] * found
    assert await shop.scene.store.write(ask(["shop"], BEGIN)) == []
    assert await shop.scene.store.write(ask([], later)) == []


def test_a_policy_is_by_gateway_and_the_shops_own_where_nothing_is_said() -> None:
    settings = DispatchSettings(captures={"card": "bridge", "*": "person"})
    assert [settings.captured_by(gateway) for gateway in ("card", "paypal")] == ["bridge", "person"]
    assert (DispatchSettings().captured_by("card"), DispatchSettings().asks_for_money) == ("shop", False)
