"""A changed order is carried once, or is a person's: lost answers, refusals, deaths of the process. Over a real store.

The shop and the ERP are some lines in memory: they do as they are asked, or as ``fates`` says.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcbridge.connectors.base import Amendments, Corrections, Found, PostingRules, Sink, Source
from bcbridge.errors import Malformed, OpenCircuit
from bcbridge.flows.changes.settings import ChangeSettings
from bcbridge.flows.changes.story import CHANGES, Changes
from bcbridge.flows.orders.desk import Desk
from bcbridge.model.answers import Accepted, Doubtful, NotSent, PutAnswer, Rejected
from bcbridge.model.changes import Amendment, AmendmentKind, Correction
from bcbridge.model.documents import Document
from bcbridge.model.ids import ConnectorName, Noun, Ref, Reference
from bcbridge.model.order import Address, Order, TenderKind
from bcbridge.model.sales_order import BookedOrder, SalesOrder
from bcbridge.model.work import Again, Done, Job, Verdict
from bcbridge.store import changing, inbox
from bcbridge.store.changing import ChangeMemory
from bcbridge.store.db import Store
from bcbridge.store.stamps import stamp
from tests.flows.at_hand import CREATED, DRESS, HOME, MAPPINGS, MASTERS, SETTINGS, SKIRT, SKUS, WIDTHS, tender
from tests.flows.changes.two import ELSEWHERE, PART, ROWS, cancelled, held_lines, the_document, the_order, with_pieces

REF = Ref("gid://shop/Order/5001")
BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DOUBT = timedelta(seconds=60)


def fingerprint(address: Address | None) -> str:
    return f"to {address.address1}" if address else ""


@dataclass
class Outside:
    """Both sides. ``fates``: what becomes of the next calls; then all is well."""

    at: datetime = BEGIN
    order: Order | None = field(default_factory=the_order)
    kept: Order | None = None
    """What our own inbox says, newer than what a cache shows."""
    held: BookedOrder | None = None
    fates: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    found: int = 0
    name: str = "outside"
    can: frozenset[AmendmentKind] = frozenset(AmendmentKind)
    rules: PostingRules = PostingRules(max_request=timedelta(seconds=20))  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        held = the_document(ship_to=fingerprint(HOME)).held
        self.held = held

    # -- the channel ---------------------------------------------------------------------------------------

    async def fetch(self, refs: Sequence[Ref]) -> list[Document]:
        body = b"nonsense" if "nonsense" in self.fates else b""
        return [Document(Noun("orders"), ref, BEGIN, self.at, body) for ref in refs if self.order]

    def read(self, document: Document) -> Order:
        if document.body:
            raise Malformed("not an order", where="document")
        if document.modified > BEGIN and self.kept is not None:
            return self.kept
        assert self.order is not None
        return self.order

    # -- the ERP -------------------------------------------------------------------------------------------

    async def find(self, references: Sequence[Reference]) -> Found:
        self.found += 1
        if "closed" in self.fates:
            raise OpenCircuit("it takes no calls")
        return Found({PART: (self.held,) if self.held else ()})

    def differences(self, body: bytes, booked: BookedOrder) -> tuple[str, ...]:
        return ()

    def sent_to(self, body: bytes) -> str:
        return fingerprint(HOME)

    def goes_to(self, address: Address) -> str:
        return fingerprint(address)

    # -- both ----------------------------------------------------------------------------------------------

    def render(self, asked: Amendment | Correction) -> bytes:
        return orjson.dumps([type(asked).__name__, asked.model_dump(mode="json")])

    async def put(self, body: bytes) -> PutAnswer:
        name, said = orjson.loads(body)
        fate = self.fates.pop(0) if self.fates else "taken"
        self.calls.append(said.get("kind", "correct"))
        if fate == "takes no calls":
            raise OpenCircuit(fate)
        if fate in ("taken", "answer lost", "broke off"):
            self._does(Correction if name == "Correction" else Amendment, said)
        if fate == "broke off":
            raise RuntimeError("in the middle of it")
        answers: dict[str, PutAnswer] = {
            "taken": Accepted("r1"),
            "says so": Accepted("r1"),
            "refused": Rejected(("2 are picked",)),
            "busy": NotSent("busy", timedelta(seconds=2)),
        }
        return answers.get(fate, Doubtful(fate))

    def _does(self, kind: Any, said: dict[str, Any]) -> None:
        asked = kind.model_validate_json(orjson.dumps(said))
        assert self.held is not None
        if isinstance(asked, Correction):
            wanted = {row.line_seq: row.cancelled for row in asked.rows}
            lines = tuple(
                one.model_copy(update={"cancelled": wanted.get(one.line_seq, one.cancelled)}) for one in self.held.lines
            )
            to = fingerprint(asked.ship_to) if asked.ship_to else self.held.ship_to
            self.held = self.held.model_copy(update={"lines": lines, "ship_to": to})
        elif asked.kind is AmendmentKind.CANCEL:
            self.order = cancelled(self.order or the_order())
        elif asked.kind is AmendmentKind.REDUCE:
            pieces = {one.line: one.pieces for one in asked.lines}
            assert self.order is not None
            kept = [one.model_copy(update={"quantity": pieces.get(one.ref, one.quantity)}) for one in self.order.lines]
            self.order = self.order.model_copy(update={"lines": tuple(kept)})


@dataclass
class Scene:
    store: Store
    outside: Outside
    flow: Changes

    async def round(self, attempts: int = 1) -> Verdict:
        job = Job(1, CHANGES, "shop", REF, "k", 0, None, self.outside.at, attempts, 0)
        ended: list[Verdict] = []

        async def settle(job: Job, verdict: Verdict) -> None:
            ended.append(verdict)

        await self.flow.handle([job], settle)
        return ended[0]

    async def until_done(self, most: int = 12) -> Done:
        attempts = 1
        for _ in range(most):
            verdict = await self.round(attempts)
            if isinstance(verdict, Done):
                return verdict
            self.outside.at += verdict.after
            attempts += verdict.burn
        raise AssertionError(f"not done after {most} rounds: {verdict}")

    async def erp_shows(self, **rows: tuple[int, int, int, int]) -> bool:
        """``dress`` and ``skirt``: ordered, cancelled, picked, shipped. Whether the order is to be compared."""
        said = {"dress": (2, 0, 0, 0), "skirt": (1, 0, 0, 0), **rows}
        assert self.outside.held is not None
        lines = held_lines({DRESS: said["dress"], SKIRT: said["skirt"]})
        self.outside.held = held = self.outside.held.model_copy(update={"lines": lines})
        self.outside.at += timedelta(seconds=1)
        return await self.store.write(lambda tx: changing.see(tx, "erp", 1, held, now=self.outside.at))

    async def incidents(self) -> list[str]:
        rows = await self.store.read.rows("SELECT code FROM incidents WHERE closed_at IS NULL ORDER BY code")
        return [row["code"] for row in rows]

    async def agrees(self) -> None:
        await self.store.write(lambda tx: changing.agree(tx, 1, who="ann", why="left before", now=self.outside.at))


BOOKED = (
    f"""INSERT INTO orders (id, connector, ref, name, state, since, first_seen)
    VALUES (1, 'shop', '{REF}', '#1001', 'booked', '{stamp(BEGIN)}', '{stamp(BEGIN)}')""",
    f"""INSERT INTO outbox (sink, order_id, part, parts, generation, reference, body, body_hash, state, written_at,
        number)
    VALUES ('erp.orders', 1, 1, 1, 1, '{PART}', x'00', '', 'posted', '{stamp(BEGIN)}', '0100001')""",
    *(
        "INSERT INTO booked_rows (reference, line_seq, order_id, line, upc, pieces)"
        f" VALUES ('{PART}', {row.line_seq}, 1, '{row.line}', '{row.upc}', {row.pieces})"
        for row in ROWS
    ),
)


def book(tx: sqlite3.Connection) -> None:
    for statement in BOOKED:
        tx.execute(statement)


async def a_scene(store: Store, *, write: bool = True, **said: Any) -> Scene:
    await store.write(book)
    outside = Outside()

    async def desk(order: Order) -> Desk:
        return Desk("shop", SETTINGS, MAPPINGS, SKUS, WIDTHS, MASTERS, outside.at, {})

    flow = Changes(
        channel=ConnectorName("shop"),
        source=cast(Source[Order], outside),
        sink=cast(Sink[SalesOrder], outside),
        memory=ChangeMemory(store, "shop", "erp", lambda: outside.at),
        settings=ChangeSettings.model_validate({"doubt_seconds": DOUBT.total_seconds(), **said}),
        desk=desk,
        now=lambda: outside.at,
        amendments=cast(Amendments, outside),
        corrections=cast(Corrections, outside) if write else None,
    )
    return Scene(store, outside, flow)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Scene]:
    async with Store(tmp_path / "store.db").opened() as store:
        yield await a_scene(store)


async def test_sides_that_agree_ask_nobody(here: Scene) -> None:
    assert await here.until_done() == Done("both sides agree")
    assert here.outside.calls == []


async def test_an_order_that_is_not_booked_is_nobodys_and_one_on_its_way_is_waited_for(here: Scene) -> None:
    await here.store.write(lambda tx: tx.execute("UPDATE outbox SET state = 'accepted'"))
    verdict = await here.round()
    assert isinstance(verdict, Again)
    await here.store.write(lambda tx: tx.execute("UPDATE outbox SET state = 'rejected'"))
    assert isinstance(await here.round(), Done), "nobody waits for what a person must end"
    await here.store.write(lambda tx: tx.execute("DELETE FROM outbox"))
    assert await here.round() == Done("nothing is booked")


async def test_a_cancellation_is_asked_of_the_erp_once_and_then_both_agree(here: Scene) -> None:
    here.outside.order = cancelled(the_order())
    assert await here.until_done() == Done("both sides agree")
    assert here.outside.calls == ["correct"]
    assert await here.incidents() == []


async def test_without_a_write_a_cancellation_is_a_persons_until_the_erp_shows_it(tmp_path: Path) -> None:
    async with Store(tmp_path / "store.db").opened() as store:
        here = await a_scene(store, write=False)
        here.outside.order = cancelled(the_order())
        assert await here.until_done() == Done("a person's")
        assert await here.incidents() == ["cancelled_not_stopped"]
        assert await here.erp_shows(dress=(2, 2, 0, 0), skirt=(1, 1, 0, 0))
        assert await here.until_done() == Done("both sides agree")
        assert await here.incidents() == []


async def test_what_the_erp_refuses_is_a_persons_in_its_words_and_asked_again_only_when_a_side_moves(
    here: Scene,
) -> None:
    here.outside.order, here.outside.fates = cancelled(the_order()), ["refused"]
    assert await here.until_done() == Done("a person's")
    row = await here.store.read.row("SELECT text FROM incidents")
    assert "2 are picked" in row["text"] if row else False
    assert await here.until_done() == Done("a person's")
    assert here.outside.calls == ["correct"]
    await here.erp_shows(dress=(2, 0, 2, 0))
    assert await here.until_done() == Done("a person's")
    assert here.outside.calls == ["correct", "correct"]
    assert await here.incidents() == ["cancelled_not_stopped"]


@pytest.mark.parametrize("fate", ["answer lost", "never arrived", "broke off"])
async def test_a_request_without_an_answer_is_waited_for(here: Scene, fate: str) -> None:
    here.outside.order, here.outside.fates = cancelled(the_order()), [fate]
    began = here.outside.at
    if fate == "broke off":
        with pytest.raises(RuntimeError):
            await here.round()
    else:
        assert isinstance(await here.round(), Again)
    assert await here.until_done() == Done("both sides agree")
    assert here.outside.at >= began + DOUBT
    assert here.outside.calls == (["correct"] if fate != "never arrived" else ["correct", "correct"])


async def test_a_request_is_waited_for_as_long_as_the_erps_gateway_may_hold_it(here: Scene) -> None:
    here.outside.rules = PostingRules(max_request=10 * DOUBT)
    here.outside.order, here.outside.fates, began = cancelled(the_order()), ["never arrived"], here.outside.at
    await here.until_done()
    assert here.outside.at >= began + 10 * DOUBT


async def test_what_was_under_way_when_the_process_ended_is_in_doubt(here: Scene) -> None:
    here.outside.order = cancelled(the_order())
    await here.flow.memory.begin(1, "erp", "correct", "cancel", "x")
    assert await here.store.write(lambda tx: changing.recover(tx, now=here.outside.at)) == 1
    assert isinstance(await here.round(), Again)
    assert here.outside.calls == []
    assert await here.until_done() == Done("both sides agree")


async def test_an_erp_that_takes_no_calls_closes_no_channel(here: Scene) -> None:
    here.outside.fates = ["closed"]
    assert isinstance(await here.round(), Again)
    here.outside.fates = ["takes no calls"]
    here.outside.order = cancelled(the_order())
    assert isinstance(await here.round(), Again)
    assert await here.until_done() == Done("both sides agree")


async def test_an_order_that_the_erp_cancelled_is_cancelled_in_the_shop_and_its_money_is_due(here: Scene) -> None:
    await here.until_done()
    assert await here.erp_shows(dress=(2, 2, 0, 0), skirt=(1, 1, 0, 0))
    assert await here.until_done() == Done("a person's")
    assert here.outside.calls == ["cancel"]
    assert await here.incidents() == ["refund_due"]
    assert here.outside.order is not None
    paid = (*here.outside.order.tenders, tender("card", "200.00", TenderKind.REFUNDED))
    here.outside.order = here.outside.order.model_copy(update={"tenders": paid})
    assert await here.until_done() == Done("both sides agree")
    assert await here.incidents() == []


async def test_an_answer_that_comes_to_nothing_is_a_persons_in_the_end(here: Scene) -> None:
    here.outside.fates = ["says so"] * 9
    await here.erp_shows(dress=(2, 1, 0, 0))
    assert await here.until_done() == Done("a person's")
    assert here.outside.calls == ["reduce"] * 3


async def test_what_may_not_be_asked_for_is_a_persons_and_said(here: Scene) -> None:
    here.flow.may_correct = lambda: "erp.changes is not confirmed"
    here.outside.order = cancelled(the_order())
    assert await here.until_done() == Done("a person's")
    assert here.outside.calls == []
    here.flow.may_correct = lambda: ""
    assert await here.until_done() == Done("both sides agree")


async def test_another_address_is_carried_without_a_word_of_it(here: Scene) -> None:
    here.outside.order = the_order(ship_to=ELSEWHERE)
    assert await here.until_done() == Done("both sides agree")
    assert here.outside.calls == ["correct"]
    kept = await here.store.read.rows("SELECT data FROM events UNION ALL SELECT what FROM asked_changes")
    assert not [row for row in kept if ELSEWHERE.address1 in row[0]]


async def test_picking_and_shipping_are_no_change_unless_the_sides_differ(here: Scene) -> None:
    await here.until_done()
    assert not await here.erp_shows(dress=(2, 0, 2, 0))
    assert not await here.erp_shows(dress=(2, 0, 2, 2))
    here.outside.order = with_pieces(the_order(), skirt=3)
    await here.until_done()
    assert await here.incidents() == ["order_differs"]
    assert await here.erp_shows(dress=(2, 0, 2, 2), skirt=(1, 0, 1, 0))


async def test_what_a_person_agrees_to_is_told_again_only_when_it_is_another(here: Scene) -> None:
    here.outside.order = with_pieces(the_order(), skirt=3)
    await here.until_done()
    await here.agrees()
    assert await here.incidents() == []
    await here.until_done()
    assert await here.incidents() == []
    here.outside.order = with_pieces(the_order(), skirt=2)
    await here.until_done()
    assert await here.incidents() == ["order_differs"]


async def test_an_order_that_cannot_be_read_is_a_persons(here: Scene) -> None:
    here.outside.fates = ["nonsense"]
    assert await here.round() == Done("a person's")
    assert await here.incidents() == ["order_differs"]
    here.outside.fates = []
    assert await here.until_done() == Done("both sides agree")
    assert await here.incidents() == []


async def test_another_document_under_the_same_reference_is_not_ours(here: Scene) -> None:
    """A person cancels the double, as the runbook says: the shop's order stands."""
    await here.until_done()
    assert here.outside.held is not None
    lines = held_lines({DRESS: (2, 2, 0, 0), SKIRT: (1, 1, 0, 0)})
    double = here.outside.held.model_copy(update={"number": "0100002", "lines": lines})
    here.outside.at += timedelta(seconds=1)
    assert not await here.store.write(lambda tx: changing.see(tx, "erp", 1, double, now=here.outside.at))
    assert await here.until_done() == Done("both sides agree")
    assert here.outside.calls == []


