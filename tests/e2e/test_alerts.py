"""The bridge as it runs tells people: read from what Slack and the mail server received, whatever happens between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.world import World

pytestmark = pytest.mark.timeout(300)

PATIENCE_SECONDS = 90.0
SHIRT = "040123000013"
ALERTS = """
[watches]
every_seconds = 1
[alerts]
gather_seconds = 1
[alerts.teams.operations]
slack = "ops"
[alerts.teams.engineers]
slack = "ops"
email = "duty@example.com"
[alerts.slack.ops]
webhook = "file:var/sandbox/credentials/slack_webhook"
[alerts.smtp]
host = "127.0.0.1"
port = {smtp}
security = "none"
"""


@dataclass
class Telling(World):
    """A world whose bridge has a voice."""

    def configure(self, **ports: int) -> None:
        super().configure(**ports)
        with self.config.open("a") as file:
            file.write(ALERTS.format(**self.ports))

    def told(self, via: str, words: str) -> list[str]:
        return [one["text"] for one in self.messages() if one["via"] == via and words in one["subject"] + one["text"]]

    def tells(self, via: str, words: str) -> None:
        self.comes(lambda: bool(self.told(via, words)), f"{via} heard of {words}", within=PATIENCE_SECONDS)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Telling]:
    one = Telling(tmp_path)
    one.start_sandbox()
    one.run_bridge()
    try:
        yield one
    finally:
        one.kill_bridge()
        one.kill_sandbox()


def books(one: World, least: int) -> None:
    one.comes(lambda: len(one.booked()) >= least, f"{least} are booked", within=PATIENCE_SECONDS)


def test_a_paused_connection_and_its_end_are_told_once_on_both_ways(here: Telling) -> None:
    here.order(lines=[{"sku": SHIRT}])
    books(here, 1)
    here.faults(here.erp, rates={"key_401": 1})
    here.tells("slack", "[critical] A connection is paused: bluecherry")
    here.tells("smtp", "[critical] A connection is paused: bluecherry")
    here.faults(here.erp, clear=True)
    here.tells("slack", "[over] A connection is paused")
    here.tells("smtp", "[over] A connection is paused")
    assert len(here.told("slack", "[critical] A connection is paused")) == 1
    assert "Runbook: docs/runbook/circuit_open.md" in here.told("smtp", "[critical]")[0]


def test_a_slack_that_hangs_holds_up_neither_mails_nor_orders_and_a_kill_loses_nothing(here: Telling) -> None:
    here.faults(here.desk, rates={"slack_black_hole": 1})
    here.order(lines=[{"sku": SHIRT}], shipping={"title": "By owl", "price": "5.00"})
    here.faults(here.erp, rates={"key_401": 1})
    here.tells("smtp", "[critical] A connection is paused")
    here.kill_bridge()
    here.faults(here.erp, clear=True)
    here.run_bridge()
    for _ in range(10):
        here.order(lines=[{"sku": SHIRT}])
    books(here, 10)
    assert here.told("slack", "") == []
    here.faults(here.desk, clear=True)
    here.tells("slack", "No ship via")


def test_what_a_person_acknowledged_is_seen_by_all(here: Telling) -> None:
    here.order(lines=[{"sku": SHIRT}], shipping={"title": "By owl", "price": "5.00"})
    here.tells("slack", "No ship via")
    (found,) = here.did("incidents", "list", "--code", "no_ship_via")
    assert here.did("incidents", "ack", str(found["id"]))["done"] == 1
    (found,) = here.did("exceptions")["incidents"]
    assert found["acked_at"] is not None
    waiting = {name: value for name, value in here.metrics().items() if name.startswith("bcbridge_alerts_sent_total")}
    assert sum(waiting.values()) >= 1
    assert here.ready()["notes"] == []
