"""Who is asked for what, and what is a person's. Each claim on the two sides of one order."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcbridge.flows.changes.decide import DIFFERS, NOT_STOPPED, REFUND, Decision, paid_too_much, words_beyond
from bcbridge.flows.changes.settings import ChangeSettings
from bcbridge.model.changes import AmendmentKind, Stage
from bcbridge.model.order import TenderKind
from tests.flows.at_hand import CREATED, DRESS, SKIRT, gift_card, line, tender
from tests.flows.changes.two import (
    AGREEING,
    ELSEWHERE,
    THERE,
    THIRD,
    Two,
    cancelled,
    held_back,
    held_lines,
    the_document,
    the_order,
    with_pieces,
)

ONLY_CANCEL = frozenset({AmendmentKind.CANCEL})


def corrected(found: Decision) -> list[tuple[str, int]]:
    return [(row.upc, row.cancelled) for one in found.corrections for row in one.rows]


def amended(found: Decision) -> list[tuple[AmendmentKind, dict[str, int]]]:
    return [(one.kind, {line.line: line.pieces for line in one.lines}) for one in found.amendments]


def codes(found: Decision) -> list[str]:
    return [problem.code for problem in found.problems]


def nothing(found: Decision) -> bool:
    return not (found.corrections or found.amendments or found.problems)


def erp(**rows: tuple[int, int, int, int]) -> Two:
    """``dress`` and ``skirt``: ordered, cancelled, picked, shipped."""
    said = {"dress": (2, 0, 0, 0), "skirt": (1, 0, 0, 0), **rows}
    return AGREEING.but(document=the_document(held_lines({DRESS: said["dress"], SKIRT: said["skirt"]})))


# -- the stage ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("two", "stage"),
    [
        (AGREEING, Stage.OPEN),
        (erp(dress=(2, 0, 1, 0)), Stage.PICKED),
        (erp(dress=(2, 0, 2, 1)), Stage.PART_SHIPPED),
        (erp(dress=(2, 0, 2, 2), skirt=(1, 1, 0, 0)), Stage.SHIPPED),
        (erp(dress=(2, 2, 0, 0), skirt=(1, 1, 0, 0)), Stage.CANCELLED),
        (erp(dress=(0, 0, 0, 0), skirt=(0, 0, 0, 0)), Stage.CANCELLED),
    ],
)
def test_the_stage_is_that_of_the_furthest_piece(two: Two, stage: Stage) -> None:
    assert two.sides.stage is stage


def test_sides_that_agree_ask_for_nothing() -> None:
    assert nothing(AGREEING.decided(write=True))


# -- the channel changed -----------------------------------------------------------------------------------------


def test_a_cancelled_order_is_cancelled_in_the_erp_where_it_takes_corrections() -> None:
    found = AGREEING.but(order=cancelled(the_order())).decided(write=True)
    assert corrected(found) == [(DRESS, 2), (SKIRT, 1)]
    assert not found.problems


def test_a_cancelled_order_is_a_persons_where_the_erp_takes_none() -> None:
    found = AGREEING.but(order=cancelled(the_order())).decided()
    assert codes(found) == [NOT_STOPPED, NOT_STOPPED]
    assert "cancel 2 in the ERP" in found.problems[0].text


def test_an_order_that_is_gone_is_a_cancelled_one() -> None:
    assert codes(AGREEING.but(order=None).decided()) == [NOT_STOPPED, NOT_STOPPED]


def test_what_is_picked_of_a_cancelled_order_is_a_persons_and_the_rest_is_cancelled() -> None:
    found = erp(dress=(2, 0, 1, 0)).but(order=cancelled(the_order())).decided(write=True)
    assert corrected(found) == [(DRESS, 1), (SKIRT, 1)]
    assert codes(found) == [NOT_STOPPED]
    assert "1 picked, stop the parcel" in found.problems[0].text


def test_what_left_of_a_cancelled_order_is_a_persons_and_the_rest_is_stopped() -> None:
    two = erp(dress=(2, 0, 2, 2)).but(order=cancelled(the_order()))
    found = two.decided(write=True)
    assert corrected(found) == [(SKIRT, 1)]
    assert [(problem.code, problem.subject) for problem in found.problems] == [(NOT_STOPPED, DRESS)]
    assert [problem.subject for problem in two.decided().problems] == [SKIRT, DRESS]


def test_a_cancelled_order_that_left_whole_is_a_persons_and_a_deleted_one_is_nobodys() -> None:
    left = erp(dress=(2, 0, 2, 2), skirt=(1, 0, 1, 1))
    assert codes(left.but(order=cancelled(the_order())).decided()) == [NOT_STOPPED] * 2
    assert nothing(left.but(order=None).decided())


def test_a_cancelled_order_that_the_erp_cancelled_too_agrees() -> None:
    assert nothing(erp(dress=(2, 2, 0, 0), skirt=(1, 1, 0, 0)).but(order=cancelled(the_order())).decided())


@pytest.mark.parametrize("winner", ["channel", "erp", "person", "channel_until_picked"])
def test_a_cancellation_counts_whoever_wins(winner: str) -> None:
    two = erp(dress=(2, 1, 1, 0)).but(order=cancelled(the_order()))
    found = two.decided(settings=ChangeSettings.model_validate({"pieces": winner}))
    assert codes(found) == [NOT_STOPPED, NOT_STOPPED]


def test_fewer_pieces_are_carried_as_what_is_cancelled_in_all() -> None:
    two = AGREEING.but(order=with_pieces(the_order(), dress=1))
    assert corrected(two.decided(write=True)) == [(DRESS, 1)]
    assert codes(two.decided()) == [DIFFERS]


def test_a_line_that_is_gone_wants_no_pieces() -> None:
    sold = the_order()
    two = AGREEING.but(order=sold.model_copy(update={"lines": sold.lines[:1]}))
    assert corrected(two.decided(write=True)) == [(SKIRT, 1)]


def test_more_pieces_and_other_goods_are_a_persons() -> None:
    more = with_pieces(the_order(), dress=3)
    added = more.model_copy(update={"lines": (*more.lines, line("040123000099", "10.00"))})
    found = AGREEING.but(order=added).decided(write=True)
    assert not found.corrections
    assert [problem.subject for problem in found.problems] == [DRESS, "040123000099"]


def test_fewer_pieces_after_some_left_are_a_question() -> None:
    found = erp(dress=(2, 0, 1, 1)).but(order=with_pieces(the_order(), dress=1)).decided(write=True)
    assert not found.corrections
    assert "still to go" in found.problems[0].text


def test_fewer_pieces_after_all_left_are_a_return() -> None:
    assert nothing(erp(dress=(2, 0, 2, 2)).but(order=with_pieces(the_order(), dress=1)).decided())


def test_a_hold_after_booking_is_a_persons_until_all_has_left() -> None:
    assert codes(AGREEING.but(order=held_back(the_order())).decided(write=True)) == [DIFFERS]
    assert nothing(erp(dress=(2, 0, 2, 2), skirt=(1, 0, 1, 1)).but(order=held_back(the_order())).decided())


# -- the ERP changed ---------------------------------------------------------------------------------------------


def test_an_order_that_the_erp_cancelled_is_cancelled_in_the_channel() -> None:
    assert amended(erp(dress=(2, 2, 0, 0), skirt=(1, 1, 0, 0)).decided()) == [(AmendmentKind.CANCEL, {})]


def test_a_line_that_the_erp_cancelled_is_taken_off_or_a_persons() -> None:
    two = erp(dress=(2, 1, 0, 0))
    assert amended(two.decided()) == [(AmendmentKind.REDUCE, {f"line-{DRESS}": 1})]
    assert codes(two.decided(can=ONLY_CANCEL)) == [DIFFERS]


def test_a_row_that_the_erp_deleted_is_a_row_that_it_cancelled() -> None:
    two = AGREEING.but(document=the_document(held_lines({DRESS: (2, 0, 0, 0)})))
    assert amended(two.decided()) == [(AmendmentKind.REDUCE, {f"line-{SKIRT}": 0})]


def test_the_rest_of_an_order_that_left_in_part_is_taken_off_it_is_not_cancelled() -> None:
    two = erp(dress=(2, 0, 2, 2), skirt=(1, 1, 0, 0))
    assert amended(two.decided()) == [(AmendmentKind.REDUCE, {f"line-{SKIRT}": 0})]


def test_an_order_with_a_gift_card_is_not_cancelled_with_its_goods() -> None:
    sold = the_order()
    with_card = sold.model_copy(update={"lines": (*sold.lines, gift_card("50.00"))})
    two = erp(dress=(2, 2, 0, 0), skirt=(1, 1, 0, 0)).but(order=with_card)
    assert amended(two.decided()) == [(AmendmentKind.REDUCE, {f"line-{DRESS}": 0, f"line-{SKIRT}": 0})]


def test_what_a_person_keeps_from_the_channel_is_a_persons() -> None:
    settings = ChangeSettings.model_validate({"to_channel": []})
    assert codes(erp(dress=(2, 2, 0, 0), skirt=(1, 1, 0, 0)).decided(settings=settings)) == [DIFFERS, DIFFERS]


def test_more_pieces_in_the_erp_and_rows_that_nobody_sent_are_a_persons() -> None:
    assert codes(erp(dress=(3, 0, 0, 0)).decided()) == [DIFFERS]
    foreign = held_lines({DRESS: (2, 0, 0, 0), SKIRT: (1, 0, 0, 0), "040999000001": (1, 0, 0, 0)})
    assert [one.subject for one in AGREEING.but(document=the_document(foreign)).decided().problems] == ["040999000001"]


def test_two_rows_of_one_sku_are_laid_on_our_row_and_the_other_is_foreign() -> None:
    lines = held_lines()
    split = (lines[0].model_copy(update={"quantity": 1}), lines[0].model_copy(update={"line_seq": 7, "quantity": 1}))
    two = AGREEING.but(document=the_document((*split, lines[1])))
    assert [(one.held, one.wanted) for one in two.sides.differing] == [(1, 2)]
    assert two.sides.foreign == ((DRESS, 1),)


# -- both changed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("winner", "picked", "asked"),
    [
        ("channel_until_picked", 0, "erp"),
        ("channel_until_picked", 1, "person"),
        ("channel", 1, "erp"),
        ("erp", 0, "person"),
        ("person", 0, "person"),
    ],
)
def test_where_both_changed_the_setting_says_whose_word_counts(winner: str, picked: int, asked: str) -> None:
    """The shop wants none of the two dresses, the ERP cancelled one."""
    two = erp(dress=(2, 1, 0, 0), skirt=(1, 0, picked, 0)).but(order=with_pieces(the_order(), dress=0))
    found = two.decided(settings=ChangeSettings.model_validate({"pieces": winner}), write=True)
    assert corrected(found) == ([(DRESS, 2)] if asked == "erp" else [])
    assert codes(found) == ([DIFFERS] if asked == "person" else [])


def test_where_the_erp_counts_the_channel_is_made_like_it() -> None:
    two = erp(dress=(2, 2, 0, 0)).but(order=with_pieces(the_order(), dress=1))
    assert amended(two.decided(settings=ChangeSettings(pieces="erp"))) == [(AmendmentKind.REDUCE, {f"line-{DRESS}": 0})]


# -- addresses ---------------------------------------------------------------------------------------------------


def test_another_address_is_carried_before_the_pick_and_a_persons_after() -> None:
    moved = AGREEING.but(wanted=THERE)
    assert [one.ship_to for one in moved.decided(write=True).corrections] == [ELSEWHERE]
    assert codes(moved.decided()) == [DIFFERS]
    late = erp(dress=(2, 0, 1, 0)).but(wanted=THERE).decided(write=True)
    assert (late.corrections, codes(late)) == ((), [DIFFERS])
    assert "picked" in late.problems[0].text


def test_an_address_that_both_have_agrees_and_one_that_the_erp_changed_is_a_persons() -> None:
    assert nothing(AGREEING.but(document=the_document(ship_to=THERE), wanted=THERE).decided(write=True))
    assert codes(AGREEING.but(document=the_document(ship_to=THERE)).decided(write=True)) == [DIFFERS]
    both = AGREEING.but(document=the_document(ship_to=THERE), wanted=THIRD)
    assert both.decided(write=True).corrections
    assert not both.decided(write=True, settings=ChangeSettings(address="person")).corrections


def test_where_the_erp_tells_no_address_only_the_channels_can_differ() -> None:
    assert nothing(AGREEING.but(document=the_document(ship_to="")).decided(write=True))
    assert codes(AGREEING.but(document=the_document(ship_to=""), wanted=THERE).decided()) == [DIFFERS]


def test_the_address_of_what_has_left_or_is_cancelled_is_nobodys() -> None:
    assert nothing(erp(dress=(2, 0, 2, 2), skirt=(1, 0, 1, 1)).but(wanted=THERE).decided())
    assert codes(AGREEING.but(order=cancelled(the_order()), wanted=THERE).decided()) == [NOT_STOPPED] * 2


# -- money, and words --------------------------------------------------------------------------------------------


def test_money_for_what_will_not_be_sent_is_due_until_it_is_given_back() -> None:
    gone = erp(dress=(2, 2, 0, 0), skirt=(1, 1, 0, 0)).but(order=cancelled(the_order()))
    assert codes(gone.decided(amended=True)) == [REFUND]
    paid = (tender("card", "200.00"), tender("card", "200.00", TenderKind.REFUNDED))
    assert nothing(gone.but(order=cancelled(the_order(paid=paid))).decided(amended=True))


def test_a_smaller_order_is_paid_too_much_by_what_it_is_beyond() -> None:
    assert paid_too_much(the_order(outstanding=Decimal("-80.00"))) == Decimal("80.00")
    assert paid_too_much(the_order(outstanding=Decimal("5.00"))) == 0
    assert paid_too_much(None) == 0


def test_words_of_the_erp_count_where_they_are_new_and_not_of_pieces() -> None:
    said = ["tax: sent 1, held 2", "UPC 1 at 2 in NJ1: sent 1, held 2", "customer: sent A, held B"]
    assert words_beyond(said, ["customer: sent A, held B"]) == ("tax: sent 1, held 2",)


# -- whatever happens --------------------------------------------------------------------------------------------

ROWS = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)).map(
    lambda said: (said[0], min(said[1], said[0]), min(said[2], said[0] - min(said[1], said[0])), 0)
)
ROWS_GONE_ON = st.tuples(ROWS, st.integers(0, 3)).map(lambda said: (*said[0][:3], min(said[1], said[0][2])))
WANTED = st.sampled_from([0, 1, 2, 3])


@given(ROWS_GONE_ON, ROWS_GONE_ON, WANTED, WANTED, st.booleans(), st.booleans(), st.sampled_from(["channel", "erp"]))
def test_what_is_asked_for_and_done_leaves_nothing_of_it_to_ask_for(
    dress: tuple[int, int, int, int],
    skirt: tuple[int, int, int, int],
    dresses: int,
    skirts: int,
    stopped: bool,
    write: bool,
    winner: str,
) -> None:
    """Both sides do as they are asked: then nothing is asked for any more, no picked piece was asked to be cancelled,
    and no piece was asked for twice."""
    sold = with_pieces(the_order(), dress=dresses, skirt=skirts)
    two = erp(dress=dress, skirt=skirt).but(order=cancelled(sold) if stopped else sold)
    settings = ChangeSettings.model_validate({"pieces": winner})
    first = two.decided(settings=settings, write=write)
    done = _done(two, first)
    again = done.decided(settings=settings, write=write)
    assert not again.corrections
    assert not again.amendments
    for stated in _open_pieces_of_a_cancelled_order(done):
        assert stated in [problem.subject for problem in again.problems if problem.code == NOT_STOPPED]


def _open_pieces_of_a_cancelled_order(two: Two) -> Sequence[str]:
    if not two.sides.cancelled:
        return ()
    return [one.label for one in two.sides.lines if one.held > one.shipped]


def _done(two: Two, found: Decision) -> Two:
    """As the sides stand once both did as they were asked. The ERP refuses to cancel what is picked."""
    assert two.document.held is not None
    lines = {row.line_seq: row for row in two.document.held.lines}
    for correction in found.corrections:
        for row in correction.rows:
            before = lines[row.line_seq]
            assert before.cancelled <= row.cancelled <= before.quantity - before.picked
            lines[row.line_seq] = before.model_copy(update={"cancelled": row.cancelled})
    sold = two.order
    for amendment in found.amendments:
        assert sold is not None
        if amendment.kind is AmendmentKind.CANCEL:
            sold = sold.model_copy(update={"cancelled": CREATED})
            continue
        wanted = {one.line: one.pieces for one in amendment.lines}
        kept = tuple(one.model_copy(update={"quantity": wanted.get(one.ref, one.quantity)}) for one in sold.lines)
        sold = sold.model_copy(update={"lines": kept})
    return two.but(order=sold, document=the_document(tuple(lines.values())))


def test_a_line_that_is_gone_while_another_came_is_a_persons_and_nothing_is_cancelled() -> None:
    sold = the_order()
    anew = sold.lines[1].model_copy(update={"ref": "line-anew"})
    found = AGREEING.but(order=sold.model_copy(update={"lines": (sold.lines[0], anew)})).decided(write=True)
    assert (found.corrections, codes(found)) == ((), [DIFFERS, DIFFERS])
