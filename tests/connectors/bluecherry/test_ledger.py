"""The ledger's formulas: the documented example, and that they are sums: what is booked twice counts twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bcbridge.connectors.bluecherry.ledger import COMPONENTS, Numbers, numbers

EXAMPLE = {
    "sa": 100,
    "rt": 5,
    "r1": 40,
    "r2": 2,
    "in": 30,
    "cm": 0,
    "pk": 10,
    "rs": 3,
    "op": 12,
    "dm": 0,
    "st": 20,
    "rv": 8,
    "ri": 4,
    "rp": 1,
    "ro": 2,
}
COLUMNS = st.lists(st.integers(-10_000, 10_000), min_size=len(COMPONENTS), max_size=len(COMPONENTS))


def reckoned(**components: int) -> Numbers:
    return numbers([components.get(name, 0) for name in COMPONENTS])


def test_the_worked_example() -> None:
    assert reckoned(**EXAMPLE) == Numbers(qoh=121, qoh_minus_pick=111, ots=92, ots_wip=113)


@given(COLUMNS, COLUMNS, st.integers(-5, 5))
def test_the_numbers_of_two_ledgers_are_their_sums(one: list[int], other: list[int], times: int) -> None:
    both = [a + times * b for a, b in zip(one, other, strict=True)]
    expected = [a + times * b for a, b in zip(numbers(one), numbers(other), strict=True)]
    assert list(numbers(both)) == expected


def test_an_order_on_its_way_out_leaves_ots_alone_and_qoh_falls_at_the_invoice() -> None:
    open_, picked, invoiced = (reckoned(sa=10, **{step: 2}) for step in ("op", "pk", "in"))
    assert [one.ots for one in (open_, picked, invoiced)] == [8, 8, 8]
    assert [one.qoh for one in (open_, picked, invoiced)] == [10, 10, 8]
    assert [one.qoh_minus_pick for one in (open_, picked, invoiced)] == [10, 8, 8]


def test_a_return_is_open_to_sell_at_once_and_work_in_progress_in_the_third_number_alone() -> None:
    assert reckoned(rt=1) == Numbers(1, 1, 1, 1)
    assert reckoned(st=5) == Numbers(0, 0, 0, 5)
    assert reckoned(op=3).ots == -3
