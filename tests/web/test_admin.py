"""The admin door: nobody without a token, who may look may not act, and who acts is known by the token's name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import structlog

from bcbridge.model.acts import Selection
from bcbridge.store import acts
from bcbridge.store.db import Store
from bcbridge.web.admin import ADDRESSES, FAILURES, WITHIN, Keys, Token, in_the_name_of
from bcbridge.web.app import Front, Parts
from bcbridge.web.server import serving
from tests.stores import empty_store
from tests.web.test_front import Nobody, Said, Vital

READING, ACTING = "r" * 32, "a" * 32
STAMP = "2026-11-21T08:00:00.000000Z"
RETRY = {"selection": {"orders": ["#1"]}, "who": "somebody else"}
READS = ("/health", "/ready", "/metrics", "/exceptions", "/orders/%231001", "/acts")


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as opened:
        await opened.write(
            lambda tx: tx.execute(
                """INSERT INTO orders (connector, ref, name, state, code, problems, since, first_seen)
                VALUES ('shop', 'r1', '#1001', 'blocked', 'unknown_sku',
                        '[{"code": "unknown_sku", "cause": "sku/1", "subject": "line", "text": "no such"}]', ?, ?)""",
                (STAMP, STAMP),
            )
        )
        yield opened


@asynccontextmanager
async def door(front: Front, keys: Keys) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(front.admin(keys), host="127.0.0.1", port=0) as address,
        httpx.AsyncClient(base_url=address, trust_env=False) as opened,
    ):
        yield opened


@pytest.fixture
async def client(store: Store, said: Said, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    vital = Vital()
    parts = Parts(
        store=store,
        webhooks={},
        intake=Nobody(),
        acts=said,
        vitals=vital,
        figures=vital,
        now=clock,
        started_at=clock(),
    )
    tokens = [Token.of("grafana", "read", READING), Token.of("ann", "act", ACTING)]
    async with door(Front(parts), Keys(tokens, now=clock)) as opened:
        yield opened


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


# -- who comes in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*READS, "/hooks/shop", "/nowhere"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": f"Bearer {READING[1:]}"}, {"Authorization": READING}, {"Authorization": f"Basic {READING}"}],
)
async def test_nothing_is_found_without_a_token(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
    answer = await client.get(path, headers=headers)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "token" in answer.json()["error"]


@pytest.mark.parametrize("secret", [READING, ACTING])
@pytest.mark.parametrize("path", READS)
async def test_every_token_may_look(client: httpx.AsyncClient, path: str, secret: str) -> None:
    assert (await client.get(path, headers=bearer(secret))).status_code == 200


async def test_who_may_look_may_not_act(client: httpx.AsyncClient, said: Said) -> None:
    answer = await client.post("/acts/retry", json=RETRY, headers=bearer(READING))
    assert (answer.status_code, said.asked) == (403, [])
    assert answer.json()["error"] == "the token grafana may look, not act"


async def test_who_acts_is_known_by_the_token_s_name_whatever_the_request_says(
    client: httpx.AsyncClient, said: Said
) -> None:
    answer = await client.post("/acts/retry", json=RETRY, headers=bearer(ACTING))
    assert answer.status_code == 200
    assert said.asked == [("retry", Selection(orders=("#1",)), "ann", False)]


@pytest.mark.parametrize("body", [b"", b"[]", b"not json", b'"text"'])
async def test_an_act_that_is_no_object_is_refused_as_that(client: httpx.AsyncClient, said: Said, body: bytes) -> None:
    answer = await client.post("/acts/retry", content=body, headers=bearer(ACTING))
    assert (answer.status_code, said.asked) == (400, [])
    assert in_the_name_of("ann", body) == body


async def test_notifications_do_not_come_in_here(client: httpx.AsyncClient) -> None:
    assert (await client.post("/hooks/shop", content=b"{}", headers=bearer(ACTING))).status_code == 404


# -- who tries -----------------------------------------------------------------------------------------------------


async def test_who_fails_too_often_is_not_listened_to_for_a_while(client: httpx.AsyncClient, clock: Clock) -> None:
    for _ in range(FAILURES):
        assert (await client.get("/ready", headers=bearer("wrong"))).status_code == 401
    answer = await client.get("/ready", headers=bearer(READING))
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= WITHIN.total_seconds() + 1
    clock.at += WITHIN
    assert (await client.get("/ready", headers=bearer(READING))).status_code == 200


async def test_a_token_that_was_shown_is_not_in_the_log(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as lines:
        for secret in ("canary-secret", READING, ACTING):
            await client.get("/ready", headers=bearer(secret))
    assert [line["event"] for line in lines] == ["admin_refused"]
    assert not any(secret in str(lines) for secret in ("canary", READING, ACTING))


def test_failures_of_one_address_are_not_another_s(clock: Clock) -> None:
    keys = Keys([], now=clock)
    for _ in range(FAILURES):
        keys.failed("192.0.2.1")
    assert keys.wait("192.0.2.1") == WITHIN
    assert keys.wait("192.0.2.2") is None


def test_a_failure_now_and_then_locks_nobody_out(clock: Clock) -> None:
    keys = Keys([], now=clock)
    for _ in range(5 * FAILURES):
        keys.failed("192.0.2.1")
        clock.at += WITHIN / 2
    assert keys.wait("192.0.2.1") is None


def test_many_addresses_fill_no_memory(clock: Clock) -> None:
    keys = Keys([], now=clock)
    for number in range(2 * ADDRESSES):
        keys.failed(f"2001:db8::{number:x}")
    assert len(keys._failures) == ADDRESSES


def test_only_a_hash_of_a_token_is_kept() -> None:
    token = Token.of("ann", "act", ACTING)
    assert ACTING not in repr(token)
    keys = Keys([token], now=lambda: datetime.now(UTC))
    assert keys.whose(ACTING) is token
    assert keys.whose("") is None


# -- what is shown -------------------------------------------------------------------------------------------------


async def test_exceptions_and_orders_have_the_keys_of_the_command_line(client: httpx.AsyncClient) -> None:
    found = (await client.get("/exceptions", headers=bearer(READING))).json()
    assert (found["blocked_orders"], found["groups"][0]["cause"]) == (1, "sku/1")
    assert (await client.get("/exceptions?channel=other", headers=bearer(READING))).json()["blocked_orders"] == 0
    order = (await client.get("/orders/%231001", headers=bearer(READING))).json()
    assert (order["name"], order["state"], order["problems"][0]["code"]) == ("#1001", "blocked", "unknown_sku")


async def test_an_order_that_nobody_knows_is_404_without_an_echo(client: httpx.AsyncClient) -> None:
    answer = await client.get("/orders/canary", headers=bearer(READING))
    assert answer.status_code == 404
    assert "canary" not in answer.text


async def test_acts_are_shown_the_newest_first(client: httpx.AsyncClient, store: Store, clock: Clock) -> None:
    for target in ("first", "second"):
        await store.write(
            lambda tx, target=target: acts.write_down(  # type: ignore[misc]
                tx, who="ann", act="mapping", target=target, before=None, after="UPG", now=clock()
            )
        )
    shown = (await client.get("/acts?limit=1", headers=bearer(READING))).json()
    assert [(one["target"], one["before"], one["after"]) for one in shown] == [("second", None, "UPG")]


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1001", "9" * 30])
async def test_a_limit_is_bounded(client: httpx.AsyncClient, limit: str) -> None:
    assert (await client.get(f"/acts?limit={limit}", headers=bearer(READING))).status_code == 400


async def test_a_store_that_cannot_be_read_is_503(client: httpx.AsyncClient, store: Store) -> None:
    await store.write(lambda tx: tx.execute("ALTER TABLE acts RENAME TO gone"))
    assert (await client.get("/acts", headers=bearer(READING))).status_code == 503


async def test_the_public_door_shows_no_figures_where_others_reach_it(store: Store, clock: Clock, said: Said) -> None:
    vital = Vital()
    parts = Parts(store, {}, Nobody(), said, vital, vital, now=clock, started_at=clock())
    app = Front(parts).public(figures=False)
    async with serving(app, host="127.0.0.1", port=0) as address, httpx.AsyncClient(base_url=address) as client:
        statuses = {path: (await client.get(path)).status_code for path in ("/health", "/ready", "/metrics", "/acts")}
    assert statuses == {"/health": 200, "/ready": 404, "/metrics": 404, "/acts": 404}
