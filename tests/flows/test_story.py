"""The orders story, step by step: on a real store and writer, with a channel and an ERP in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from bcbridge.mappings import Mappings
from bcbridge.model.answers import Doubtful, Rejected
from bcbridge.model.ids import Ref
from bcbridge.model.order import PaymentStatus
from bcbridge.model.work import Again, Done
from bcbridge.store import acts, incidents, queue, releases
from bcbridge.store.queue import Wish
from tests.flows.at_hand import DRESS, HOME, LONDON, MAPPINGS, SHIRT, line
from tests.flows.scene import OLD, Scene, scene
from tests.runtime.kit import CHANNEL, accepts, answers, until


@pytest.fixture
async def s(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path) as made:
        yield made


# -- the plain way ---------------------------------------------------------------------------------------------


async def test_a_paid_order_is_handed_over(s: Scene) -> None:
    assert await s.look(s.shop.put(s.sold())) == [Done("handed over")]
    assert s.b.erp.sent() == ["SU5001P1G1"]
    row = await s.row()
    assert (row["state"], row["name"], row["currency"], row["total"]) == ("accepted", "#5001", "USD", "80.00")


async def test_many_are_looked_at_in_one_call(s: Scene) -> None:
    refs = [s.shop.put(s.sold(number)) for number in range(5001, 5006)]
    await s.look(*refs)
    assert s.shop.fetched == [refs]
    assert len(s.b.erp.calls) == 5


async def test_while_some_hand_over_others_look_and_what_grew_old_meanwhile_is_fetched_again(s: Scene) -> None:
    made = s.sold()
    ref = s.shop.put(made)
    async with anyio.create_task_group() as tasks, s.flow.handing_over, s.flow.handing_over:
        tasks.start_soon(s.look, ref)
        await until(lambda: len(s.shop.fetched) == 1)
        s.change(made, payment=PaymentStatus.PENDING, outstanding=made.total)
        s.b.clock.tick(1)
    assert s.shop.fetched == [[ref], [ref]]
    assert (s.b.erp.sent(), (await s.row())["state"]) == ([], "not_yet")


async def test_two_divisions_are_two_parts(s: Scene) -> None:
    await s.look(s.shop.put(s.sold(said={"lines": (line(DRESS, "80.00"), line(SHIRT, "40.00"))})))
    assert s.b.erp.sent() == ["SU5001P1G1", "SU5001P2G1"]


async def test_looking_again_books_nothing_again(s: Scene) -> None:
    ref = s.shop.put(s.sold())
    for _ in range(3):
        await s.look(ref)
    assert s.b.erp.sent() == ["SU5001P1G1"]


# -- malformed, gone -------------------------------------------------------------------------------------------


async def test_a_nonsense_document_is_blocked_and_its_neighbours_go_on(s: Scene) -> None:
    first, odd, last = (
        s.shop.put(s.sold(5001)),
        s.shop.put_nonsense(5002, s.b.clock() - OLD),
        s.shop.put(s.sold(5003)),
    )
    assert await s.look(first, odd, last) == [Done("handed over"), Done("blocked"), Done("handed over")]
    assert await s.codes(5002) == ["malformed"]
    assert s.b.erp.sent() == ["SU5001P1G1", "SU5003P1G1"]


async def test_its_raw_bytes_are_kept(s: Scene) -> None:
    ref = s.shop.put_nonsense(5002, s.b.clock() - OLD)
    await s.look(ref)
    assert (await s.flow.memory.documents([ref]))[ref].body == b"<html>"


async def test_one_that_reads_again_is_booked(s: Scene) -> None:
    await s.look(s.shop.put_nonsense(5001, s.b.clock() - OLD))
    s.b.clock.tick(120)
    await s.look(s.shop.put(s.sold()))
    assert (await s.row())["state"] == "accepted"


async def test_a_booked_order_that_no_longer_reads_is_left_alone(s: Scene) -> None:
    await s.book()
    s.b.clock.tick(120)
    await s.look(s.shop.put_nonsense(5001, s.b.clock() - timedelta(seconds=10)))
    assert (await s.row())["state"] == "booked"


async def test_gone_before_it_was_booked_is_never(s: Scene) -> None:
    unpaid = s.sold(said={"payment": PaymentStatus.PENDING})
    ref = s.shop.put(unpaid)
    await s.look(ref)
    del s.shop.held[ref]
    s.b.clock.tick(120)
    await s.look(ref, attempts=9)
    row = await s.row()
    assert (row["state"], row["code"]) == ("never", "gone")


async def test_gone_after_it_was_booked_is_noted_once(s: Scene) -> None:
    made = await s.book()
    del s.shop.held[made.ref]
    for _ in range(2):
        s.b.clock.tick(120)
        await s.look(made.ref, attempts=9)
    assert (await s.row())["state"] == "booked"
    assert (await s.kinds()).count("changed_after_booking") == 1


async def test_announced_and_absent_is_looked_for_again_before_it_is_gone(s: Scene) -> None:
    """A list may know an order before the same system shows it."""
    ref = Ref("gid://shop/Order/5001")
    waits = [(await s.look(ref, wanted=s.b.clock() - OLD, attempts=attempt))[0] for attempt in (1, 2, 3, 4)]
    assert [verdict.after.total_seconds() for verdict in waits if isinstance(verdict, Again)] == [5, 30, 120]
    assert waits[3] == Done("gone before it was seen")


# -- stale reads -----------------------------------------------------------------------------------------------


async def test_older_than_announced_is_read_again(s: Scene) -> None:
    made = s.sold()
    ref = s.shop.put(made)
    newer = made.modified + timedelta(seconds=30)
    (verdict,) = await s.look(ref, wanted=newer)
    assert isinstance(verdict, Again)
    assert verdict.burn
    assert s.b.erp.calls == []
    s.shop.put(made, modified=newer)
    assert await s.look(ref, wanted=newer, attempts=2) == [Done("handed over")]


async def test_older_than_what_we_hold_is_read_again(s: Scene) -> None:
    """One server of theirs lags behind another."""
    held = s.sold(said={"payment": PaymentStatus.PENDING})
    await s.look(s.shop.put(held, modified=s.b.clock() - timedelta(seconds=30)))
    s.b.clock.tick(120)
    (verdict,) = await s.look(s.shop.put(s.sold(), modified=s.b.clock() - timedelta(hours=1)))
    assert isinstance(verdict, Again)
    assert s.b.erp.calls == []


async def test_what_we_hold_is_not_fetched_again_when_it_is_new_enough(s: Scene) -> None:
    made = s.sold(said={"payment": PaymentStatus.PENDING})
    ref = s.shop.put(made)
    await s.look(ref, wanted=made.modified)
    await s.look(ref, wanted=made.modified)
    assert len(s.shop.fetched) == 1


async def test_older_than_a_poll_interval_is_fetched_again_before_anything_is_booked(s: Scene) -> None:
    made = s.sold(said={"payment": PaymentStatus.PENDING})
    ref = s.shop.put(made)
    await s.look(ref, wanted=made.modified)
    s.b.clock.tick(61)
    await s.look(ref, wanted=made.modified)
    assert len(s.shop.fetched) == 2


async def test_fetched_within_its_own_second_it_is_looked_at_once_more(s: Scene) -> None:
    """Stamps are whole seconds: a second change may hide under the same one."""
    made = s.sold()
    (verdict,) = await s.look(s.shop.put(made, modified=s.b.clock()))
    assert isinstance(verdict, Again)
    assert verdict.anew
    assert s.b.erp.sent() == ["SU5001P1G1"]


# -- after booking ---------------------------------------------------------------------------------------------


async def test_a_change_after_booking_is_noted_once_in_words(s: Scene) -> None:
    made = await s.book()
    ref = s.change(made, ship_to=HOME.model_copy(update={"city": "Newark"}))
    for _ in range(3):
        await s.look(ref)
        s.b.clock.tick(120)
    told = [data["changes"] for kind, data in await s.events() if kind == "changed_after_booking"]
    assert told == [["ship-to address changed"]]
    assert s.b.erp.sent() == ["SU5001P1G1"]


async def test_a_change_while_it_is_on_its_way_is_noted_too(s: Scene) -> None:
    made = s.sold()
    await s.look(s.shop.put(made))
    await s.look(s.change(made, note="leave at the door"))
    assert (await s.kinds())[-1] == "changed_after_booking"
    assert (await s.row())["state"] == "accepted"


async def test_an_echo_is_silent(s: Scene) -> None:
    made = await s.book()
    await s.look(s.change(made, tags=("exported",)))
    assert "changed_after_booking" not in await s.kinds()


async def test_a_new_version_of_the_hash_re_baselines_in_silence(s: Scene) -> None:
    made = await s.book()
    await s.b.store.write(lambda tx: tx.execute("UPDATE orders SET content_hash = '0:old'"))
    await s.look(s.change(made, tags=("x",)))
    assert "changed_after_booking" not in await s.kinds()
    assert (await s.standing()).content_hash.startswith("1:")


# -- an id given out twice ---------------------------------------------------------------------------------------


async def test_a_new_order_under_the_id_of_a_booked_one_is_told_once_and_nothing_is_sent(s: Scene) -> None:
    """A shop restored from a backup counts on from where the backup was."""
    made = await s.book()
    ref = s.change(made, created=made.created + timedelta(minutes=7), note="another customer")
    for _ in range(3):
        assert await s.look(ref) == [Done("not booked: another order stands under its id")]
        s.b.clock.tick(120)
    assert (s.b.erp.sent(), (await s.row())["state"]) == (["SU5001P1G1"], "booked")
    assert await s.told() == [
        "#5001, created 2026-11-20 12:57:01 UTC, was not booked: its id is that of one created 2026-11-20 12:50:01 UTC"
    ]
    assert [data["code"] for kind, data in await s.events() if kind == "noted"] == ["id_reused"]


async def test_a_persons_word_on_it_holds_until_a_third_comes(s: Scene) -> None:
    made = await s.book()
    new = made.model_copy(update={"created": made.created + timedelta(minutes=7)})
    await s.look(s.change(new))
    await s.b.store.write(lambda tx: incidents.resolve(tx, 1, who="ops", why="keyed in by hand", now=s.b.clock()))
    await s.look(s.change(new, note="changed after that"))
    assert (await s.b.incidents(), (await s.kinds())[-1]) == ([], "changed_after_booking")
    await s.look(s.change(new, created=new.created + timedelta(minutes=7)))
    assert await s.b.incidents() == ["id_reused"]


async def test_a_document_that_is_not_sent_yet_is_given_up_by_a_person_and_the_new_order_booked(s: Scene) -> None:
    s.b.erp.manners = [answers(Doubtful("no answer"))]
    made = s.sold()
    await s.look(s.shop.put(made))
    await s.b.store.write(lambda tx: tx.execute("UPDATE outbox SET state = 'queued'"))
    ref = s.change(made, created=made.created + timedelta(minutes=7))
    await s.look(ref)
    assert (s.b.erp.sent(), await s.b.incidents()) == (["SU5001P1G1"], ["id_reused"])

    def rebook(tx: sqlite3.Connection) -> None:
        (part,) = acts.open_parts(tx, 1, None)
        acts.close_generation(tx, part, who="ops", now=s.b.clock())

    await s.b.store.write(rebook)
    assert await s.look(ref) == [Done("handed over")]
    assert s.b.erp.sent() == ["SU5001P1G1", "SU5001P1G2"]
    assert await s.look(ref) == [Done("left alone")]


async def test_the_rest_of_a_half_booked_order_is_not_made_of_another(s: Scene) -> None:
    s.b.erp.manners = [accepts, answers(Rejected(("no",)))]
    made = s.sold(said={"lines": (line(DRESS, "80.00"), line(SHIRT, "40.00"))})
    await s.look(s.shop.put(made))
    s.b.erp.post()
    await s.b.writer.confirm_posted()
    await s.look(s.change(made, created=made.created + timedelta(minutes=7), note="another customer"))
    assert (s.b.erp.sent(), await s.b.incidents()) == (["SU5001P1G1", "SU5001P2G1"], ["id_reused"])


async def test_under_the_id_of_a_skipped_one_it_is_told_and_booked_by_a_retry(s: Scene) -> None:
    made = s.sold(code="999999999999")
    await s.look(s.shop.put(made))
    row = await s.row()
    await s.b.store.write(lambda tx: acts.skip(tx, row["id"], who="ops", why="by hand", now=s.b.clock()))
    ref = s.change(made, created=made.created + timedelta(minutes=7), lines=(line(DRESS, "80.00"),))
    await s.look(ref)
    assert ((await s.row())["state"], await s.b.incidents()) == ("never", ["id_reused"])
    await s.b.store.write(lambda tx: acts.retry(tx, [row], who="ops", cause="retry", flow="orders", now=s.b.clock()))
    assert await s.look(ref) == [Done("handed over")]


async def test_one_that_was_not_booked_yet_is_judged_anew(s: Scene) -> None:
    made = s.sold(code="999999999999")
    await s.look(s.shop.put(made))
    ref = s.change(made, created=made.created + timedelta(minutes=7), lines=(line(DRESS, "80.00"),))
    assert await s.look(ref) == [Done("handed over")]
    assert await s.b.incidents() == []
    assert (await s.standing()).created == made.created + timedelta(minutes=7)


# -- not yet, never, blocked -----------------------------------------------------------------------------------


async def test_not_yet_looks_again_by_itself(s: Scene) -> None:
    (verdict,) = await s.look(s.shop.put(s.sold(said={"payment": PaymentStatus.PENDING})))
    assert isinstance(verdict, Again)
    assert not verdict.burn
    row = await s.row()
    assert (row["state"], row["code"]) == ("not_yet", "payment_pending")
    assert row["look_again"] is not None


async def test_a_test_order_is_never(s: Scene) -> None:
    await s.look(s.shop.put(s.sold(said={"test": True})))
    assert ((await s.row())["state"], (await s.row())["code"]) == ("never", "test")


async def test_blocked_with_every_reason_and_freed_by_the_last_cure(s: Scene) -> None:
    unknown = (line("999999999999", "80.00"), line("888888888888", "20.00"))
    ref = s.shop.put(s.sold(said={"lines": unknown}))
    await s.look(ref)
    assert await s.codes() == ["unknown_sku", "unknown_sku"]
    causes = {row["cause"] for row in await s.b.store.read.rows("SELECT cause FROM order_causes")}
    cures = {f"{way}/{upc}" for way in ("sku", "skus") for upc in ("999999999999", "888888888888")}
    assert causes == cures


async def test_the_same_reasons_again_are_no_new_event(s: Scene) -> None:
    ref = s.shop.put(s.sold(code="999999999999"))
    for _ in range(3):
        await s.look(ref)
        s.b.clock.tick(120)
    assert (await s.kinds()).count("blocked") == 1


async def test_skipped_stays_skipped_whatever_the_channel_says(s: Scene) -> None:
    made = s.sold(code="999999999999")
    ref = s.shop.put(made)
    await s.look(ref)
    order_id = (await s.row())["id"]
    await s.b.store.write(lambda tx: acts.skip(tx, order_id, who="ops", why="test", now=s.b.clock()))
    await s.look(s.change(made, note="again"))
    s.b.clock.tick(120)
    await s.look(s.shop.put_nonsense(5001, s.b.clock() - timedelta(seconds=10)))
    assert ((await s.row())["state"], (await s.row())["code"]) == ("never", "skipped")


async def test_retried_opens_it_again(s: Scene) -> None:
    ref = s.shop.put(s.sold(code="999999999999"))
    await s.look(ref)
    row = await s.row()
    await s.b.store.write(lambda tx: acts.skip(tx, row["id"], who="ops", why="test", now=s.b.clock()))
    await s.b.store.write(lambda tx: acts.retry(tx, [row], who="ops", cause="retry", flow="orders", now=s.b.clock()))
    await s.look(ref)
    assert (await s.row())["state"] == "blocked"


async def test_held_by_a_release_is_not_judged(s: Scene) -> None:
    refs = [s.shop.put(s.sold(number, code="999999999999")) for number in range(5001, 5006)]
    await s.look(*refs)
    s.b.clock.tick(120)
    await s.b.store.write(lambda tx: releases.free(tx, {"sku/999999999999"}, flow="orders", now=s.b.clock()))
    assert await s.look(refs[4]) == [Done("waits for the first of its release")]


async def test_a_cure_that_came_while_it_was_judged_is_not_missed(s: Scene) -> None:
    """Its release looked for blocked orders a moment before this one was blocked."""
    ref = s.shop.put(s.sold(code="999999999999"))
    record = s.flow.memory.record

    async def slow(*said: Any) -> int:
        s.mappings[0] = Mappings(MAPPINGS.tables)
        return await record(*said)

    @dataclass
    class SlowMemory:
        record = staticmethod(slow)

        def __getattr__(self, name: str) -> Any:
            return getattr(memory, name)

    memory = s.flow.memory
    s.flow.memory = SlowMemory()
    (verdict,) = await s.look(ref)
    assert isinstance(verdict, Again)


# -- the ERP's word --------------------------------------------------------------------------------------------


async def test_refused_stays_until_the_content_changes(s: Scene) -> None:
    s.b.erp.manners = [answers(Rejected(("no such season",)))]
    made = s.sold()
    ref = s.shop.put(made)
    await s.look(ref)
    assert ((await s.row())["state"], (await s.row())["code"]) == ("blocked", "erp_refused")
    assert await s.look(ref) == [Done("refused by the ERP as it is")]
    assert len(s.b.erp.calls) == 1
    await s.look(s.change(made, note="please"))
    assert s.b.erp.sent() == ["SU5001P1G1", "SU5001P1G1"]


async def test_or_until_a_person_retries(s: Scene) -> None:
    s.b.erp.manners = [answers(Rejected(("no such season",)))]
    ref = s.shop.put(s.sold())
    await s.look(ref)
    row = await s.row()
    await s.b.store.write(lambda tx: acts.retry(tx, [row], who="ops", cause="retry", flow="orders", now=s.b.clock()))
    await s.look(ref)
    assert len(s.b.erp.calls) == 2
    assert (await s.row())["state"] == "accepted"


async def test_a_refused_order_of_two_parts_is_made_whole_later(s: Scene) -> None:
    s.b.erp.manners = [answers(Rejected(("no such season",)))]
    made = s.sold(said={"lines": (line(DRESS, "80.00"), line(SHIRT, "40.00"))})
    await s.look(s.shop.put(made))
    await s.look(s.change(made, note="please"))
    assert s.b.erp.sent() == ["SU5001P1G1", "SU5001P1G1", "SU5001P2G1"]


async def test_ready_stays_ready_while_posting_is_closed(s: Scene) -> None:
    s.b.writer.permitted = lambda: "not confirmed"
    ref = s.shop.put(s.sold())
    (verdict,) = await s.look(ref)
    assert isinstance(verdict, Done)
    assert (await s.row())["state"] == "ready"
    s.b.writer.permitted = lambda: ""
    await s.look(ref)
    assert (await s.row())["state"] == "accepted"


async def test_what_waits_in_doubt_is_left_alone(s: Scene) -> None:
    s.b.erp.manners = [answers(Doubtful("no answer"))]
    ref = s.shop.put(s.sold())
    await s.look(ref)
    assert await s.look(ref) == [Done("left alone")]
    assert len(s.b.erp.calls) == 1


async def test_a_cut_that_would_be_another_is_blocked_for_a_person(s: Scene) -> None:
    s.b.erp.manners = [answers(Rejected(("no",)))]
    made = s.sold(said={"lines": (line(DRESS, "80.00"), line(SHIRT, "40.00"))})
    await s.look(s.shop.put(made))
    await s.b.store.write(lambda tx: tx.execute("UPDATE outbox SET state = 'posted', number = 'SO1' WHERE part = 2"))
    one = made.model_copy(update={"lines": (line(DRESS, "120.00"),)})
    await s.look(s.change(one))
    assert await s.codes() == ["cut_changed"]


async def test_addresses_that_change_places_under_a_part_on_its_way_are_blocked_for_a_person(s: Scene) -> None:
    """Else the same pieces would go to one address twice, and to the other never."""
    s.b.erp.manners = [accepts, answers(Rejected(("no",)))]
    ours, theirs = line(DRESS, "80.00", ref=Ref("1")), line(DRESS, "80.00", ref=Ref("2"), ship_to=LONDON)
    made = s.sold(said={"lines": (ours, theirs)})
    await s.look(s.shop.put(made))
    s.b.erp.post()
    await s.b.writer.confirm_posted()
    there, here = (one.model_copy(update={"ship_to": to}) for one, to in ((ours, LONDON), (theirs, None)))
    await s.look(s.change(made, lines=(there, here)))
    assert (s.b.erp.sent(), await s.codes()) == (["SU5001P1G1", "SU5001P2G1"], ["cut_changed"])


async def test_an_address_that_is_corrected_changes_no_cut(s: Scene) -> None:
    s.b.erp.manners = [accepts, answers(Rejected(("no",)))]
    ours, theirs = line(DRESS, "80.00", ref=Ref("1")), line(DRESS, "80.00", ref=Ref("2"), ship_to=LONDON)
    made = s.sold(said={"lines": (ours, theirs)})
    await s.look(s.shop.put(made))
    s.b.erp.post()
    await s.b.writer.confirm_posted()
    right = theirs.model_copy(update={"ship_to": LONDON.model_copy(update={"address1": "2 Other Street"})})
    await s.look(s.change(made, lines=(ours, right), ship_to=HOME.model_copy(update={"city": "Newark"})))
    assert s.b.erp.sent() == ["SU5001P1G1", "SU5001P2G1", "SU5001P2G1"]


async def test_a_cancelled_order_with_a_part_in_the_erp_is_blocked_not_never(s: Scene) -> None:
    s.b.erp.manners = [answers(Rejected(("no",)))]
    made = s.sold(said={"lines": (line(DRESS, "80.00"), line(SHIRT, "40.00"))})
    await s.look(s.shop.put(made))
    await s.b.store.write(lambda tx: tx.execute("UPDATE outbox SET state = 'posted', number = 'SO1' WHERE part = 2"))
    await s.look(s.change(made, cancelled=s.b.clock()))
    assert (await s.row())["state"] == "blocked"
    assert await s.codes() == ["partly_booked"]


async def test_a_part_to_be_booked_anew_is_made_although_the_other_stands(s: Scene) -> None:
    made = await s.book(lines=(line(DRESS, "80.00"), line(SHIRT, "40.00")))
    await s.b.store.write(lambda tx: tx.execute("UPDATE outbox SET state = 'closed' WHERE part = 1"))
    await s.b.store.write(lambda tx: tx.execute("UPDATE orders SET state = 'ready'"))
    await s.look(made.ref)
    assert s.b.erp.sent() == ["SU5001P1G1", "SU5001P2G1", "SU5001P1G2"]


# -- cost ------------------------------------------------------------------------------------------------------


async def test_a_batch_asks_the_store_for_all_its_skus_together_to_count_and_to_judge(s: Scene) -> None:
    def unit(tx: sqlite3.Connection) -> None:
        queue.enqueue(tx, [Wish("orders", CHANNEL, "1", s.b.clock())], now=s.b.clock())

    await s.b.store.write(unit)
    asked: list[set[str]] = []
    skus = s.flow.memory.skus

    @dataclass
    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(memory, name)

        async def skus(self, upcs: Any) -> Any:
            asked.append(set(upcs))
            return await skus(upcs)

    memory = s.flow.memory
    s.flow.memory = Counting()
    await s.look(*(s.shop.put(s.sold(number, code)) for number, code in ((5001, DRESS), (5002, SHIRT))))
    assert asked == [{DRESS, SHIRT}] * 2
