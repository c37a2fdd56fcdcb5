"""Health, readiness, metrics and acts, over real HTTP and a real store."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bcbridge.connectors.base import Notification
from bcbridge.errors import Misconfigured, Mistake, StoreBusy
from bcbridge.model.acts import ActResult, LeftOut, NotFound, Refusal, Resolution, Selection
from bcbridge.model.person import Whose
from bcbridge.store.db import Store
from bcbridge.store.views import FlowPulse, Pulse
from bcbridge.web.app import Front, Parts
from bcbridge.web.protocols import Figure, IncidentActs, ReconcileActs, StockActs, Unconfirmed
from bcbridge.web.server import serving, serving_owner
from tests.stores import empty_store

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
WELL = Pulse("shop", "shopify", last_success=NOW - timedelta(seconds=5), poll_every_seconds=15)


@dataclass
class Vital:
    beats: list[Pulse] = field(default_factory=lambda: [WELL])
    waiting: list[Unconfirmed] = field(default_factory=list)
    standing: list[str] = field(default_factory=list)

    def pulses(self) -> Sequence[Pulse]:
        return self.beats

    def flows(self) -> Sequence[FlowPulse]:
        return [FlowPulse("orders", "shop", NOW)]

    def unconfirmed(self) -> Sequence[Unconfirmed]:
        return self.waiting

    def notes(self) -> Sequence[str]:
        return ()

    def stopped(self) -> Sequence[str]:
        return self.standing

    def figures(self) -> Iterable[Figure]:
        yield Figure("documents_total", "counter", "Documents", 3, {"connector": "erp", "outcome": "posted"})
        yield Figure("documents_total", "counter", "Documents", 1, {"connector": "erp", "outcome": "refused"})


class Nobody:
    async def take(self, connector: str, notification: Notification, body_hash: str) -> None: ...


@dataclass
class Said:
    """Acts that write down what they were asked."""

    asked: list[tuple[object, ...]] = field(default_factory=list)
    fault: Exception | None = None

    def _done(self, *asked: object) -> ActResult:
        if self.fault is not None:
            raise self.fault
        self.asked.append(asked)
        return ActResult(matched=2, done=1, orders=("#1",), left_out=(LeftOut(order="#2", reason="on its way"),))

    async def retry(self, selection: Selection, *, who: str, dry_run: bool) -> ActResult:
        return self._done("retry", selection, who, dry_run)

    async def skip(self, selection: Selection, *, why: str, who: str, dry_run: bool) -> ActResult:
        return self._done("skip", selection, why, who, dry_run)

    async def resolve(self, order: str, resolution: Resolution, *, why: str, who: str, dry_run: bool) -> ActResult:
        return self._done("resolve", order, resolution, why, who, dry_run)

    async def agree(self, order: str, *, why: str, who: str, dry_run: bool) -> ActResult:
        return self._done("agree", order, why, who, dry_run)

    async def confirm(self, write: str, *, why: str, who: str, dry_run: bool) -> ActResult:
        return self._done("confirm", write, why, who, dry_run)

    async def set_mapping(
        self, table: str, channel: str, key: str, value: str, *, who: str, dry_run: bool
    ) -> ActResult:
        return self._done("set_mapping", table, channel, key, value, who, dry_run)

    async def erase(self, whose: Whose, *, why: str, who: str, dry_run: bool) -> ActResult:
        return self._done("erase", whose, why, who, dry_run)

    @property
    def incidents(self) -> IncidentActs:
        raise AssertionError("nobody acts on incidents here")

    @property
    def stock(self) -> StockActs:
        raise AssertionError("nobody acts on stock here")

    @property
    def reconciling(self) -> ReconcileActs:
        raise AssertionError("nobody reconciles here")

    async def note_backup(self, file: str, *, who: str, dry_run: bool) -> ActResult:
        return self._done("note_backup", file, who, dry_run)


@pytest.fixture
def vital() -> Vital:
    return Vital()


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(empty_store(tmp_path / "bcbridge.db")).opened() as opened:
        yield opened


@pytest.fixture
def front(store: Store, vital: Vital, said: Said) -> Front:
    parts = Parts(
        store=store,
        webhooks={},
        intake=Nobody(),
        acts=said,
        vitals=vital,
        figures=vital,
        now=lambda: NOW,
        started_at=NOW,
    )
    return Front(parts)


@pytest.fixture
async def client(front: Front) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(front.public(), host="127.0.0.1", port=0) as address,
        httpx.AsyncClient(base_url=address, trust_env=False) as opened,
    ):
        yield opened


@asynccontextmanager
async def owner(front: Front, path: Path) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with (
        serving_owner(front.owner(), path),
        httpx.AsyncClient(transport=transport, base_url="http://bridge") as opened,
    ):
        yield opened


async def test_health_names_the_process(client: httpx.AsyncClient) -> None:
    said = (await client.get("/health")).json()
    assert (said["status"], said["pid"], said["started_at"]) == ("ok", os.getpid(), "2026-11-21T09:00:00.000000Z")


async def test_health_is_well_when_the_store_is_not(client: httpx.AsyncClient, store: Store) -> None:
    await store.write(lambda tx: tx.execute("ALTER TABLE cursors RENAME TO gone"))
    assert (await client.get("/health")).status_code == 200
    answer = await client.get("/ready")
    assert answer.status_code == 503
    assert "store cannot be read" in answer.json()["why"][0]
    await store.write(lambda tx: tx.execute("ALTER TABLE gone RENAME TO cursors"))


async def test_ready_when_everything_moves(client: httpx.AsyncClient) -> None:
    answer = await client.get("/ready")
    assert (answer.status_code, answer.json()["why"]) == (200, [])
    assert answer.json()["connectors"][0]["lag_seconds"] == 5
    (flow,) = answer.json()["flows"]
    assert (flow["flow"], flow["connector"], flow["lag_seconds"], flow["waiting"]) == ("orders", "shop", 0, 0)


@pytest.mark.parametrize(
    ("pulse", "word"),
    [
        (Pulse("erp", "bluecherry", circuit="open", why="the key was refused"), "the key was refused"),
        (Pulse("erp", "bluecherry"), "not answered yet"),
        (Pulse("erp", "bluecherry", why="answered 503"), "not answered yet: answered 503"),
        (
            Pulse("erp", "x", why="no answer in time", last_success=NOW - timedelta(hours=1), poll_every_seconds=15),
            "last read 3600 s ago: no answer in time",
        ),
        (Pulse("erp", "bluecherry", last_success=NOW - timedelta(hours=1), poll_every_seconds=15), "last read 3600 s"),
    ],
)
async def test_not_ready_says_which_connection_and_why(
    client: httpx.AsyncClient, vital: Vital, pulse: Pulse, word: str
) -> None:
    vital.beats = [WELL, pulse]
    answer = await client.get("/ready")
    assert answer.status_code == 503
    (why,) = answer.json()["why"]
    assert "erp" in why
    assert word in why


async def test_a_connection_switched_off_does_not_make_it_unready(client: httpx.AsyncClient, vital: Vital) -> None:
    vital.beats = [WELL, Pulse("erp", "bluecherry", circuit="disabled")]
    assert (await client.get("/ready")).status_code == 200


async def test_unconfirmed_writes_are_named_with_their_read_back(client: httpx.AsyncClient, vital: Vital) -> None:
    vital.waiting = [Unconfirmed("bluecherry.orders", "sales orders by po_num")]
    answer = await client.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["unconfirmed_writes"] == [
        {"write": "bluecherry.orders", "read_back": "sales orders by po_num", "books": True}
    ]


async def test_metrics_are_prometheus_text(client: httpx.AsyncClient, vital: Vital, store: Store) -> None:
    await store.write(
        lambda tx: tx.execute(
            """INSERT INTO orders (connector, ref, name, state, code, problems, since, first_seen)
            VALUES ('shop', 'r', '#1', 'blocked', 'unknown_sku',
                    '[{"code": "unknown_sku", "cause": "sku/1"}, {"code": "unknown_sku", "cause": "sku/2"}]', ?, ?)""",
            ("2026-11-21T08:00:00.000000Z", "2026-11-21T08:00:00.000000Z"),
        )
    )
    await client.post("/hooks/nobody/x")
    answer = await client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    samples = {(s.name, *s.labels.values()): s.value for family in families.values() for s in family.samples}
    assert samples["bcbridge_orders", "shop", "blocked"] == 1
    assert samples["bcbridge_orders_blocked", "unknown_sku"] == 2
    assert samples["bcbridge_webhooks_total", "unknown", "unknown_connector"] == 1
    assert samples["bcbridge_documents_total", "erp", "posted"] == 3
    assert samples["bcbridge_store_wal_bytes",] > 0
    assert samples["bcbridge_last_success_seconds", "shop"] == 5


async def test_acts_are_not_served_to_the_public(client: httpx.AsyncClient) -> None:
    assert (await client.post("/acts/retry", json={})).status_code == 404


async def test_only_its_owner_may_open_the_socket(front: Front, tmp_path: Path) -> None:
    path = tmp_path / "var" / "b.sock"
    async with owner(front, path) as opened:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert (await opened.get("/health")).status_code == 200
    assert not path.exists()


async def test_a_socket_left_by_a_killed_bridge_is_replaced(front: Front, tmp_path: Path) -> None:
    path = tmp_path / "b.sock"
    path.touch()
    async with owner(front, path) as opened:
        assert (await opened.get("/health")).status_code == 200


async def test_an_act_reaches_the_bridge_with_who_asked(front: Front, said: Said, tmp_path: Path) -> None:
    async with owner(front, tmp_path / "b.sock") as opened:
        ask = {"selection": {"orders": ["#1", "#2"]}, "who": "ann", "why": "test order", "dry_run": True}
        answer = await opened.post("/acts/skip", json=ask)
    assert answer.status_code == 200
    assert answer.json()["left_out"] == [{"order": "#2", "reason": "on its way"}]
    assert said.asked == [("skip", Selection(orders=("#1", "#2")), "test order", "ann", True)]


@pytest.mark.parametrize(
    ("act", "ask", "status"),
    [
        ("unknown", {}, 404),
        ("retry", {}, 400),
        ("retry", {"selection": {"order": ["#1"]}, "who": "ann"}, 400),
        ("skip", {"selection": {"all": True}, "who": "ann"}, 400),
        ("skip", {"selection": {"all": True}, "who": "ann", "why": ""}, 400),
        ("resolve", {"order": "#1", "resolution": {"word": "perhaps"}, "who": "ann", "why": "x"}, 400),
        ("confirm", {"write": "bluecherry.orders", "why": "seen"}, 400),
    ],
)
async def test_an_act_that_says_too_little_is_refused(
    front: Front, said: Said, tmp_path: Path, act: str, ask: dict[str, object], status: int
) -> None:
    async with owner(front, tmp_path / "b.sock") as opened:
        answer = await opened.post(f"/acts/{act}", json=ask)
    assert (answer.status_code, said.asked) == (status, [])
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (NotFound("no order answers to #9"), 404),
        (Refusal("it is booked"), 409),
        (Misconfigured([Mistake("ship_via", "no such table")]), 422),
        (StoreBusy("disk full"), 503),
    ],
)
async def test_what_an_act_cannot_do_is_said_in_words(
    front: Front, said: Said, tmp_path: Path, fault: Exception, status: int
) -> None:
    said.fault = fault
    async with owner(front, tmp_path / "b.sock") as opened:
        ask = {"selection": {"orders": ["#9"]}, "who": "ann"}
        answer = await opened.post("/acts/retry", json=ask)
    assert answer.status_code == status
    assert str(fault) in answer.json()["error"]


async def test_a_port_somebody_holds_is_named(front: Front) -> None:
    async with serving(front.public(), host="127.0.0.1", port=0) as address:
        port = int(address.rpartition(":")[2])
        with pytest.raises(Misconfigured, match=f"web.port: cannot listen on 127.0.0.1:{port}"):
            async with serving(front.public(), host="127.0.0.1", port=port):
                pass


async def test_a_socket_path_too_long_for_the_system_is_named(front: Front, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"web\.socket: the path is too long"):
        async with serving_owner(front.owner(), tmp_path / ("x" * 120)):
            pass
