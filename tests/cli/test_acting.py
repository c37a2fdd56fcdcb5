"""Commands that act: the count first, then a question, then the running bridge does it, with who asked."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from anyio import to_thread

from bcbridge.cli import main
from bcbridge.connectors.base import Notification
from bcbridge.model.acts import ActResult, LeftOut, NotFound, Refusal, Resolution, Selection, Word
from bcbridge.model.person import Whose
from bcbridge.store.db import Store
from bcbridge.store.views import FlowPulse, Pulse
from bcbridge.web.app import Front, Parts
from bcbridge.web.protocols import Figure, IncidentActs, ReconcileActs, StockActs, Unconfirmed
from bcbridge.web.server import serving_owner
from tests.stores import empty_store

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@dataclass
class Bridge:
    """A running bridge as the command line sees it: writes down what it was asked."""

    done: list[tuple[object, ...]] = field(default_factory=list)
    counted: int = 0
    matched: int = 2
    fault: Exception | None = None

    def _answer(self, *asked: object, dry_run: bool) -> ActResult:
        if self.fault is not None:
            raise self.fault
        if dry_run:
            self.counted += 1
        else:
            self.done.append(asked)
        left_out = (LeftOut(order="#2", reason="a document is on its way (accepted)"),)
        done = 0 if dry_run else self.matched
        return ActResult(matched=self.matched, done=done, orders=("#1",), left_out=left_out)

    async def retry(self, selection: Selection, *, who: str, dry_run: bool) -> ActResult:
        return self._answer("retry", selection, who, dry_run=dry_run)

    async def skip(self, selection: Selection, *, why: str, who: str, dry_run: bool) -> ActResult:
        return self._answer("skip", selection, why, who, dry_run=dry_run)

    async def agree(self, order: str, *, why: str, who: str, dry_run: bool) -> ActResult:
        return self._answer("agree", order, why, who, dry_run=dry_run)

    async def resolve(self, order: str, resolution: Resolution, *, why: str, who: str, dry_run: bool) -> ActResult:
        return self._answer("resolve", order, resolution, why, who, dry_run=dry_run)

    async def confirm(self, write: str, *, why: str, who: str, dry_run: bool) -> ActResult:
        return self._answer("confirm", write, why, who, dry_run=dry_run)

    async def set_mapping(
        self, table: str, channel: str, key: str, value: str, *, who: str, dry_run: bool
    ) -> ActResult:
        return self._answer("set_mapping", table, channel, key, value, who, dry_run=dry_run)

    async def erase(self, whose: Whose, *, why: str, who: str, dry_run: bool) -> ActResult:
        return self._answer("erase", whose, why, who, dry_run=dry_run)

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
        return self._answer("note_backup", file, who, dry_run=dry_run)

    async def take(self, connector: str, notification: Notification, body_hash: str) -> None: ...

    def pulses(self) -> Sequence[Pulse]:
        return []

    def flows(self) -> Sequence[FlowPulse]:
        return [FlowPulse("orders", "shop", NOW)]

    def unconfirmed(self) -> Sequence[Unconfirmed]:
        return [Unconfirmed("bluecherry.orders", "sales orders by po_num")]

    def notes(self) -> Sequence[str]:
        return ()

    def stopped(self) -> Sequence[str]:
        return []

    def figures(self) -> Sequence[Figure]:
        return []


@pytest.fixture
def bridge() -> Bridge:
    return Bridge()


@pytest.fixture
async def config(tmp_path: Path, bridge: Bridge) -> AsyncIterator[Path]:
    file = tmp_path / "config.toml"
    file.touch()
    async with Store(empty_store(tmp_path / "var/bcbridge.db")).opened() as store:
        await store.write(
            lambda tx: tx.execute(
                """INSERT INTO orders (connector, ref, name, state, since, first_seen)
                VALUES ('shopify_us', 'r1', '#1', 'in_doubt', ?, ?)""",
                ("2026-11-21T08:00:00.000000Z", "2026-11-21T08:00:00.000000Z"),
            )
        )
        parts = Parts(store, {}, bridge, bridge, bridge, bridge, lambda: NOW, NOW)
        async with serving_owner(Front(parts).owner(), tmp_path / "var/bcbridge.sock"):
            yield file


async def cli(config: Path, *arguments: str) -> int:
    def run() -> int:
        try:
            main([*arguments, "--config", str(config)])
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0

    return await to_thread.run_sync(run)


@pytest.fixture(autouse=True)
def ann(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ann")


async def test_retry_shows_the_count_and_what_is_left_out_then_asks(
    config: Path, bridge: Bridge, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert await cli(config, "retry", "--cause", "ship_via/Air") == 1
    said = capsys.readouterr().out
    assert "2 orders" in said
    assert "#2: a document is on its way (accepted)" in said
    assert bridge.done == []
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert await cli(config, "retry", "--cause", "ship_via/Air") == 0
    assert bridge.done == [("retry", Selection(cause="ship_via/Air"), "ann")]


async def test_skip_records_why_and_who(config: Path, bridge: Bridge) -> None:
    assert await cli(config, "skip", "#1", "1002", "--why", "test order", "--yes") == 0
    assert bridge.done == [("skip", Selection(orders=("#1", "1002")), "test order", "ann")]


async def test_a_dry_run_only_counts(config: Path, bridge: Bridge, capsys: pytest.CaptureFixture[str]) -> None:
    assert await cli(config, "retry", "--all", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["matched"] == 2
    assert (bridge.counted, bridge.done) == (1, [])


async def test_in_json_the_answer_is_what_was_done(
    config: Path, bridge: Bridge, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await cli(config, "retry", "--all", "--yes", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["done"], facts["left_out"][0]["order"]) == (2, "#2")


async def test_nothing_to_do_it_to_is_exit_3(config: Path, bridge: Bridge) -> None:
    bridge.matched = 0
    assert await cli(config, "retry", "--code", "unknown_sku", "--yes") == 3
    assert bridge.done == []


@pytest.mark.parametrize(
    ("arguments", "resolution"),
    [
        (("--booked", "SO1"), Resolution(word=Word.BOOKED, number="SO1")),
        (("--absent",), Resolution(word=Word.ABSENT)),
        (("--rebook",), Resolution(word=Word.REBOOK)),
    ],
)
async def test_resolve_shows_the_order_and_takes_a_persons_word(
    config: Path,
    bridge: Bridge,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    resolution: Resolution,
) -> None:
    assert await cli(config, "resolve", "1", *arguments, "--why", "looked", "--yes") == 0
    assert bridge.done == [("resolve", "1", resolution, "looked", "ann")]
    assert "in doubt" in capsys.readouterr().out


async def test_confirm_lists_what_waits_and_confirms_one(
    config: Path, bridge: Bridge, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await cli(config, "confirm") == 0
    assert "sales orders by po_num" in capsys.readouterr().out
    assert await cli(config, "confirm", "bluecherry.orders", "--why", "seen on staging", "-y") == 0
    assert bridge.done == [("confirm", "bluecherry.orders", "seen on staging", "ann")]


async def test_a_mapping_is_set_for_a_channel_or_for_all(config: Path, bridge: Bridge) -> None:
    assert await cli(config, "mappings", "set", "ship_via", "Air", "FXO", "--channel", "shopify_us", "-y") == 0
    assert await cli(config, "mappings", "set", "ship_via", "Air", "FXO", "-y") == 0
    assert bridge.done == [
        ("set_mapping", "ship_via", "shopify_us", "Air", "FXO", "ann"),
        ("set_mapping", "ship_via", "", "Air", "FXO", "ann"),
    ]


@pytest.mark.parametrize(("fault", "code"), [(NotFound("no order #9"), 3), (Refusal("it is booked"), 1)])
async def test_a_refusal_is_told_in_the_bridges_words(
    config: Path, bridge: Bridge, capsys: pytest.CaptureFixture[str], fault: Exception, code: int
) -> None:
    bridge.fault = fault
    assert await cli(config, "retry", "#9", "--yes") == code
    assert str(fault) in capsys.readouterr().err
