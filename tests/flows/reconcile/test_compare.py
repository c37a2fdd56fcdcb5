"""What differs, and what does not: each kind by hand, and no alarm for any state that an order may rightly have."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bcbridge.flows.changes.decide import Place
from bcbridge.flows.reconcile.compare import Facts, compare, news, unread, worth
from bcbridge.model.ids import Reference
from bcbridge.model.order import Hold
from bcbridge.model.outcome import Blocked, Never, NotYet, Problem, Ready
from bcbridge.model.reconcile import Difference, Kind, Pair
from tests.flows.at_hand import DRESS, SKIRT
from tests.flows.changes.two import PART, cancelled, held_back, the_order, with_pieces
from tests.flows.reconcile.day import DOCUMENT, LINES, NUMBER, facts, held, known, left, shipment, view

SAID = Problem(code="order_differs", subject=DRESS, text="cancel 1 in the ERP")
MOVED = Place(PART, "here", "there", "here")
FREE = Ready(parts=())


def found(one: Facts) -> list[Difference]:
    return list(compare(one).differences)


def kinds(one: Facts) -> list[Kind]:
    return [said.kind for said in found(one)]


def unbooked(state: str, **said: object) -> Facts:
    return facts(state=state, documents=(), booked=(), numbers={}, held={}, **said)


# -- nothing differs ---------------------------------------------------------------------------------------------

SHIPPED = shipment("I1", (DRESS, 2), (SKIRT, 1))


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(facts(), id="booked"),
        pytest.param(facts(held=left(2, 1), shipments=(SHIPPED,), view=view(dress=2, skirt=1)), id="dispatched"),
        pytest.param(facts(held=left(1), shipments=(shipment("I1", (DRESS, 1)),), view=view(dress=1)), id="in parts"),
        pytest.param(facts(held=left(2, 1), shipments=(SHIPPED,), view=None), id="dispatched and not told"),
        pytest.param(
            facts(
                held=left(2, 1), shipments=(SHIPPED, shipment("I0", (DRESS, 2), void=True)), view=view(dress=2, skirt=1)
            ),
            id="a void invoice beside it",
        ),
        pytest.param(facts(view=view(gift_card=1)), id="a gift card leaves by itself"),
        pytest.param(facts(held=left(2, 1), shipments=(SHIPPED,), view=view(dress=2, skirt=1, gift_card=1)), id="both"),
        pytest.param(
            facts(order=cancelled(the_order()), held={PART: (held(lines={DRESS: (2, 2, 0, 0), SKIRT: (1, 1, 0, 0)}),)}),
            id="cancelled on both sides",
        ),
        pytest.param(
            facts(
                order=with_pieces(the_order(), dress=1),
                held={PART: (held(lines={DRESS: (2, 1, 0, 0), SKIRT: (1, 0, 0, 0)}),)},
            ),
            id="fewer on both sides",
        ),
        pytest.param(
            facts(order=cancelled(the_order()), held=left(2, 1), shipments=(SHIPPED,), view=view(dress=2, skirt=1)),
            id="cancelled after all of it left: a return",
        ),
        pytest.param(
            facts(order=the_order(holds=(Hold(reason="status completed", done=True),))),
            id="held as done: the usual course",
        ),
        pytest.param(facts(order=with_pieces(the_order(), dress=1), agreed=True), id="agreed by a person"),
        pytest.param(
            facts(order=the_order().model_copy(update={"refunded": Decimal(20)}), held={PART: (held(tax=Decimal(9)),)}),
            id="refunded since",
        ),
        pytest.param(
            facts(order=the_order().model_copy(update={"edited": True}), held={PART: (held(tax=Decimal(9)),)}),
            id="edited since",
        ),
        pytest.param(facts(held={PART: (held(tax=None, freight=None),)}), id="amounts that the ERP leaves out"),
        pytest.param(
            facts(
                documents=(DOCUMENT.__class__(PART, b"sent", ("tax: sent 0, held 9",), None),),
                held={PART: (held(tax=Decimal(9)),)},
            ),
            id="told at the booking",
        ),
        pytest.param(
            facts(held={PART: (held(), held("0100002", lines={DRESS: (2, 2, 0, 0), SKIRT: (1, 1, 0, 0)}))}),
            id="a double that was cancelled",
        ),
        pytest.param(facts(places=(Place(PART, "here", "here", "here"),)), id="the address as it was sent"),
        pytest.param(
            facts(places=(MOVED,), held=left(2, 1), shipments=(SHIPPED,), view=view(dress=2, skirt=1)),
            id="an address that nothing goes to any more",
        ),
        pytest.param(facts(held={}, proven=False), id="absent and not proven"),
        pytest.param(facts(held={}, by_word=frozenset({PART})), id="booked by a person's word"),
        pytest.param(facts(held={}, under_way=True), id="work under way"),
        pytest.param(facts(held={}, on_its_way=True), id="a document on its way"),
        pytest.param(unbooked("not_yet", outcome=NotYet(code="payment_pending", text="")), id="not yet"),
        pytest.param(unbooked("never", outcome=Never(code="test", text="")), id="never"),
        pytest.param(unbooked("blocked", outcome=Blocked(problems=(SAID,))), id="blocked"),
        pytest.param(unbooked("never", waits="skipped by a person", outcome=FREE), id="skipped by a person"),
        pytest.param(unbooked("ready", outcome=FREE, under_way=True), id="about to be booked"),
        pytest.param(
            facts(state="blocked", code="partly_booked", order=cancelled(the_order())), id="booked in part, and blocked"
        ),
    ],
)
def test_no_alarm_for_what_is_as_it_should_be(one: Facts) -> None:
    assert found(one) == []


# -- each kind ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["ready", "not_yet", "blocked", "never"])
def test_what_would_be_booked_and_nobody_is_at(state: str) -> None:
    assert kinds(unbooked(state, outcome=FREE)) == [Kind.NOT_BOOKED]


def test_what_we_booked_and_the_erp_does_not_show() -> None:
    (one,) = found(facts(held={PART: ()}))
    assert (one.kind, one.subject) == (Kind.MISSING_IN_ERP, PART)
    assert NUMBER in one.text
    assert "under the same reference" in one.action


def test_a_document_twice() -> None:
    (one,) = found(facts(held={PART: (held(), held("0100002"))}))
    assert (one.kind, one.action) == (Kind.TWICE_IN_ERP, "cancel 0100002 in the ERP")


def test_what_was_given_up_and_stands_in_the_erp_all_the_same() -> None:
    given_up = Reference("SH5001P1G0")
    one = facts(closed=(given_up,), held={PART: (held(),), given_up: (held("0100000", reference=given_up),)})
    assert [(said.kind, said.subject) for said in found(one)] == [(Kind.TWICE_IN_ERP, given_up)]


def test_two_documents_of_one_order_are_each_looked_for() -> None:
    second = DOCUMENT.__class__(Reference("SH5001P2G1"), b"sent", (), None)
    assert [one.subject for one in found(facts(documents=(DOCUMENT, second)))] == ["SH5001P2G1"]


@pytest.mark.parametrize("amount", ["tax", "freight", "charges"])
def test_an_amount_that_differs(amount: str) -> None:
    dearer = held().model_copy(update={amount: Decimal("0.01")})
    (one,) = found(facts(held={PART: (dearer,)}))
    assert (one.kind, one.subject) == (Kind.AMOUNTS_DIFFER, NUMBER)
    assert "200.00 USD, the ERP's documents 200.01" in one.text


def test_an_allowance_lowers_the_worth() -> None:
    assert worth(held(allowances=Decimal(10), tax=Decimal(3))) == Decimal(193)


def test_a_price_that_differs_is_named_in_the_erps_words() -> None:
    words = {PART: ("UPC x at 80: sent 2, held 0",)}
    (one,) = found(facts(held={PART: (held(freight=Decimal(5)),)}, differences=words))
    assert words[PART][0] in one.text


def test_another_currency() -> None:
    assert kinds(facts(held={PART: (held(currency="EUR"),)})) == [Kind.AMOUNTS_DIFFER]


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (facts(order=with_pieces(the_order(), dress=1)), Kind.PIECES_DIFFER),
        (facts(held={PART: (held(lines={DRESS: (1, 0, 0, 0), SKIRT: (1, 0, 0, 0)}),)}), Kind.PIECES_DIFFER),
        (
            facts(held={PART: (held(lines={DRESS: (2, 0, 0, 0), SKIRT: (1, 0, 0, 0), "9": (1, 0, 0, 0)}),)}),
            Kind.PIECES_DIFFER,
        ),
        (facts(order=held_back(the_order())), Kind.STATUS_DIFFERS),
        (facts(places=(MOVED,)), Kind.ADDRESS_DIFFERS),
    ],
)
def test_sides_that_differ(one: Facts, kind: Kind) -> None:
    assert kinds(one) == [kind]


def test_what_is_cancelled_and_still_to_be_shipped() -> None:
    assert kinds(facts(order=cancelled(the_order()))) == [Kind.NOT_STOPPED, Kind.NOT_STOPPED]
    assert kinds(facts(order=None)) == [Kind.GONE_FROM_CHANNEL, Kind.GONE_FROM_CHANNEL]


def test_what_a_person_was_told_already_is_repeated_where_it_is_about_the_same() -> None:
    first, second = found(facts(order=cancelled(the_order()), sides=(SAID,)))
    assert first.action.startswith("cancel 1 in the ERP; or: bcbridge agree")
    assert "cancel 1" not in second.action


def test_a_shipment_that_was_not_read() -> None:
    one = facts(held=left(2, 1), there=(SHIPPED,), view=view(dress=2, skirt=1))
    assert kinds(one) == [Kind.SHIPMENT_NOT_READ]
    assert unread(one.known, one.held) == (PART,)
    assert unread(known(shipments=(SHIPPED,)), left(2, 1)) == ()


def test_a_shipment_under_another_stamp_is_the_same_one() -> None:
    later = SHIPPED.model_copy(update={"stamp": "2026-03-02 09:00:00"})
    assert news(facts(shipments=(SHIPPED,), there=(later,))) == ()
    assert news(facts(shipments=(SHIPPED,), there=(later.model_copy(update={"tracks": ()}),))) != ()


def test_what_left_and_is_not_shown() -> None:
    (one,) = found(facts(held=left(2, 1), shipments=(SHIPPED,), view=view(skirt=1)))
    assert (one.kind, one.subject) == (Kind.DISPATCH_NOT_TOLD, "I1")
    assert one.text.startswith("2 left")


def test_why_it_was_not_told_is_said() -> None:
    held_up = Problem(code="dispatched_though_held", subject="I1", text="the shop holds it")
    (one,) = found(facts(held=left(2, 1), shipments=(SHIPPED,), view=view(skirt=1), blocked_dispatch=(held_up,)))
    assert one.action == "the shop holds it (dispatched_though_held): bcbridge show 'shop:#1001'"


def test_what_was_told_and_taken_back_is_a_persons() -> None:
    told = {LINES[DRESS]: 2, LINES[SKIRT]: 1}
    (one,) = found(facts(held=left(2, 1), shipments=(SHIPPED,), view=view(skirt=1), confirmed=told))
    assert (one.kind, one.subject) == (Kind.DISPATCH_NOT_TOLD, DRESS)
    assert "never told again" in one.action


def test_what_the_channel_shows_and_the_erp_did_not_ship() -> None:
    (one,) = found(facts(view=view(dress=1)))
    assert (one.kind, one.subject) == (Kind.DISPATCH_NOT_IN_ERP, DRESS)


def test_nothing_follows_from_a_view_that_is_not_whole() -> None:
    part = view().model_copy(update={"whole": False})
    assert kinds(facts(held=left(2, 1), shipments=(SHIPPED,), view=part)) == []


# -- counts ------------------------------------------------------------------------------------------------------


def test_both_sides_are_added_up() -> None:
    tally = compare(facts(held=left(2), shipments=(shipment("I1", (DRESS, 2)),), view=view(dress=1))).tally
    assert tally.amounts == {"USD": Pair(channel=Decimal(200), erp=Decimal(200))}
    assert (tally.ordered, tally.dispatched) == (
        Pair(channel=Decimal(3), erp=Decimal(3)),
        Pair(channel=Decimal(1), erp=Decimal(2)),
    )


def test_what_is_not_compared_is_counted_as_such() -> None:
    both = compare(facts(under_way=True)).tally.plus(compare(unbooked("never")).tally)
    assert (both.orders, both.under_way, both.never, both.booked) == (2, 1, 1, 0)
