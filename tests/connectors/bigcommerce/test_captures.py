"""Money that is only authorised, as the house asks for it: on the sandbox's store, and under every answer there is.

Whatever is sent, and whatever the simulated store answers, is held against BigCommerce's OpenAPI.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from bcbridge.connectors.base import Accepted, Doubtful, NotSent, Rejected
from bcbridge.connectors.bigcommerce import BigCommerce
from bcbridge.errors import OpenCircuit
from bcbridge.model.dispatch import Authorisation, AuthorisedMoney
from bcbridge.model.ids import Ref
from tests.connectors.bigcommerce.answers import Json, order
from tests.connectors.bigcommerce.stores import NOT_THERE, Store, a_store
from tests.connectors.bigcommerce.test_dispatches import ONE, a_shop, contract, looked, told
from tests.connectors.bigcommerce.test_on_sandbox import World
from tests.contract.kit import Asked, Reply

__all__ = ["contract"]  # what every word is held against

NUMBER = Ref("218")
PATIENCE_SECONDS = 20


async def sold(world: World, **more: Any) -> Ref:
    return await world.place(**{"lines": [ONE | {"quantity": 2}], "payment": "authorized", **more})


async def held(world: World, ref: Ref) -> list[Authorisation]:
    money = await world.room.captures.look(ref)
    assert money is not None
    return list(money.authorisations)


async def capture(room: BigCommerce, authorisation: Authorisation) -> object:
    return await room.captures.put(room.captures.render(authorisation))


async def book(world: World, ref: Ref) -> Json:
    return dict((await world.http.get(f"/_sandbox/orders/{ref}")).json())


async def ended(world: World, ref: Ref) -> Json:
    """The order once its capture is pending no more."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while (found := await book(world, ref))["payment_status"] == "capture pending":
            await anyio.sleep(0.02)
    return found


# -- on the sandbox ------------------------------------------------------------------------------------------------


