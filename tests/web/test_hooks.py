"""The webhook's door: verified over the raw request, on disk, then answered; what is refused leaves nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import httpx
import pytest
import structlog
from aiohttp import web

from bcbridge.connectors.base import Notification, RawRequest, Refused
from bcbridge.errors import StoreBusy
from bcbridge.model.ids import Noun, Ref
from bcbridge.web.hooks import Hooks
from bcbridge.web.server import serving

SECRET = b"s3cret"
LIMIT = 4096


class Signed:
    """A webhook whose header ``x-sign`` is the HMAC of its body."""

    def open(self, request: RawRequest) -> Notification | Refused:
        given = request.headers.get("x-sign")
        if given is None:
            return Refused(401, "unsigned")
        if not hmac.compare_digest(given, sign(request.body)):
            return Refused(401, "wrong_signature")
        try:
            ref = Ref(str(json.loads(request.body)["id"]))
        except (ValueError, KeyError, TypeError):
            return Refused(400, "malformed")
        return Notification("orders/paid", request.headers["x-id"], Noun("orders"), ref, None)


def sign(body: bytes) -> str:
    return hmac.new(SECRET, body, hashlib.sha256).hexdigest()


@dataclass
class Kept:
    """An intake in memory; ``busy`` for a store that cannot take it."""

    taken: list[tuple[str, str, str]] = field(default_factory=list)
    busy: bool = False
    hold: anyio.Event | None = None
    waiting: int = 0

    async def take(self, connector: str, notification: Notification, body_hash: str) -> None:
        self.waiting += 1
        if self.hold is not None:
            await self.hold.wait()
        if self.busy:
            raise StoreBusy("disk full")
        self.taken.append((connector, str(notification.ref), body_hash))


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def hooks(kept: Kept) -> Hooks:
    return Hooks({"shop": Signed()}, kept, body_limit_bytes=LIMIT, bodies_at_once=2, body_within_seconds=0.5)


@pytest.fixture
async def client(hooks: Hooks) -> AsyncIterator[httpx.AsyncClient]:
    app = web.Application(client_max_size=LIMIT)
    app.add_routes(hooks.routes())
    async with (
        serving(app, host="127.0.0.1", port=0) as address,
        httpx.AsyncClient(base_url=address, trust_env=False, timeout=20) as opened,
    ):
        yield opened


def headers(body: bytes) -> dict[str, str]:
    return {"X-Sign": sign(body), "X-Id": "1", "Content-Type": "application/json"}


async def test_a_signed_webhook_is_kept_before_it_is_answered(client: httpx.AsyncClient, kept: Kept) -> None:
    body = b'{"id": 1001}'
    answer = await client.post("/hooks/shop/orders", content=body, headers=headers(body))
    assert answer.status_code == 200
    assert kept.taken == [("shop", "1001", hashlib.sha256(body).hexdigest())]


async def test_no_answer_before_the_commit(client: httpx.AsyncClient, kept: Kept) -> None:
    kept.hold = anyio.Event()
    body = b'{"id": 1}'
    with pytest.raises(httpx.ReadTimeout):
        await client.post("/hooks/shop", content=body, headers=headers(body), timeout=0.3)
    kept.hold.set()


@pytest.mark.parametrize(
    ("given", "status", "outcome"),
    [({}, 401, "unsigned"), ({"X-Sign": "0" * 64}, 401, "wrong_signature")],
)
async def test_what_is_not_signed_is_refused_and_counted(
    client: httpx.AsyncClient, kept: Kept, hooks: Hooks, given: dict[str, str], status: int, outcome: str
) -> None:
    answer = await client.post("/hooks/shop/x", content=b'{"id": 1}', headers=given)
    assert (answer.status_code, kept.taken) == (status, [])
    assert hooks.counts.by_outcome == {("shop", outcome): 1}


async def test_one_flipped_byte_is_refused(client: httpx.AsyncClient, kept: Kept) -> None:
    answer = await client.post("/hooks/shop/x", content=b'{"id": 2}', headers=headers(b'{"id": 1}'))
    assert (answer.status_code, kept.taken) == (401, [])


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"name": "no id"}', b"\xff\xfe\x00"])
async def test_nonsense_with_a_good_signature_is_refused(
    client: httpx.AsyncClient, kept: Kept, hooks: Hooks, body: bytes
) -> None:
    answer = await client.post("/hooks/shop/x", content=body, headers=headers(body))
    assert (answer.status_code, kept.taken) == (400, [])
    assert hooks.counts.by_outcome["shop", "malformed"] == 1


async def test_a_body_over_the_limit_is_413(client: httpx.AsyncClient, kept: Kept, hooks: Hooks) -> None:
    body = b'{"id": 1}' + b" " * LIMIT
    answer = await client.post("/hooks/shop/x", content=body, headers=headers(body))
    assert (answer.status_code, kept.taken) == (413, [])
    assert hooks.counts.by_outcome["shop", "too_large"] == 1


async def test_a_body_that_hides_its_length_is_413_too(client: httpx.AsyncClient, kept: Kept) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 1000

    answer = await client.post("/hooks/shop/x", content=chunks(), headers={"X-Sign": "x"})
    assert (answer.status_code, kept.taken) == (413, [])


async def test_a_body_of_exactly_the_limit_is_let_in(client: httpx.AsyncClient, kept: Kept) -> None:
    body = b'{"id": 1}'.ljust(LIMIT)
    answer = await client.post("/hooks/shop/x", content=body, headers=headers(body))
    assert (answer.status_code, len(kept.taken)) == (200, 1)


async def test_a_compressed_body_is_verified_as_it_came(client: httpx.AsyncClient, kept: Kept) -> None:
    """Nothing is unpacked before the signature is checked: no bomb, and the bytes signed are the bytes sent."""
    body = b'{"id": 7}'
    answer = await client.post("/hooks/shop/x", content=body, headers={**headers(body), "Content-Encoding": "gzip"})
    assert (answer.status_code, len(kept.taken)) == (200, 1)


async def test_a_body_that_trickles_is_let_go_and_holds_no_room(
    client: httpx.AsyncClient, kept: Kept, hooks: Hooks
) -> None:
    ended = anyio.Event()

    async def drops() -> AsyncIterator[bytes]:
        while not ended.is_set():
            yield b" "
            await anyio.sleep(0.01)

    async def trickle() -> None:
        with suppress(httpx.HTTPError):  # it is answered 408 and closed, while this side is still sending
            await client.post("/hooks/shop/x", content=drops(), headers={"X-Sign": "x"})
        ended.set()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(trickle)
    body = b'{"id": 1}'
    assert (await client.post("/hooks/shop/x", content=body, headers=headers(body))).status_code == 200
    assert hooks.counts.by_outcome == {("shop", "slow_body"): 1, ("shop", "taken"): 1}


async def test_what_is_refused_again_and_again_is_counted_and_logged_once(
    client: httpx.AsyncClient, hooks: Hooks
) -> None:
    with structlog.testing.capture_logs() as lines:
        for _ in range(20):
            await client.post("/hooks/shop/x", content=b"{}", headers={"X-Sign": "canary"})
    assert hooks.counts.by_outcome["shop", "wrong_signature"] == 20
    assert [(line["event"], line["outcome"], line["times"]) for line in lines] == [
        ("webhook_refused", "wrong_signature", 1)
    ]


async def test_an_unknown_connector_is_404_under_one_name(client: httpx.AsyncClient, hooks: Hooks) -> None:
    for name in ("nobody", "somebody", "%2e%2e"):
        assert (await client.post(f"/hooks/{name}/x", content=b"")).status_code == 404
    assert set(hooks.counts.by_outcome) <= {("unknown", "unknown_connector")}


async def test_only_post_opens_the_door(client: httpx.AsyncClient) -> None:
    assert (await client.get("/hooks/shop/x")).status_code == 405


async def test_a_store_that_cannot_take_it_is_503_with_a_time_to_come_back(
    client: httpx.AsyncClient, kept: Kept, hooks: Hooks
) -> None:
    kept.busy = True
    body = b'{"id": 1}'
    answer = await client.post("/hooks/shop/x", content=body, headers=headers(body))
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert hooks.counts.by_outcome == {("shop", "store_busy"): 1}


async def test_more_bodies_than_there_is_room_for_are_503(client: httpx.AsyncClient, hooks: Hooks) -> None:
    body = b'{"id": 1}'
    go_on = anyio.Event()
    statuses: list[int] = []

    async def slow() -> AsyncIterator[bytes]:
        yield body[:4]
        await go_on.wait()
        yield body[4:]

    async def post() -> None:
        statuses.append((await client.post("/hooks/shop/x", content=slow(), headers=headers(body))).status_code)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(post)
        with anyio.fail_after(10):
            while hooks.counts.by_outcome["shop", "crowded"] < 3:
                await anyio.sleep(0.01)
        go_on.set()
    assert sorted(statuses) == [200, 200, 503, 503, 503]


async def test_those_that_wait_for_the_store_keep_nobody_from_the_door(client: httpx.AsyncClient, kept: Kept) -> None:
    kept.hold = anyio.Event()
    body = b'{"id": 1}'
    statuses: list[int] = []

    async def post() -> None:
        statuses.append((await client.post("/hooks/shop/x", content=body, headers=headers(body))).status_code)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(post)
        with anyio.fail_after(10):
            while kept.waiting < 5:
                await anyio.sleep(0.01)
        kept.hold.set()
    assert statuses == [200] * 5