async def test_a_cancellation_is_not_lost_where_a_cache_of_the_shop_shows_the_order_as_it_was(here: Scene) -> None:
    newer = cancelled(the_order())
    kept = Document(Noun("orders"), REF, BEGIN + timedelta(seconds=9), BEGIN, b"")
    await here.store.write(lambda tx: inbox.keep(tx, "shop", [kept]))
    here.outside.kept = newer
    assert await here.until_done() == Done("both sides agree")
    assert here.outside.calls == ["correct"]


async def test_what_the_erp_does_not_show_after_it_was_asked_is_a_persons_in_the_end(here: Scene) -> None:
    here.outside.order, here.outside.fates = cancelled(the_order()), ["says so"]
    await here.round()
    held, here.outside.held = here.outside.held, None
    assert await here.until_done() == Done("a person's")
    assert await here.incidents() == ["order_differs"]
    here.outside.held = held
    assert await here.until_done() == Done("both sides agree")


async def test_an_order_that_is_gone_is_never_cancelled_in_the_erp(here: Scene) -> None:
    here.outside.order = None
    assert await here.until_done() == Done("a person's")
    assert (here.outside.calls, await here.incidents()) == ([], ["cancelled_not_stopped"])


async def test_another_order_under_the_same_id_changes_nothing(here: Scene) -> None:
    await here.store.write(lambda tx: tx.execute("UPDATE orders SET created_at = ?", (stamp(CREATED),)))
    assert await here.until_done() == Done("both sides agree")
    here.outside.order = cancelled(the_order(created=CREATED + timedelta(days=1)))
    assert await here.until_done() == Done("another order stands under its id")
    assert here.outside.calls == []


