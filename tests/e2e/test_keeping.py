"""Backed up while it runs, restored, erased: nothing doubled, nothing lost, and nothing of a person left behind."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest

from tests.e2e.world import World, world

pytestmark = pytest.mark.timeout(300)

SHIRT = "040123000013"
PATIENCE_SECONDS = 90.0
CANARY = "jane.q.canary@example.com"


def books_agree(one: World) -> None:
    assert one.doubles() == {}
    assert one.judged().wrong == ()


def calls_for(one: World, names: set[str]) -> int:
    return len([row for row in one.books(one.erp, "inbound") if row["body"]["altpo"] in names])


def test_restored_from_an_older_backup_it_books_everything_and_nothing_twice_by_itself(tmp_path: Path) -> None:
    """Booked since, and accepted and not posted since: what the store forgot. What was sold while it was down waits for
    evidence, minutes long: tests/store/test_backup.py, on a clock that is moved."""
    with world(tmp_path) as one:
        one.run_bridge()
        one.sell_all(4, seed=71, simple=True)
        one.all_booked(within=PATIENCE_SECONDS)
        file = tmp_path / "kept.db"
        assert one.did("backup", str(file))["noted"] is True
        assert one.rows("SELECT value FROM meta WHERE name = 'backup_at'"), "a watch can tell how old it is"
        assert one.did("verify", str(file))["ok"] is True

        one.sell_all(4, seed=72, simple=True)
        one.all_booked(within=PATIENCE_SECONDS)
        one.faults(one.erp, rates={"posting_stopped": 1})
        accepted = {one.order(lines=[{"sku": SHIRT}])["name"] for _ in range(3)}
        one.comes(lambda: accepted <= one.in_state("accepted"), "accepted, not posted", within=PATIENCE_SECONDS)
        refused = one.cli("restore", str(file), "--replace")
        assert refused.returncode == 1
        assert "stop that one first" in refused.stderr
        assert one.stop_bridge() == 0
        assert one.cli("restore", str(file)).returncode == 1, "there is a store, and nobody said --replace"
        done = one.did("restore", str(file), "--replace")

        one.run_bridge()
        one.comes(lambda: accepted <= one.in_state("in_doubt"), "it doubts what it forgot", within=PATIENCE_SECONDS)
        one.comes(lambda: "unknown_reference" in one.incidents(), "somebody is told", within=PATIENCE_SECONDS)
        one.faults(one.erp, clear=True)
        one.all_booked(within=PATIENCE_SECONDS)
        books_agree(one)
        assert calls_for(one, accepted) == 3, "each of them was sent once in both lives"
        one.comes(lambda: one.incidents() == [], "the incident ends by itself", within=PATIENCE_SECONDS)
        assert one.did("verify")["ok"] is True
        assert one.did("verify", str(done["aside"]))["ok"] is True, "the store that was there is whole beside it"


def test_backed_up_again_and_again_while_it_books(tmp_path: Path) -> None:
    with world(tmp_path) as one:
        one.run_bridge()
        one.sell(60, seed=75, rate=15, simple=True)
        one.comes(lambda: len(one.booked()) > 5, "it is in the middle of it", within=PATIENCE_SECONDS)
        for turn in range(5):
            one.did("backup", str(tmp_path / f"{turn}.db"))
            assert one.did("verify", str(tmp_path / f"{turn}.db"))["findings"] == []
        one.comes(lambda: len(one.sold()) >= 60, "all are sold", within=PATIENCE_SECONDS)
        one.all_booked(within=PATIENCE_SECONDS)
        books_agree(one)


# -- erase -------------------------------------------------------------------------------------------------------


def files(one: World) -> bytes:
    """Every byte of the store, its log and whatever else stands beside it, in small letters."""
    return b"".join(file.read_bytes() for file in sorted(one.store.parent.glob("bcbridge.db*"))).lower()


def erase(one: World, *whose: str) -> dict[str, Any]:
    done: dict[str, Any] = one.did("erase", *whose, "--why", "asked for by letter", "--yes")
    return done


def test_a_person_is_gone_from_every_byte_while_the_bridge_runs_and_does_not_come_back(tmp_path: Path) -> None:
    with world(tmp_path) as one:
        one.run_bridge()
        theirs = [one.order(email=CANARY, lines=[{"sku": SHIRT}])["name"] for _ in range(2)]
        one.sell_all(3, seed=76, simple=True)
        one.all_booked(within=PATIENCE_SECONDS)
        blocked = one.order(email=CANARY, lines=[{"sku": "no-such", "title": "Hat", "price": "10.00"}])["name"]
        one.comes(lambda: blocked in one.in_state("blocked"), "one of theirs is blocked", within=PATIENCE_SECONDS)
        assert CANARY.encode() in files(one)

        done = erase(one, "--email", CANARY.upper())
        assert sorted(done["orders"]) == sorted(theirs)
        assert [left["order"] for left in done["left_out"]] == [blocked]
        one.did("skip", blocked, "--why", "a test", "--yes")
        assert erase(one, "--email", CANARY)["orders"] == [blocked]
        assert CANARY.encode() not in files(one)

        one.change(theirs[0], "cancel")
        told = "changed_after_booking"
        one.comes(lambda: told in one.events_of(theirs[0]), "it is read again", within=PATIENCE_SECONDS)
        assert CANARY.encode() not in files(one), "a later read brings nothing back"
        story = one.did("show", theirs[0])
        assert (story["state"], story["document_asked"]) == ("booked", None)
        assert story["parts"][0]["number"] == story["links"][0]["other_ref"]
        assert one.did("verify")["ok"] is True
        assert one.stop_bridge() == 0
        assert CANARY.encode() not in files(one)


def test_with_the_bridge_down_it_is_done_under_the_lock(tmp_path: Path) -> None:
    with world(tmp_path) as one:
        one.run_bridge()
        name = one.order(email=CANARY, lines=[{"sku": SHIRT}])["name"]
        one.all_booked(within=PATIENCE_SECONDS)
        assert one.stop_bridge() == 0
        assert erase(one, "--order", name)["done"] == 1
        assert CANARY.encode() not in files(one)
        with closing(connect(one.store)) as connection:
            (act,) = connection.execute("SELECT data FROM acts WHERE act = 'erase'").fetchone()
        assert json.loads(act)["by"] == "order"
        one.run_bridge()
        one.sell_all(1, seed=77, simple=True)
        one.all_booked(within=PATIENCE_SECONDS)
        books_agree(one)
