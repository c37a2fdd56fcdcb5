"""Money that is only authorised, as the house asks for it: on the sandbox's shop, and under every answer there is."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcbridge.connectors.base import Accepted, Doubtful, NotSent, Rejected
from bcbridge.errors import OpenCircuit
from bcbridge.model.dispatch import Authorisation, AuthorisedMoney
from bcbridge.model.ids import Ref
from bcbridge.sandbox.shopify.settings import SCOPES
from bcbridge.sandbox.shopify.world import CELLS
from tests.connectors.shopify.shops import World, a_script, a_shop

ONE = CELLS[0]
GONE = Ref("gid://shopify/Order/1")
ORDER = Ref("gid://shopify/Order/2")


async def sold(world: World, **more: Any) -> Ref:
    return await world.place(**{"lines": [{"sku": ONE.sku.upc, "quantity": 3}], "payment": "authorized", **more})


async def held(world: World, ref: Ref) -> list[Authorisation]:
    money = await world.room.captures.look(ref)
    assert money is not None
    return list(money.authorisations)


async def capture(world: World, authorisation: Authorisation) -> object:
    return await world.room.captures.put(world.room.captures.render(authorisation))


async def moved(world: World, ref: Ref) -> list[tuple[str, str]]:
    """Kind and status of its transactions."""
    order = (await world.http.get(f"/_sandbox/orders/{ref.rsplit('/', 1)[-1]}")).json()
    return [(one["kind"], one["status"]) for one in order["transactions"]]


async def test_what_is_authorised_is_seen_and_taken_to_the_cent(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        (one,) = await held(world, ref)
        answer = await capture(world, one)
        order = await world.read(ref)
        assert await held(world, ref) == []
        assert await moved(world, ref) == [("AUTHORIZATION", "SUCCESS"), ("CAPTURE", "SUCCESS")]
    assert (one.gateway, one.amount, one.currency) == ("shopify_payments", order.total, "USD")
    assert isinstance(answer, Accepted)
    assert answer.key.startswith("gid://shopify/OrderTransaction/")
    assert order.payment == "paid"


async def test_money_is_taken_in_the_currency_that_the_customer_pays_in(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world, currency="EUR")
        (one,) = await held(world, ref)
        assert isinstance(await capture(world, one), Accepted)
        assert (await world.read(ref)).payment == "paid"
    assert one.currency == "EUR"


async def test_no_more_is_taken_than_the_order_still_costs(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        (before,) = await held(world, ref)
        await world.happens(ref, "edit", **{"0": 1})
        (after,) = await held(world, ref)
        assert isinstance(await capture(world, after), Accepted)
        order = await world.read(ref)
    assert after.amount == order.total < before.amount
    assert order.payment == "paid"
    assert order.outstanding == 0


async def test_each_gateways_part_is_taken_of_it(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        tenders = [{"gateway": "paypal", "amount": "5.00"}, {"gateway": "shopify_payments"}]
        ref = await sold(world, tenders=tenders)
        found = await held(world, ref)
        total = (await world.read(ref)).total
        assert [isinstance(await capture(world, one), Accepted) for one in found] == [True, True]
        assert (await world.read(ref)).payment == "paid"
    assert [(one.gateway, one.amount) for one in found] == [
        ("paypal", Decimal("5.00")),
        ("shopify_payments", total - 5),
    ]


@pytest.mark.parametrize("how", ["paid", "cancelled", "expired"])
async def test_of_no_other_order_is_anything_to_be_taken(tmp_path: Path, how: str) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world, **({"payment": "paid"} if how == "paid" else {}))
        if how != "paid":
            await world.happens(ref, {"cancelled": "cancel", "expired": "expire"}[how])
        assert await held(world, ref) == []
        assert await world.room.captures.look(GONE) is None


@pytest.mark.parametrize(("fault", "left"), [("capture_call_lost", 1), ("capture_answer_lost", 0)])
async def test_a_capture_without_an_answer_is_a_doubt_that_a_look_ends(tmp_path: Path, fault: str, left: int) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        (one,) = await held(world, ref)
        await world.fault(once={fault: 1})
        assert isinstance(await capture(world, one), Doubtful)
        assert len(await held(world, ref)) == left
        again = await capture(world, one)
        assert isinstance(again, Accepted if left else Rejected)
        assert [kind for kind, _ in await moved(world, ref)] == ["AUTHORIZATION", "CAPTURE"]


async def test_a_card_that_is_declined_is_a_no_and_stays_authorised(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        (one,) = await held(world, ref)
        await world.fault(once={"capture_declined": 1})
        assert await capture(world, one) == Rejected(("the gateway says card_declined",))
        assert await held(world, ref) == [one]


@pytest.mark.parametrize("wrong", ["too much", "expired", "twice", "gone"])
async def test_a_refusal_is_a_no_with_their_words(tmp_path: Path, wrong: str) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        (one,) = await held(world, ref)
        if wrong == "expired":
            await world.happens(ref, "expire")
        if wrong == "twice":
            assert isinstance(await capture(world, one), Accepted)
        before = await moved(world, ref)
        changes: dict[str, dict[str, Any]] = {"too much": {"amount": one.amount + 1}, "gone": {"order": GONE}}
        answer = await capture(world, one.model_copy(update=changes.get(wrong, {})))
        assert await moved(world, ref) == before
    assert isinstance(answer, Rejected)


async def test_without_the_scope_no_money_moves(tmp_path: Path) -> None:
    scopes = tuple(one for one in SCOPES if one != "write_orders")
    async with a_shop(tmp_path, plan={"scopes": scopes}) as world:
        ref = await sold(world)
        (one,) = await held(world, ref)
        with pytest.raises(OpenCircuit, match="write_orders"):
            await capture(world, one)
        findings = await world.room.doctor()
        assert await held(world, ref) == [one]
    assert any("write_orders" in one.text and "captured" in one.text for one in findings)


# -- answers by a script -----------------------------------------------------------------------------------------


def bag(amount: str, currency: str = "USD") -> dict[str, Any]:
    return {"presentmentMoney": {"amount": amount, "currencyCode": currency}}


def transaction(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"t{number}",
        "kind": "AUTHORIZATION",
        "status": "SUCCESS",
        "gateway": "card",
        "manuallyCapturable": True,
        "totalUnsettledSet": bag("10.00"),
        **more,
    }


def shown(*transactions: dict[str, Any], total: str = "25.00", paid: str = "0.00") -> dict[str, Any]:
    sums = {"currentTotalPriceSet": bag(total), "netPaymentSet": bag(paid)}
    return {"data": {"order": {"id": ORDER, **sums, "transactions": list(transactions)}}}


@pytest.mark.parametrize(
    ("order", "amounts"),
    [
        (shown(transaction(1), transaction(2)), ["10.00", "10.00"]),
        (shown(transaction(1), transaction(2), total="15.00"), ["10.00", "5.00"]),
        (shown(transaction(1), transaction(2), paid="15.00"), ["10.00"]),
        (shown(transaction(1), paid="25.00"), []),
        (shown(transaction(1, kind="EMV_AUTHORIZATION")), ["10.00"]),
        (shown(transaction(1, totalUnsettledSet=None), transaction(2, totalUnsettledSet=bag("0.0"))), []),
        (shown(transaction(1, manuallyCapturable=False), transaction(2, status="FAILURE")), []),
        (shown(transaction(1), transaction(2, kind="CAPTURE", status="PENDING")), []),
        (shown(transaction(1), transaction(2, kind="CAPTURE", status="FAILURE")), ["10.00"]),
    ],
)
async def test_what_may_be_captured(order: dict[str, Any], amounts: list[str]) -> None:
    async with a_script(order) as (_, room):
        money = await room.captures.look(ORDER)
    assert isinstance(money, AuthorisedMoney)
    assert [str(one.amount) for one in money.authorisations] == amounts


async def test_an_order_with_more_transactions_than_are_listed_is_not_reckoned_with() -> None:
    async with a_script(shown(*(transaction(at) for at in range(200)))) as (_, room):
        with pytest.raises(OpenCircuit):
            await room.captures.look(ORDER)


def captured(made: object, *errors: str) -> dict[str, Any]:
    said = [{"field": None, "message": one} for one in errors]
    return {"data": {"orderCapture": {"transaction": made, "userErrors": said}}}


def made(status: str, code: str | None = None) -> dict[str, Any]:
    return {"id": "t9", "status": status, "errorCode": code}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (captured(made("SUCCESS")), Accepted("t9")),
        (captured(made("PENDING")), Accepted("t9")),
        (captured(made("FAILURE", "EXPIRED_CARD")), Rejected(("the gateway says expired_card",))),
        (captured(made("ERROR")), Rejected(("the gateway says error",))),
        (captured(None, "too much"), Rejected(("too much",))),
        (captured(made("UNKNOWN")), Doubtful),
        (captured(made("AWAITING_RESPONSE")), Doubtful),
        (captured(made("SUCCESS"), "and yet"), Doubtful),
        (captured(None), Doubtful),
        (captured({"id": "t9"}), Doubtful),
        ((502, "<html>"), Doubtful),
        ((429, "slow down"), NotSent),
    ],
)
async def test_what_an_answer_means(answer: Any, expected: Any) -> None:
    async with a_script(answer) as (script, room):
        one = Authorisation(order=ORDER, ref=Ref("t1"), gateway="card", amount=Decimal("10.10"), currency="USD")
        found = await room.captures.put(room.captures.render(one))
    assert found == expected if not isinstance(expected, type) else isinstance(found, expected)
    assert script.asked[0]["variables"]["input"] == {
        "id": ORDER,
        "parentTransactionId": "t1",
        "amount": "10.10",
        "currency": "USD",
        "finalCapture": True,
    }