async def test_a_side_that_stays_busy_ends_no_incident(here: Scene) -> None:
    here.outside.order, here.outside.fates = cancelled(the_order()), ["refused"]
    await here.until_done()
    await here.erp_shows(dress=(2, 0, 1, 0))
    here.outside.fates = ["busy"] * 3
    assert isinstance(await here.round(), Again)
    assert await here.incidents() == ["cancelled_not_stopped"]


async def test_what_stays_undone_for_long_is_a_persons(here: Scene) -> None:
    here.outside.order, here.outside.fates = cancelled(the_order()), ["busy"] * 9
    for attempts in range(1, 6):
        assert isinstance(await here.round(attempts), Again)
    assert await here.incidents() == ["cancelled_not_stopped"]


async def test_what_the_erp_changed_before_it_was_first_seen_is_compared(here: Scene) -> None:
    assert not await here.erp_shows()
    await here.store.write(lambda tx: tx.execute("DELETE FROM held_orders"))
    assert await here.erp_shows(dress=(2, 1, 0, 0))


async def test_an_order_without_goods_that_is_cancelled_is_a_persons(here: Scene) -> None:
    await here.store.write(lambda tx: tx.execute("DELETE FROM booked_rows"))
    assert await here.until_done() == Done("nothing to compare")
    here.outside.order = cancelled(the_order())
    assert await here.until_done() == Done("a person's")
    assert await here.incidents() == ["order_differs"]


