"""An order is counted the moment it is looked at; what becomes of it moves its pieces, and nothing else does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from bcbridge.errors import OpenCircuit
from bcbridge.model.answers import Doubtful, Rejected
from bcbridge.model.ids import Ref
from bcbridge.model.order import PaymentStatus
from bcbridge.model.work import Again, Done
from bcbridge.store import acts
from tests.flows.at_hand import DRESS, HOME, SHIRT, line
from tests.flows.scene import Scene, scene
from tests.runtime.kit import answers, raises, until


@pytest.fixture
async def s(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path) as made:
        yield made


async def test_it_is_known_then_sent_then_posted(s: Scene) -> None:
    ref = s.shop.put(s.sold(said={"lines": (line(DRESS, "80.00", 2),)}))
    assert await s.look_only(ref) == [Done("counted")]
    assert await s.demand() == {"known": 2}
    await s.look(ref)
    assert await s.demand() == {"sent": 2}
    s.b.erp.post()
    await s.b.writer.confirm_posted()
    assert await s.demand() == {"posted": 2}


async def test_a_look_for_the_count_hands_nothing_over_and_judges_nothing(s: Scene) -> None:
    await s.look_only(s.shop.put(s.sold()))
    assert s.b.erp.calls == []
    assert await s.b.store.read.rows("SELECT 1 FROM orders") == []


async def test_it_counts_while_the_erp_cannot_be_reached(s: Scene) -> None:
    s.b.erp.manners = [raises(OpenCircuit("no answer"))]
    await s.look(s.shop.put(s.sold(5001)))
    await s.look(s.shop.put(s.sold(5002)))
    assert (await s.demand(5001), await s.demand(5002)) == ({"sent": 1}, {"known": 1})


async def test_it_counts_while_others_wait_to_be_handed_over(s: Scene) -> None:
    ref = s.shop.put(s.sold())
    async with anyio.create_task_group() as tasks, s.flow.handing_over, s.flow.handing_over:
        tasks.start_soon(s.look, ref)
        await until(lambda: _is_counted(s))
    assert await s.demand() == {"sent": 1}


async def _is_counted(s: Scene) -> bool:
    return await s.demand() == {"known": 1}


async def test_what_the_look_held_is_booked_from_without_another_fetch(s: Scene) -> None:
    made = s.sold()
    ref = s.shop.put(made)
    await s.look_only(ref, wanted=made.modified)
    await s.look(ref, wanted=made.modified)
    assert (s.shop.fetched, s.b.erp.sent()) == ([[ref]], ["SU5001P1G1"])


async def test_what_was_fetched_within_its_own_second_is_counted_once_and_fetched_anew_to_be_booked(s: Scene) -> None:
    made = s.sold()
    now = s.b.clock()
    ref = s.shop.put(made, modified=now)
    for _ in range(2):
        await s.look_only(ref, wanted=now)
    assert len(s.shop.fetched) == 1
    s.b.clock.tick(2)
    await s.look(ref, wanted=now)
    assert len(s.shop.fetched) == 2


async def test_blocked_it_counts_until_a_person_skips_it(s: Scene) -> None:
    made = s.sold(said={"payment": PaymentStatus.PARTIALLY_REFUNDED})
    ref = s.shop.put(made)
    await s.look(ref)
    row = await s.row()
    assert (row["state"], await s.demand()) == ("blocked", {"known": 1})
    await s.b.store.write(lambda tx: acts.skip(tx, row["id"], who="ops", why="by hand", now=s.b.clock()))
    assert await s.demand() == {}
    s.change(made)
    await s.look(ref)
    assert await s.demand() == {}, "it is still skipped"


async def test_refused_by_the_erp_it_is_known_again_with_every_part_that_was_held_up(s: Scene) -> None:
    s.b.erp.manners = [answers(Rejected(("no such season",)))]
    ref = s.shop.put(s.sold(said={"lines": (line(DRESS, "80.00"), line(SHIRT, "40.00"))}))
    await s.look(ref)
    assert await s.demand() == {"known": 2}


async def test_in_doubt_it_is_sent_until_it_is_found(s: Scene) -> None:
    s.b.erp.manners = [answers(Doubtful("no answer"), kept=True)]
    await s.look(s.shop.put(s.sold()))
    assert await s.demand() == {"sent": 1}
    s.b.erp.post()
    await s.b.writer.confirm_posted()
    assert await s.demand() == {"posted": 1}


async def test_cancelled_while_it_is_accepted_it_counts_until_the_erp_decides(s: Scene) -> None:
    made = s.sold()
    await s.look(s.shop.put(made))
    await s.look_only(s.change(made, cancelled=s.b.clock()))
    assert await s.demand() == {"sent": 1}
    s.b.erp.post()
    await s.b.writer.confirm_posted()
    assert await s.demand() == {"posted": 1}


async def test_an_edit_of_a_booked_order_is_counted_and_told_in_words_by_the_look_that_saw_it(s: Scene) -> None:
    made = await s.book()
    ref = s.change(made, lines=(line(DRESS, "80.00", 3),), ship_to=HOME.model_copy(update={"city": "Newark"}))
    await s.look_only(ref)
    await s.look(ref)
    assert await s.demand() == {"posted": 1, "known": 2}
    told = [data["changes"] for kind, data in await s.events() if kind == "changed_after_booking"]
    assert len(told) == 1
    assert "ship-to address changed" in told[0]


async def test_gone_from_the_channel_it_counts_no_more(s: Scene) -> None:
    unpaid = s.sold(said={"payment": PaymentStatus.AUTHORISED})
    ref = s.shop.put(unpaid)
    await s.look_only(ref)
    assert await s.demand() == {"known": 1}
    del s.shop.held[ref]
    s.b.clock.tick(120)
    await s.look(ref, attempts=9)
    assert await s.demand() == {}


async def test_one_that_reads_no_more_is_counted_as_it_was_known(s: Scene) -> None:
    await s.look_only(s.shop.put(s.sold()))
    s.b.clock.tick(120)
    await s.look(s.shop.put_nonsense(5001, s.b.clock() - timedelta(seconds=10)))
    assert await s.demand() == {"known": 1}


async def test_a_read_that_is_older_than_announced_counts_nothing(s: Scene) -> None:
    made = s.sold()
    ref = s.shop.put(made)
    (verdict,) = await s.look_only(ref, wanted=made.modified + timedelta(seconds=60))
    assert isinstance(verdict, Again)
    assert await s.demand() == {}


async def test_another_order_under_the_id_of_a_booked_one_changes_nothing(s: Scene) -> None:
    made = await s.book()
    ref = s.change(made, created=s.b.clock(), lines=(line(DRESS, "80.00", 5),))
    await s.look_only(ref)
    assert await s.demand() == {"posted": 1}


async def test_a_variant_that_is_mapped_later_counts_from_then_on(s: Scene) -> None:
    nameless = line("", "80.00", barcode=None, variant=Ref("v1"))
    ref = s.shop.put(s.sold(said={"lines": (nameless,)}))
    await s.look(ref)
    assert await s.demand() == {}
    s.mappings[0] = s.mappings[0].with_value("skus", "shop", "variant/v1", DRESS)
    await s.look(ref)
    assert await s.demand() == {"sent": 1}


@dataclass
class Listening:
    """Hears which looks are counted as second ones."""

    memory: Any
    again: list[bool] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.memory, name)

    async def count(self, some: Any, gone: Any) -> None:
        self.again.extend(one.again for one in some)
        await self.memory.count(some, gone)


@pytest.fixture
def heard(s: Scene) -> list[bool]:
    s.flow.memory = listening = Listening(s.flow.memory)
    return listening.again


async def test_a_second_look_under_the_same_stamp_is_known_for_one(s: Scene, heard: list[bool]) -> None:
    made = s.sold(said={"payment": PaymentStatus.AUTHORISED})
    ref = s.shop.put(made)
    await s.look_only(ref, wanted=made.modified)
    s.b.clock.tick(120)
    await s.look(ref, wanted=made.modified)
    await s.look_only(s.change(made), wanted=None)
    assert heard == [False, True, False]


async def test_what_another_look_has_fetched_and_not_counted_yet_is_no_second_one(s: Scene, heard: list[bool]) -> None:
    """Two edits that came to nothing may have stood around a blind write: whoever counts first must say so."""
    made = s.sold(said={"payment": PaymentStatus.AUTHORISED})
    ref = s.shop.put(made)
    await s.look_only(ref, wanted=made.modified)
    s.change(made)
    await s.flow.memory.keep(await s.shop.fetch([ref]))
    await s.look_only(ref, wanted=s.shop.stamps[ref])
    assert heard == [False, False]