async def test_what_is_authorised_is_seen_and_taken_later(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        (one,) = await held(world, ref)
        assert await capture(world.room, one) == Accepted(ref)
        assert await held(world, ref) == [], "while it is pending nothing is asked for"
        after = await ended(world, ref)
        assert await held(world, ref) == []
    assert (one.gateway, one.currency) == ("Credit Card", "USD")
    assert one.amount == Decimal(after["total_inc_tax"])
    assert after["payment_status"] == "captured"
    assert [(made["event"], Decimal(made["amount"])) for made in after["transactions"]] == [
        ("authorization", one.amount),
        ("capture", one.amount),
    ]


async def test_what_left_first_stays_shipped(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        assert isinstance(await told(world, ref, (await looked(world, ref)).fulfillable, "A"), Accepted)
        (one,) = await held(world, ref)
        await capture(world.room, one)
        after = await ended(world, ref)
    assert (after["status_id"], after["payment_status"]) == (2, "captured")


async def test_what_credit_paid_is_not_asked_for(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        tenders = [{"gateway": "store_credit", "amount": "5.00"}, {"gateway": "stripe"}]
        ref = await sold(world, tenders=tenders)
        (one,) = await held(world, ref)
        whole = Decimal((await book(world, ref))["total_inc_tax"])
    assert one.amount == whole - 5


async def test_what_is_more_than_the_order_costs_is_left_to_people(tmp_path: Path) -> None:
    """The call names no amount."""
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        await world.happens(ref, "edit", **{"0": 1})
        assert await held(world, ref) == []


@pytest.mark.parametrize("happened", ["pay", "cancel"])
async def test_of_no_other_order_is_anything_to_be_taken(tmp_path: Path, happened: str) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        await world.happens(ref, happened)
        assert await held(world, ref) == []
        assert await world.room.captures.look(Ref("99999")) is None


@pytest.mark.parametrize(("fault", "left"), [("capture_call_lost", 1), ("capture_answer_lost", 0)])
async def test_a_capture_without_an_answer_is_a_doubt_that_a_look_ends(tmp_path: Path, fault: str, left: int) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        (one,) = await held(world, ref)
        await world.faults(once={fault: 1})
        assert isinstance(await capture(world.room, one), Doubtful)
        assert len(await held(world, ref)) == left
        again = await capture(world.room, one)
        assert isinstance(again, Accepted if left else Rejected)
        after = await ended(world, ref)
    assert [made["event"] for made in after["transactions"]] == ["authorization", "capture"]


async def test_a_card_that_is_declined_leaves_it_authorised(tmp_path: Path) -> None:
    """A yes was only that it is tried: whoever asked sees by looking that nothing came of it."""
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        (one,) = await held(world, ref)
        await world.faults(once={"capture_declined": 1})
        assert await capture(world.room, one) == Accepted(ref)
        after = await ended(world, ref)
        assert await held(world, ref) == [one]
    assert after["payment_status"] == "authorized"


async def test_a_refusal_is_a_no_with_their_words(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as world:
        ref = await sold(world)
        (one,) = await held(world, ref)
        await world.happens(ref, "pay")
        answer = await capture(world.room, one)
        gone = await capture(world.room, one.model_copy(update={"order": Ref("99999")}))
    assert isinstance(answer, Rejected)
    assert "422" in answer.reasons[0]
    assert "captured" in answer.reasons[0]
    assert isinstance(gone, Rejected)


# -- answers by a script -------------------------------------------------------------------------------------------


def transaction(event: str, amount: Any = 28, **more: Any) -> Json:
    return {"id": 21801, "event": event, "status": "ok", "amount": amount, "currency": "USD", **more}


def paid(**more: Any) -> Json:
    return order(**{"payment_status": "authorized", "total_inc_tax": "28.0000", **more})


async def seen(row: Json, *transactions: Json) -> AuthorisedMoney | None:
    headers = Store().headers

    def instead(asked: Asked) -> Reply | None:
        if not asked.path.endswith("/transactions"):
            return None
        said = {"data": list(transactions), "meta": {"pagination": {"total_pages": 1}}}
        return Reply(200, json.dumps(said).encode(), headers)

    async with a_store() as (store, room):
        store.put(row)
        store.instead = instead
        return await room.captures.look(NUMBER)


@pytest.mark.parametrize(
    ("row", "transactions", "amounts"),
    [
        (paid(), [transaction("authorization")], ["28.00"]),
        (paid(), [transaction("authorization", 28.0)], ["28.00"]),
        (paid(store_credit_amount="8.0000"), [transaction("authorization", 20)], ["20.00"]),
        (paid(), [transaction("authorization", 30)], []),
        (paid(), [transaction("authorization", 20)], []),
        (paid(), [transaction("authorization", currency="EUR")], []),
        (paid(), [transaction("authorization", status="error")], []),
        (paid(), [transaction("authorization"), transaction("authorization")], []),
        (paid(), [transaction("authorization"), transaction("capture")], []),
        (paid(), [transaction("authorization"), transaction("capture", status="error")], ["28.00"]),
        (paid(), [transaction("authorization"), transaction("void")], []),
        (paid(), [], []),
        (paid(payment_status="capture pending"), [transaction("authorization")], []),
        (paid(payment_status="captured"), [transaction("authorization")], []),
    ],
)
async def test_what_may_be_captured(row: Json, transactions: list[Json], amounts: list[str]) -> None:
    found = await seen(row, *transactions)
    assert found is not None
    assert [str(one.amount) for one in found.authorisations] == amounts


SCHEDULED = b"{}"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (201, SCHEDULED, Accepted(NUMBER)),
        (201, b"", Accepted(NUMBER)),
        (422, b'{"status": 422, "title": "no"}', Rejected(("BigCommerce does not capture it: 422, no",))),
        (400, b"<html>", Rejected(("BigCommerce does not capture it: 400, not in its own words",))),
        (404, json.dumps(NOT_THERE).encode(), Rejected),
        (429, b"", NotSent),
        (502, b"<html>", Doubtful),
        (503, b"{}", Doubtful),
        (504, b"{}", Doubtful),
        (401, b"{}", OpenCircuit),
        (403, b"{}", OpenCircuit),
    ],
)
async def test_what_an_answer_means(status: int, body: bytes, expected: Any) -> None:
    async with a_store() as (store, room):
        store.instead = lambda asked: Reply(status, body, store.headers)
        one = Authorisation(order=NUMBER, ref=Ref("21801"), gateway="x", amount=Decimal("28.00"), currency="USD")
        try:
            found: object = await capture(room, one)
        except OpenCircuit as circuit:
            found = circuit
    assert isinstance(found, expected) if isinstance(expected, type) else found == expected
    (asked,) = store.asked
    assert (asked.method, asked.body) == ("POST", b"")
    assert asked.path.endswith("/v3/orders/218/payment_actions/capture")