async def test_what_was_refunded_before_it_was_booked_as_sold_is_no_change(here: Scene) -> None:
    await here.store.write(lambda tx: tx.execute("UPDATE booked_rows SET wanted = 1 WHERE upc = ?", (DRESS,)))
    here.outside.order = with_pieces(the_order(), dress=1)
    assert await here.until_done() == Done("both sides agree")
    here.outside.order = with_pieces(the_order(), dress=0)
    assert await here.until_done() == Done("both sides agree")
    assert here.outside.held is not None
    assert [line.cancelled for line in here.outside.held.lines] == [1, 0]


async def test_an_order_is_marked_once(tmp_path: Path) -> None:
    async with Store(tmp_path / "store.db").opened() as store:
        here = await a_scene(store, mark="in BlueCherry")
        await here.until_done()
        await here.until_done()
        assert here.outside.calls == ["mark"]


FATES = st.lists(st.sampled_from(["answer lost", "never arrived", "busy", "broke off"]), max_size=4)
CHANGED: dict[str, Callable[[Order], Order]] = {
    "cancelled": cancelled,
    "one dress": lambda sold: with_pieces(sold, dress=1),
    "no skirt": lambda sold: with_pieces(sold, skirt=0),
    "as it was": lambda sold: sold,
}


@given(FATES, st.sampled_from(sorted(CHANGED)), st.sampled_from([0, 1, 2]))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_however_requests_end_both_sides_agree_in_the_end(
    tmp_path_factory: pytest.TempPathFactory, fates: list[str], change: str, cancelled_in_erp: int
) -> None:
    async with Store(tmp_path_factory.mktemp("changes") / "store.db").opened() as store:
        here = await a_scene(store, pieces="channel")
        await here.until_done()
        await here.erp_shows(dress=(2, cancelled_in_erp, 0, 0))
        here.outside.order, here.outside.fates = CHANGED[change](the_order()), list(fates)
        for _ in range(len(fates) + 1):
            try:
                await here.until_done(20)
            except RuntimeError:
                continue
        lines = {row.line_seq: row for row in here.outside.held.lines} if here.outside.held else {}
        assert here.outside.order is not None
        wanted = {line.sku: 0 if here.outside.order.cancelled else line.quantity for line in here.outside.order.lines}
        problems = await here.incidents()
        if "order_differs" not in problems:
            assert {one.upc: one.quantity - one.cancelled for one in lines.values()} == wanted
        else:  # only where the ERP cancelled what the shop has more of than it
            assert (change, cancelled_in_erp) == ("one dress", 2)


assert BEGIN.replace(year=2100) > CREATED


async def test_an_order_of_which_nothing_sent_is_kept_is_compared_by_its_pieces(here: Scene) -> None:
    await here.store.write(lambda tx: tx.execute("UPDATE outbox SET body = x''"))
    here.outside.order = the_order(ship_to=ELSEWHERE)
    assert await here.until_done() == Done("both sides agree")
    here.outside.order = cancelled(the_order())
    await here.until_done()
    assert here.outside.calls == ["correct"]
