"""The client against a scripted shop: every way an answer can fail becomes the right decision."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from aiohttp import web

from bcbridge.connectors.shopify.throttle import Cost, Throttle
from bcbridge.errors import BridgeError, OpenCircuit, Retry
from tests.connectors.shopify.shops import SHOP, Clock, a_room, a_script

HERE: dict[str, Any] = {"data": {"shop": {"myshopifyDomain": SHOP}}}
CREDENTIALS = {"client_id": "env:CLIENT_ID", "client_secret": "env:CLIENT_SECRET"}


def failing(code: str, *, path: list[Any] | None = None, data: Any = None, **extensions: Any) -> dict[str, Any]:
    error = {"message": f"it says {code}", "path": path or [], "extensions": {"code": code, **extensions}}
    return {"errors": [error], "data": data}


def costing(requested: float, available: float, rate: float, **answer: Any) -> dict[str, Any]:
    status = {"maximumAvailable": 2000.0, "currentlyAvailable": available, "restoreRate": rate}
    return {**answer, "extensions": {"cost": {"requestedQueryCost": requested, "throttleStatus": status}}}


async def test_a_ping_proves_the_shop() -> None:
    async with a_script(HERE) as (script, room):
        await room.ping()
    assert script.tokens == ["sandbox-token"]


async def test_credentials_of_another_shop_open_the_circuit() -> None:
    async with a_script({"data": {"shop": {"myshopifyDomain": "other.myshopify.com"}}}) as (_, room):
        with pytest.raises(OpenCircuit, match=r"other\.myshopify\.com"):
            await room.ping()


@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        ((401, "{}"), OpenCircuit),
        ((402, "{}"), OpenCircuit),
        ((403, "{}"), OpenCircuit),
        ((404, "{}"), OpenCircuit),
        ((423, "{}"), OpenCircuit),
        ((430, "{}"), OpenCircuit),
        ((429, "{}"), Retry),
        ((500, "<html>"), Retry),
        ((502, "<html>"), Retry),
        ((503, ""), Retry),
        ((200, "<html>Log in</html>"), OpenCircuit),
        ((200, ""), OpenCircuit),
        ((200, "[]"), OpenCircuit),
        ((200, "[" * 50_000), OpenCircuit),
        ({"data": None}, OpenCircuit),
        ({"errors": "[API] Invalid API key or access token"}, OpenCircuit),
        (failing("INTERNAL_SERVER_ERROR"), Retry),
        (failing("SHOP_INACTIVE"), OpenCircuit),
        (failing("undefinedField"), OpenCircuit),
        (failing("ACCESS_DENIED", path=["shop"], data={"shop": None}), OpenCircuit),
    ],
)
async def test_a_status_or_an_error_becomes_the_right_decision(answer: Any, decision: type[BridgeError]) -> None:
    async with a_script(answer) as (_, room):
        with pytest.raises(decision):
            await room.ping()


async def test_a_missing_scope_is_named() -> None:
    denied = failing("ACCESS_DENIED", path=["shop"], data={"shop": None}, requiredAccess="`read_orders` access scope.")
    async with a_script(denied) as (_, room):
        with pytest.raises(OpenCircuit, match=r"shop; it needs `read_orders`"):
            await room.ping()


async def test_throttled_inside_a_200_waits_and_asks_again() -> None:
    throttled = costing(60, available=0, rate=2000, **failing("THROTTLED"))
    async with a_script(throttled, throttled, HERE) as (script, room):
        await room.ping()
    assert len(script.asked) == 3


async def test_throttled_for_longer_than_patience_is_left_to_the_caller() -> None:
    throttled = costing(900, available=0, rate=10, **failing("THROTTLED"))
    async with a_script(throttled) as (_, room):
        with pytest.raises(Retry) as caught:
            await room.ping()
    assert caught.value.after == timedelta(seconds=90)


async def test_points_known_to_be_missing_are_waited_for_before_asking() -> None:
    async with a_script(costing(1000, available=0, rate=10, **HERE)) as (script, room):
        await room.ping()
        with pytest.raises(Retry) as caught:
            await room.ping()
    assert len(script.asked) == 1
    assert caught.value.after is not None
    assert timedelta(seconds=90) < caught.value.after <= timedelta(seconds=100)


async def test_points_that_have_come_back_meanwhile_are_counted() -> None:
    clock = Clock()
    async with a_script(costing(1000, available=0, rate=10, **HERE), HERE, clock=clock) as (script, room):
        await room.ping()
        clock.ahead += timedelta(seconds=100)
        await room.ping()
    assert len(script.asked) == 2


def test_whoever_waits_for_points_is_served_in_turn() -> None:
    """A dear question and a great many cheap ones share one bucket: the dear one is not overtaken for ever."""
    now = [datetime(2026, 11, 20, 12, tzinfo=UTC)]
    throttle = Throttle(lambda: now[0])
    status = {"maximumAvailable": 2000.0, "currentlyAvailable": 5.0, "restoreRate": 100.0}
    for document, points in (("dear", 900), ("cheap", 10)):
        throttle.learn(document, Cost.model_validate({"requestedQueryCost": points, "throttleStatus": status}))
    with throttle.turn("dear") as dear, throttle.turn("cheap") as cheap:
        assert throttle.wait(dear) == pytest.approx(8.95)
        assert throttle.wait(cheap) == pytest.approx(9.05)
        now[0] += timedelta(seconds=9)
        assert throttle.wait(dear) == 0
        assert throttle.wait(cheap) == pytest.approx(0.05)
    with throttle.turn("cheap") as cheap:
        assert throttle.wait(cheap) == 0


def test_what_is_read_in_bulk_leaves_half_of_the_points_and_lets_others_go_first() -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    throttle = Throttle(lambda: now)
    status = {"maximumAvailable": 2000.0, "currentlyAvailable": 1500.0, "restoreRate": 100.0}
    for document, points in (("page", 700), ("write", 10)):
        throttle.learn(document, Cost.model_validate({"requestedQueryCost": points, "throttleStatus": status}))
    with throttle.turn("page", bulk=True) as page, throttle.turn("write") as write:
        assert throttle.wait(write) == 0
        assert throttle.wait(page) == pytest.approx(2.1)
    with throttle.turn("page") as page:
        assert throttle.wait(page) == 0


async def test_a_static_token_that_is_refused_opens_the_circuit_at_once() -> None:
    async with a_script((401, "{}")) as (script, room):
        with pytest.raises(OpenCircuit, match="401"):
            await room.ping()
    assert len(script.asked) == 1


async def test_a_granted_token_is_renewed_once_on_a_refusal() -> None:
    async with a_script(HERE, (401, "{}"), HERE, **CREDENTIALS) as (script, room):
        await room.ping()
        await room.ping()
    assert script.tokens == ["granted-1", "granted-1", "granted-2"]


async def test_a_new_token_that_is_refused_too_opens_the_circuit() -> None:
    async with a_script((401, "{}"), (401, "{}"), **CREDENTIALS) as (script, room):
        with pytest.raises(OpenCircuit, match="401"):
            await room.ping()
    assert script.grants == 2


async def test_a_token_is_renewed_after_four_fifths_of_its_life() -> None:
    clock = Clock()
    async with a_script(HERE, HERE, HERE, clock=clock, **CREDENTIALS) as (script, room):
        await room.ping()
        clock.ahead = timedelta(hours=19)
        await room.ping()
        clock.ahead = timedelta(hours=19, minutes=13)
        await room.ping()
    assert script.tokens == ["granted-1", "granted-1", "granted-2"]


async def test_many_callers_share_one_grant() -> None:
    async with a_script(*[HERE] * 8, **CREDENTIALS) as (script, room), anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(room.ping)
    assert script.grants == 1


async def test_many_refused_callers_renew_once() -> None:
    async def by_token(request: Any) -> Any:
        old = request.headers["X-Shopify-Access-Token"] == "granted-1"
        return web.Response(status=401, text="{}") if old else web.json_response(HERE)

    async with a_script(*[by_token] * 12, **CREDENTIALS) as (script, room), anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(room.ping)
    assert script.grants == 2


async def test_wrong_credentials_open_the_circuit_and_are_not_quoted() -> None:
    wrong = {"client_id": "env:CLIENT_ID", "client_secret": "env:WRONG"}
    async with a_script(HERE, **wrong) as (_, room):
        with pytest.raises(OpenCircuit) as caught:
            await room.ping()
    assert "not-the-secret" not in str(caught.value)


async def test_user_errors_in_a_200_are_a_refusal() -> None:
    standing = {"data": {"webhookSubscriptions": {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}}}
    errors = [{"field": ["webhookSubscription", "uri"], "message": "is not allowed"}]
    refused = {"data": {"webhookSubscriptionCreate": {"webhookSubscription": None, "userErrors": errors}}}
    async with a_script(standing, refused, topics=["orders/create"]) as (_, room):
        with pytest.raises(BridgeError, match=r"webhookSubscription\.uri: is not allowed"):
            await room.keeper.keep("https://bridge.example.com")


def a_list(count: int, *, more: bool = False, end: str | None = None) -> dict[str, Any]:
    stamp = "2026-11-20T12:00:00Z"
    nodes = [{"id": f"gid://shopify/Order/{at}", "updatedAt": stamp, "createdAt": stamp} for at in range(count)]
    return {"data": {"orders": {"nodes": nodes, "pageInfo": {"hasNextPage": more, "endCursor": end}}}}


async def test_a_page_too_costly_is_halved_and_stays_halved() -> None:
    async with a_script(failing("MAX_COST_EXCEEDED"), failing("MAX_COST_EXCEEDED"), a_list(1), a_list(1)) as (
        script,
        room,
    ):
        for _ in range(2):
            assert [page async for page in room.orders.lists[0].pages("")]
    assert [asked["variables"]["first"] for asked in script.asked] == [250, 125, 62, 62]


async def test_a_list_that_says_more_and_does_not_go_on_opens_the_circuit() -> None:
    async with a_script(a_list(2, more=True, end="c"), a_list(2, more=True, end="c")) as (_, room):
        with pytest.raises(OpenCircuit) as caught:
            [page async for page in room.orders.lists[0].pages("")]
    assert caught.value.by_content


async def test_a_page_that_repeats_under_another_cursor_opens_the_circuit() -> None:
    async with a_script(a_list(2, more=True, end="c"), a_list(2, more=True, end="d")) as (script, room):
        with pytest.raises(OpenCircuit) as caught:
            [page async for page in room.orders.lists[0].pages("")]
    assert caught.value.by_content
    assert len(script.asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        {"data": {"shop": None}},
        {"data": {"shop": []}},
        {"data": {"shop": {}}},
        {"data": {"shop": {"userErrors": [1]}}},
        {"data": {"shop": {"userErrors": 1}}},
        {"errors": [{"message": "x", "extensions": {"code": []}, "path": 1}]},
    ],
)
async def test_an_answer_built_otherwise_than_the_schema_says_opens_the_circuit(answer: Any) -> None:
    async with a_script(answer) as (_, room):
        with pytest.raises(OpenCircuit):
            await room.ping()


async def test_rows_that_are_no_list_open_the_circuit() -> None:
    page = {"hasNextPage": False, "endCursor": None}
    odd: list[Any] = [[], 1, {"nodes": []}, {"nodes": 1, "pageInfo": page}, {"nodes": [], "pageInfo": []}]
    for orders in odd:
        async with a_script({"data": {"orders": orders}}) as (_, room):
            with pytest.raises(OpenCircuit) as caught:
                [found async for found in room.orders.lists[0].pages("")]
        assert caught.value.by_content


async def test_a_token_that_an_answer_quotes_is_not_handed_on() -> None:
    async with a_script({"errors": [{"message": "cannot take sandbox-token"}]}) as (_, room):
        with pytest.raises(OpenCircuit, match=r"cannot take \(token\)"):
            await room.ping()


async def test_nothing_listening_is_tried_again_later() -> None:
    async with a_script() as (script, _):
        pass
    room = a_room(script.url)
    with pytest.raises(Retry):
        await room.ping()
    await room.aclose()
