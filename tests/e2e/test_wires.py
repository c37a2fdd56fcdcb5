"""What goes wrong on the way: a wire that is cut without a word, an ERP that is down, a name nobody knows.

What was seen: docs/running.md.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.relay import relay
from tests.e2e.world import World, world

pytestmark = pytest.mark.timeout(300)

PATIENCE_SECONDS = 90.0
SHORT_CALLS = "request_timeout_seconds = 2"


def books_agree(one: World) -> None:
    assert one.doubles() == {}
    assert one.judged().wrong == ()


def books(one: World, least: int) -> None:
    one.comes(lambda: len(one.booked()) >= least, f"{least} are booked", within=PATIENCE_SECONDS)


def burnt(one: World) -> int:
    """The most attempts that any job has behind it."""
    return int(one.rows("SELECT coalesce(max(attempts), 0) AS n FROM jobs")[0]["n"])


def test_lines_that_die_without_a_word_cost_time_and_no_order(tmp_path: Path) -> None:
    """Half-open: the other side is gone, and nothing says so. What was being sent is in doubt, and found out."""
    with (
        world(tmp_path, erp_settings=SHORT_CALLS) as one,
        relay(one.ports["bluecherry"]) as erp,
        relay(one.ports["shopify"]) as shop,
    ):
        one.configure(bluecherry=erp.own, shopify=shop.own)
        one.run_bridge()
        one.sell(40, seed=85, rate=8, simple=True)
        for least in (5, 15):
            books(one, least)
            one.comes(lambda: erp.freeze() >= 1, "a line that stood is dead")
            shop.freeze()
        one.comes(lambda: len(one.sold()) >= 40, "all are sold", within=PATIENCE_SECONDS)
        one.sell_until_all_booked(seed=850)
        books_agree(one)
        assert one.bridge_is_up()


def test_while_the_erp_is_down_nothing_burns_and_afterwards_everything_is_booked_once(tmp_path: Path) -> None:
    """As long as the test has patience; a whole day, on a clock that is moved, is in tests/runtime/test_outage.py."""
    with world(tmp_path, erp_settings=SHORT_CALLS) as one, relay(one.ports["bluecherry"]) as erp:
        one.configure(bluecherry=erp.own)
        one.run_bridge()
        one.sell_all(4, seed=86, simple=True)
        one.all_booked(within=PATIENCE_SECONDS)
        one.sell(40, seed=87, rate=10, simple=True)
        one.comes(lambda: len(one.booked()) >= 8, "it is in the middle of it", within=PATIENCE_SECONDS)
        erp.down()
        one.comes(lambda: "bluecherry is paused" in str(one.ready()["why"]), "it says so", within=PATIENCE_SECONDS)
        assert "circuit_open" in one.incidents()
        one.comes(lambda: len(one.sold()) >= 44, "the shop goes on selling", within=PATIENCE_SECONDS)
        came_in = one.paid().keys()
        one.comes(lambda: came_in <= one.all_states().keys(), "orders come in all the same", within=PATIENCE_SECONDS)
        before = burnt(one)
        waiting = one.in_state("ready", "sending", "accepted", "in_doubt")
        assert waiting
        assert burnt(one) <= max(before, 3), "what waits for the ERP burns no attempts"
        assert one.rows("SELECT 1 FROM jobs WHERE state = 'dead'") == []
        erp.up()
        one.sell_until_all_booked(seed=870)
        books_agree(one)
        one.comes(lambda: one.incidents() == [], "its incident ends by itself", within=PATIENCE_SECONDS)


def test_a_name_that_nobody_knows_pauses_that_connection_alone(tmp_path: Path) -> None:
    """The machine's own resolver is asked for a host that does not exist (RFC 6761: .invalid never does)."""
    with world(tmp_path) as one:
        one.run_bridge()
        one.sell_all(2, seed=88, simple=True)
        one.all_booked(within=PATIENCE_SECONDS)
        assert one.stop_bridge() == 0
        kept = one.config.read_text()
        gone = kept.replace(f"http://127.0.0.1:{one.ports['bluecherry']}/", "https://bluecherry.invalid/")
        assert gone != kept
        one.config.write_text(gone)
        one.run_bridge()
        one.sell_all(3, seed=89, simple=True)
        one.comes(lambda: "bluecherry is paused" in str(one.ready()["why"]), "it says so", within=PATIENCE_SECONDS)
        came_in = one.paid().keys()
        one.comes(lambda: came_in <= one.all_states().keys(), "the shop is read all the same", within=PATIENCE_SECONDS)
        assert one.rows("SELECT 1 FROM jobs WHERE state = 'dead'") == []
        assert one.stop_bridge() == 0
        one.config.write_text(kept)
        one.run_bridge()
        one.all_booked(within=PATIENCE_SECONDS)
        books_agree(one)
