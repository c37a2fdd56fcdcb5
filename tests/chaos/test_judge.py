"""The judge finds what it is there to find: books made by hand, each with one thing wrong."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.judge import Files, Verdict, judge
from tests.chaos.plan import RANDOM, Plan
from tests.chaos.run import Outcome
from tests.e2e.shops import SHOPIFY
from tests.e2e.sold import Record, Sold

DRESS, SKIRT = "040123000013", "040123000020"


def sold(number: int, **said: Any) -> Sold:
    """A paid order of one dress and two skirts: 28.00 + 2 x 10.50, tax 3.10, freight 7.95."""
    goods, total = {DRESS: 1, SKIRT: 2}, Decimal("60.05")
    usual: dict[str, Any] = {
        "id": str(number),
        "name": f"#{number}",
        "currency": "USD",
        "total": total,
        "at_first": total,
        "goods": goods,
        "goods_at_first": goods,
        "paid": True,
        "status": "PAID",
        "spoilt": (),
        "later": (),
        "cancelled": False,
        "test": False,
        "no_order": False,
    }
    return Sold(**{**usual, **said})


def held(
    number: int,
    *,
    generation: int = 1,
    part: int = 1,
    skirts: int = 2,
    tax: str = "3.10",
    left: int = 0,
    cancelled: int = 0,
) -> dict[str, Any]:
    """What the ERP holds of it; ``left`` and ``cancelled`` are of its skirts, and of its dress where they are two."""
    rows = [
        {"upc": DRESS, "ord_qty": 1, "price": "28.00", "inv_qty": left // 2, "cxl_qty": cancelled // 2},
        {"upc": SKIRT, "ord_qty": skirts, "price": "10.50", "inv_qty": left, "cxl_qty": cancelled},
    ]
    return {
        "po_num": f"SUS{number}P{part}G{generation}",
        "altpo": f"#{number}",
        "curr_code": "USD",
        "tax_amt": tax,
        "frgt_amt": "7.95",
        "orderdetail": {"rows": rows},
    }


def judged(
    folder: Path,
    orders: Sequence[Sold],
    documents: Sequence[Record],
    *,
    served: Sequence[int] = (),
    blocked: dict[str, str] | None = None,
    named: Sequence[str] = (),
) -> Verdict:
    files = Files.opened(folder / "judge.db")
    files.put_documents(documents)
    files.put_served(SHOPIFY, [{"orderId": number} for number in served])
    groups = [{"code": code, "orders": 1, "names": [name]} for name, code in (blocked or {}).items()]
    files.put_blocked(SHOPIFY, {"groups": groups})
    files.index()
    return judge(files, [(SHOPIFY, order) for order in orders], {(SHOPIFY.connection, name) for name in named})


def found(verdict: Verdict) -> tuple[int, int, int]:
    return verdict["lost"], verdict["doubled"], verdict["wrong"]


def test_an_order_booked_once_and_to_the_cent_is_fine(tmp_path: Path) -> None:
    verdict = judged(tmp_path, [sold(1), sold(2)], [held(1), held(2)])
    assert verdict.clean
    assert (verdict["sold"], verdict["booked"], verdict.share_booked) == (2, 2, 1.0)


def test_a_paid_order_that_is_nowhere_is_lost(tmp_path: Path) -> None:
    assert found(judged(tmp_path, [sold(1), sold(2)], [held(2)])) == (1, 0, 0)


def test_an_order_booked_twice_is_doubled_also_under_another_generation(tmp_path: Path) -> None:
    assert found(judged(tmp_path, [sold(1)], [held(1), held(1)])) == (0, 1, 0)
    assert found(judged(tmp_path, [sold(1)], [held(1), held(1, generation=2)])) == (0, 1, 0)


def test_a_cent_or_a_piece_too_many_is_wrong(tmp_path: Path) -> None:
    assert found(judged(tmp_path, [sold(1)], [held(1, tax="3.11")])) == (0, 0, 1)
    assert judged(tmp_path, [sold(1)], [held(1, skirts=3)])["wrong"] >= 1


def test_a_part_alone_is_wrong(tmp_path: Path) -> None:
    assert judged(tmp_path, [sold(1)], [held(1, part=2)])["wrong"] >= 1


def test_cancelled_before_it_was_served_as_paid_it_must_be_absent(tmp_path: Path) -> None:
    gone = sold(1, cancelled=True, paid=False, status="REFUNDED")
    assert judged(tmp_path, [gone], []).clean
    stopped = held(1, cancelled=2)
    assert found(judged(tmp_path, [gone], [stopped])) == (0, 0, 1)
    assert judged(tmp_path, [gone], [stopped], served=[1]).clean, "booked while it was paid; it stands as it was sold"
    assert judged(tmp_path, [gone], [], served=[1]).clean, "cancelled before it was booked"


def test_every_piece_that_left_is_shown_as_sent_once_or_a_person_knows(tmp_path: Path) -> None:
    gone = [held(1, left=2)]
    assert judged(tmp_path, [sold(1, left={DRESS: 1, SKIRT: 2})], gone).clean
    assert found(judged(tmp_path, [sold(1, left={DRESS: 1, SKIRT: 1})], gone)) == (1, 0, 0)
    assert judged(tmp_path, [sold(1, left={SKIRT: 1})], gone, named=["#1"]).clean
    assert found(judged(tmp_path, [sold(1, left={DRESS: 1, SKIRT: 3})], gone, named=["#1"])) == (0, 1, 0)
    assert found(judged(tmp_path, [sold(1, left={SKIRT: 1})], [held(1)])) == (0, 1, 0)


def test_what_was_cancelled_after_booking_is_stopped_or_a_person_knows(tmp_path: Path) -> None:
    gone = sold(1, cancelled=True, paid=False, status="REFUNDED")
    assert found(judged(tmp_path, [gone], [held(1)], served=[1])) == (0, 0, 1), "still to go"
    assert judged(tmp_path, [gone], [held(1)], served=[1], named=["#1"]).clean
    assert judged(tmp_path, [gone], [held(1, cancelled=2)], served=[1]).clean
    left = sold(1, cancelled=True, paid=False, status="REFUNDED", left={DRESS: 1, SKIRT: 2})
    assert found(judged(tmp_path, [left], [held(1, left=2)], served=[1])) == (0, 0, 1), "it left"


def test_what_was_spoilt_is_blocked_for_that_very_reason(tmp_path: Path) -> None:
    spoilt = sold(1, spoilt=("unmapped_shipping",))
    assert judged(tmp_path, [spoilt], [], blocked={"#1": "no_ship_via"}).clean
    assert found(judged(tmp_path, [spoilt], [])) == (1, 0, 0), "nobody says so"
    assert found(judged(tmp_path, [spoilt], [], blocked={"#1": "unknown_sku"})) == (0, 0, 1)
    assert judged(tmp_path, [spoilt], [held(1)])["wrong"] == 1


def test_a_good_order_that_is_blocked_is_lost_and_its_reason_is_wrong(tmp_path: Path) -> None:
    assert found(judged(tmp_path, [sold(1)], [], blocked={"#1": "no_ship_via"})) == (1, 0, 1)


def test_booked_and_said_to_be_blocked_is_wrong(tmp_path: Path) -> None:
    assert found(judged(tmp_path, [sold(1)], [held(1)], blocked={"#1": "no_ship_via"})) == (0, 0, 1)


def test_unpaid_and_test_orders_must_be_absent(tmp_path: Path) -> None:
    unpaid, trial = sold(1, paid=False, status="PENDING"), sold(2, paid=False, test=True)
    assert judged(tmp_path, [unpaid, trial], []).clean
    assert judged(tmp_path, [unpaid, trial], [held(1), held(2)])["wrong"] == 2


def test_what_nobody_sold_and_what_nobody_can_read_is_wrong(tmp_path: Path) -> None:
    strange = {**held(1), "po_num": "SUS-1"}
    assert judged(tmp_path, [sold(1)], [held(1), held(99)])["wrong"] == 1
    assert judged(tmp_path, [sold(1)], [held(1), strange])["wrong"] == 1
    assert judged(tmp_path, [sold(1)], [held(1), {**held(1), "po_num": "WHOLESALE-7"}]).clean


# -- what ends a run with exit code 1 --------------------------------------------------------------------------


def good(**said: Any) -> Outcome:
    plan = Plan(orders=10, seed=1, kills=1, random_kills=1)
    outcome = Outcome(plan, faults={"a fault": 1}, controls=5, compared=60)
    outcome.looked["alerts"] = 1_000
    outcome.kills.update(life.ends for life in plan.lives())
    outcome.verdict.counts.update(sold=10, booked=9, left=20)
    for name, value in said.items():
        setattr(outcome, name, value)
    return outcome


def test_a_good_run_has_no_failure() -> None:
    assert good().failures() == []


@pytest.mark.parametrize("kind", ["lost", "doubled", "wrong"])
def test_one_of_these_is_a_failure(kind: str) -> None:
    outcome = good()
    outcome.verdict.find(kind, "#1")
    assert outcome.failures() == [f"1 {kind}"]


def test_a_fault_or_a_kill_that_never_happened_is_a_failure() -> None:
    assert good(faults={"a fault": 0}).failures() == ["a fault: happened not once"]
    outcome = good()
    outcome.kills["after_row"] = 0
    assert outcome.failures() == ["nobody was killed: after_row"]


def test_a_run_in_which_nothing_left_is_a_failure() -> None:
    outcome = good()
    outcome.verdict.counts["left"] = 0
    assert outcome.failures() == ["nothing left: no dispatch was judged"]


def test_too_little_booked_is_a_failure() -> None:
    outcome = good()
    outcome.verdict.counts["booked"] = 7
    assert outcome.failures() == ["only 70% was booked"]


def test_a_leak_and_a_search_that_could_find_nothing_are_failures() -> None:
    assert good(leaks=["log"]).failures() == ["1 places hold what is private"]
    assert good(controls=0).failures() == ["no canary stands where it belongs: the search proves nothing"]


def test_alerts_that_nobody_got_cannot_be_searched() -> None:
    outcome = good()
    outcome.looked.clear()
    assert outcome.failures() == ["nobody was told anything: no alert was searched"]


def test_a_run_that_broke_off_is_a_failure() -> None:
    assert good(ended="TooLate: never").failures() == ["TooLate: never"]


def test_the_same_seed_plans_the_same_deaths_and_meets_every_step() -> None:
    plan = Plan(orders=1_000, seed=7, kills=2, random_kills=3)
    assert plan.lives() == Plan(orders=1_000, seed=7, kills=2, random_kills=3).lives()
    assert plan.lives() != Plan(orders=1_000, seed=8, kills=2, random_kills=3).lives()
    ends = [life.ends for life in plan.lives()]
    assert {ends.count(end) for end in set(ends) - {RANDOM}} == {2}
    assert ends.count(RANDOM) == 3
