"""What erasing takes, what it leaves, and that nothing of it comes back. In every byte: tests/e2e/test_keeping.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from bcbridge.house.erasure import Erasure, _erase_some
from bcbridge.model.acts import Refusal
from bcbridge.model.documents import Document
from bcbridge.model.ids import Noun, Ref
from bcbridge.model.outcome import Never
from bcbridge.model.person import Whose
from bcbridge.model.standing import Facts
from bcbridge.store import erase, inbox, orders
from tests.runtime.kit import CHANNEL, Bench, bench, ref_of

THEIRS = Whose(email="jane@example.com")
NEVER = Never(code="cancelled", text="Cancelled.")


@pytest.fixture
async def b(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(tmp_path) as made:
        yield made


async def kept(b: Bench, number: int) -> int:
    """Keep the order's document as its channel would send it again; returns how many were kept."""
    ref, now = (await b.store.read.rows("SELECT ref FROM orders WHERE id = ?", (b.ids[number],)))[0]["ref"], b.clock()
    document = Document(Noun("orders"), Ref(ref), now, now, THEIRS.trait.encode())
    return await b.store.write(lambda tx: inbox.keep(tx, CHANNEL, [document]))


async def left(b: Bench) -> tuple[int, list[bool]]:
    """Documents, and for each of our bodies whether it, or a digest of its address, is there."""
    documents = await b.store.read.rows("SELECT 1 FROM documents")
    bodies = await b.store.read.rows("SELECT body <> x'' OR cut LIKE '%@%' AS held FROM outbox ORDER BY id")
    return len(documents), [bool(row["held"]) for row in bodies]


def of(b: Bench) -> Erasure:
    return Erasure(b.store, b.clock, {CHANNEL: lambda document: frozenset({document.body.decode()})})


async def test_what_ended_goes_and_does_not_come_back_and_what_is_under_way_stays(b: Bench) -> None:
    await b.book(1)
    b.erp.post()
    await b.writer.confirm_posted()
    await b.book(2)  # accepted
    for number in (1, 2):
        assert await kept(b, number) == 1
    done = await of(b).erase(THEIRS, why="a letter", who="ops", dry_run=False)
    assert (done.matched, done.done, len(done.left_out)) == (2, 1, 1)
    assert await left(b) == (1, [False, True])
    assert await kept(b, 1) == 0, "a later read brings nothing back"
    assert await b.shown(1) == "booked"


async def test_a_customers_id_is_one_shops_and_never_means_somebody_elses_in_another(b: Bench) -> None:
    """Shops number their customers from 1: the same id is another person in each."""
    for shop in ("eu", "us"):
        facts, document = (
            Facts(Ref(f"{shop}-1")),
            Document(Noun("orders"), Ref(f"{shop}-1"), b.clock(), b.clock(), b"{}"),
        )
        await b.store.write(partial(orders.record, connector=shop, facts=facts, outcome=NEVER, now=b.clock()))
        await b.store.write(partial(inbox.keep, connector=shop, documents=[document]))
    both = Erasure(b.store, b.clock, dict.fromkeys(("eu", "us"), lambda document: frozenset({"customer/42"})))
    with pytest.raises(Refusal, match=r"write eu:ID or us:ID"):
        await both.erase(Whose(customer="42"), why="a letter", who="ops", dry_run=True)
    done = await both.erase(Whose(customer="us:42"), why="a letter", who="ops", dry_run=False)
    assert (done.matched, done.done, done.orders) == (1, 1, ("us-1",))


async def test_one_that_is_opened_again_since_it_was_looked_at_keeps_what_it_needs(b: Bench) -> None:
    await b.book(1)
    b.erp.post()
    await b.writer.confirm_posted()
    await kept(b, 1)
    rows = await b.store.write(lambda tx: erase.orders(tx, [(CHANNEL, ref_of(1))]))
    await b.store.write(lambda tx: tx.execute("UPDATE outbox SET state = 'in_doubt'"))
    await b.store.write(partial(_erase_some, rows=rows, who="ops", now=b.clock()))
    assert await left(b) == (1, [True])
