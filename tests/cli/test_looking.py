"""Commands that look: every answer also in JSON, every exit code as documented, nothing needed but the files."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bcbridge.cli import common, main
from bcbridge.store.db import connect
from tests.stores import empty_store

CONFIG = """
[sandbox]
enabled = false
[connections.bluecherry]
kind = "bluecherry"
base_url = "http://127.0.0.1:9/SNDBX"
subscription_key = "file:key"
erp_timezone = "America/New_York"
[connections.shopify_us]
kind = "shopify"
shop = "brand.myshopify.com"
code = "US"
token = "file:key"
[channels.shopify_us]
erp = "bluecherry"
orders_created_from = 2026-11-01T00:00:00Z
"""
PROBLEMS = json.dumps(
    [
        {"code": "no_ship_via", "subject": "ship via", "text": "'Air' is not mapped", "cause": "ship_via/Air"},
        {"code": "unknown_sku", "subject": "line 1", "text": "no such UPC", "cause": "sku/012345678905"},
    ]
)


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Cli:
    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Answer:
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--config", str(self.folder / "config.toml")])
        said = self.capsys.readouterr()
        code = ended.value.code
        return Answer(code if isinstance(code, int) else 0, said.out, said.err)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "key").write_text("secret-value")
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings/ship_via.toml").write_text('[shopify_us]\nGround = "UPG"\n')
    return tmp_path


@pytest.fixture
def cli(folder: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(folder, capsys)


@pytest.fixture
def store(folder: Path) -> Iterator[sqlite3.Connection]:
    path = folder / "var/bcbridge.db"
    path.parent.mkdir()
    empty_store(path)
    connection = connect(path)
    at = "2026-11-21T08:00:00.000000Z"
    for name, connector in (("#1001", "shopify_us"), ("#1002", "shopify_us"), ("#1002", "shopify_eu")):
        connection.execute(
            """INSERT INTO orders (connector, ref, channel_id, name, state, code, problems, since, first_seen, currency,
            total) VALUES (?, ?, ?, ?, 'blocked', 'no_ship_via', ?, ?, ?, 'USD', '1204.50')""",
            (connector, f"gid://shopify/Order/{name[1:]}", name[1:], name, PROBLEMS, at, at),
        )
    for cause in ("ship_via/Air", "sku/012345678905"):
        connection.execute("INSERT INTO order_causes SELECT ?, id FROM orders", (cause,))
    connection.execute("INSERT INTO events VALUES (1, 1, ?, 'came_in', '{}')", (at,))
    yield connection
    connection.close()


# -- show --------------------------------------------------------------------------------------------------------


def test_show_tells_where_an_order_is_why_and_what_to_do(cli: Cli, store: sqlite3.Connection) -> None:
    said = cli("show", "1001")
    assert said.code == 0
    assert "blocked" in said.out
    assert "no such UPC" in said.out
    assert "bcbridge mappings set ship_via 'Air' CODE --channel shopify_us" in said.out
    assert "bcbridge retry 'shopify_us:#1001'" in said.out, "another shop may have the same name"
    assert "seen in the channel for the first time" in said.out


def test_show_in_json_has_the_same_facts(cli: Cli, store: sqlite3.Connection) -> None:
    facts = cli("show", "#1001", "--json").json
    assert (facts["name"], facts["state"], facts["total"]) == ("#1001", "blocked", "1204.50")
    assert [problem["cause"] for problem in facts["problems"]] == ["ship_via/Air", "sku/012345678905"]
    assert facts["events"][0]["kind"] == "came_in"


def test_an_order_nobody_knows_is_exit_3(cli: Cli, store: sqlite3.Connection) -> None:
    said = cli("show", "9999")
    assert (said.code, said.out) == (3, "")
    assert "no order answers to 9999" in said.err
    assert "error" in cli("show", "9999", "--json").json


def test_a_name_of_two_shops_lists_both_ways_to_say_it(cli: Cli, store: sqlite3.Connection) -> None:
    said = cli("show", "1002")
    assert said.code == 1
    assert "shopify_us:#1002" in said.err
    assert "shopify_eu:#1002" in said.err
    assert cli("show", "shopify_eu:#1002").code == 0


def test_before_the_first_start_there_is_nothing_to_show(cli: Cli) -> None:
    said = cli("exceptions")
    assert said.code == 3
    assert "bcbridge run" in said.err


def test_a_store_of_another_version_is_not_read_by_guess(cli: Cli, store: sqlite3.Connection) -> None:
    store.execute("PRAGMA user_version = 1")
    assert "another version" in cli("show", "1001").err


def test_words_of_customers_are_not_taken_for_markup(cli: Cli, store: sqlite3.Connection) -> None:
    store.execute("UPDATE orders SET problems = ?", (PROBLEMS.replace("Air", "[red]Air[/]"),))
    assert "[red]Air[/]" in cli("show", "1001").out


# -- the other views ---------------------------------------------------------------------------------------------


def test_exceptions_are_grouped_with_age_and_value(cli: Cli, store: sqlite3.Connection) -> None:
    facts = cli("exceptions", "--json").json
    assert facts["blocked_orders"] == 3
    assert {(group["code"], group["orders"]) for group in facts["groups"]} == {("no_ship_via", 3), ("unknown_sku", 3)}
    assert facts["groups"][0]["value"] == {"USD": "3613.50"}
    assert "3 blocked orders, 2 causes" in cli("exceptions").out
    assert cli("exceptions", "--channel", "shopify_eu", "--json").json["blocked_orders"] == 1


def test_every_order_of_a_large_cause_is_named_on_request(
    cli: Cli, store: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common.out, "width", 200)  # how old they are would break the line elsewhere every day
    for number in range(30):
        store.execute(
            "INSERT INTO orders (connector, ref, name, state, problems, since, first_seen) "
            "SELECT connector, ref || ?, name || ?, state, problems, since, first_seen FROM orders "
            "WHERE state = 'blocked' LIMIT 1",
            (f"/{number}", f"-{number}"),
        )
    oldest, everyone = (cli("exceptions", "--json", *more).json["groups"][0] for more in ((), ("--all",)))
    assert (oldest["orders"], len(oldest["names"])) == (33, 20)
    assert (everyone["orders"], len(everyone["names"])) == (33, 33)
    assert "and 29 more" in cli("exceptions").out
    assert "more" not in cli("exceptions", "--all").out


def test_jobs_say_when_nothing_waits(cli: Cli, store: sqlite3.Connection) -> None:
    assert "Nothing waits." in cli("jobs").out
    assert cli("jobs", "--json").json == {"counts": [], "jobs": []}


def test_mappings_list_what_stands_in_the_files(cli: Cli) -> None:
    assert cli("mappings", "list", "ship_via", "--json").json == {"ship_via": {"shopify_us": {"Ground": "UPG"}}}
    assert "Ground" in cli("mappings", "list").out
    assert cli("mappings", "list", "shipvia").code == 2


def test_unmapped_values_are_counted(cli: Cli, store: sqlite3.Connection) -> None:
    found = cli("mappings", "unmapped", "--json").json
    assert {(one["table"], one["key"], one["channel"]): one["orders"] for one in found} == {
        ("ship_via", "Air", "shopify_us"): 2,
        ("ship_via", "Air", "shopify_eu"): 1,
    }


# -- check -------------------------------------------------------------------------------------------------------


def test_check_names_every_problem_at_once(cli: Cli, folder: Path) -> None:
    text = CONFIG.replace("[sandbox]", "[web]\nprot = 1\n[sandbox]").replace("file:key", "hunter2", 1)
    (folder / "config.toml").write_text(text)
    (folder / "mappings/ship_vai.toml").write_text("")
    said = cli("check", "--json")
    assert said.code == 2
    found = {problem["where"]: problem for problem in said.json["problems"]}
    assert set(found) == {"web.prot", "connections.bluecherry.subscription_key", "ship_vai.toml"}
    assert found["web.prot"]["instead"] == "did you mean port?"
    assert "hunter2" not in said.out


def test_check_looks_for_credentials_and_go_live(cli: Cli, folder: Path) -> None:
    (folder / "key").unlink()
    (folder / "config.toml").write_text(CONFIG.replace("orders_created_from = 2026-11-01T00:00:00Z", ""))
    said = cli("check")
    assert said.code == 2
    for where in (
        "connections.bluecherry.subscription_key",
        "connections.shopify_us.token",
        "channels.shopify_us.orders_created_from",
    ):
        assert where in said.out


def test_check_names_writes_that_wait_to_be_confirmed(cli: Cli, store: sqlite3.Connection) -> None:
    said = cli("check")
    assert said.code == 2
    assert "bluecherry.orders is not confirmed for production" in said.out
    assert "bcbridge confirm bluecherry.orders --why" in said.out
    store.execute(
        "INSERT INTO confirmations VALUES ('bluecherry.orders', 'ann', 'seen', '2026-11-21T08:00:00.000000Z')"
    )
    assert cli("check").code == 0


def test_check_warns_of_a_secret_that_others_may_read(cli: Cli, folder: Path, store: sqlite3.Connection) -> None:
    store.execute(
        "INSERT INTO confirmations VALUES ('bluecherry.orders', 'ann', 'seen', '2026-11-21T08:00:00.000000Z')"
    )
    (folder / "key").chmod(0o644)
    said = cli("check", "--json")
    assert said.code == 0
    assert {problem["severity"] for problem in said.json["problems"]} == {"warning", "info"}


def test_check_says_gently_that_nobody_is_told_of_incidents(cli: Cli) -> None:
    (told,) = [problem for problem in cli("check", "--json").json["problems"] if problem["where"] == "alerts"]
    assert (told["severity"], told["what"]) == ("info", "are off: nobody is told of incidents")


def test_check_looks_for_the_secrets_of_alerts(cli: Cli, folder: Path) -> None:
    alerts = '\n[alerts.teams.engineers]\nslack = "ops"\n[alerts.slack.ops]\nwebhook = "file:gone"\n'
    (folder / "config.toml").write_text(CONFIG + alerts)
    said = cli("check", "--json")
    (told,) = [problem for problem in said.json["problems"] if problem["where"].startswith("alerts")]
    assert (told["severity"], told["where"]) == ("error", "alerts.slack.ops.webhook")


ADMIN = """
[web.admin]
enabled = true
host = "{host}"
[[web.admin.tokens]]
name = "ann"
role = "act"
token = "file:{file}"
"""


@pytest.mark.parametrize(
    ("host", "file", "secret", "where", "severity"),
    [
        ("127.0.0.1", "gone", "", "web.admin.tokens.0.token", "error"),
        ("127.0.0.1", "token", "short", "web.admin.tokens.0.token", "error"),
        ("192.0.2.1", "token", "canary" * 5, "web.admin.host", "warning"),
    ],
)
def test_check_looks_at_the_admin_door(
    cli: Cli, folder: Path, host: str, file: str, secret: str, where: str, severity: str
) -> None:
    (folder / "token").write_text(secret)
    (folder / "token").chmod(0o600)
    (folder / "config.toml").write_text(CONFIG + ADMIN.format(host=host, file=file))
    said = cli("check", "--json")
    assert (where, severity) in {(one["where"], one["severity"]) for one in said.json["problems"]}
    assert "canary" not in said.out


def test_acts_are_told_with_before_and_after(cli: Cli, store: sqlite3.Connection) -> None:
    assert "Nobody has done anything yet" in cli("acts").out
    for who, act, data in (
        ("ann", "mapping", {"before": "UPG", "after": "FXO"}),
        ("bob", "retry", {"before": {"r1": "blocked"}, "after": {"r1": "ready"}, "count": 1}),
    ):
        store.execute(
            "INSERT INTO acts (at, who, act, target, why, data) VALUES (?, ?, ?, 'ship_via.default.Air', 'asked', ?)",
            ("2026-11-21T09:00:00.000000Z", who, act, json.dumps(data)),
        )
    store.execute("INSERT INTO act_orders VALUES (1, 2, 'blocked', 'ready')")
    newest, oldest = cli("acts").out.splitlines()
    assert "bob retry ship_via.default.Air: r1 blocked -> ready (asked)" in newest
    assert "ann mapping ship_via.default.Air: UPG -> FXO (asked)" in oldest
    facts = cli("acts", "--json").json
    assert [(one["who"], one["before"]) for one in facts] == [("bob", {"r1": "blocked"}), ("ann", "UPG")]
    assert facts[0]["data"] == {"count": 1}
    assert "bob retry ship_via.default.Air: blocked -> ready" in cli("show", "shopify_us:1001").out
    assert [one["who"] for one in cli("show", "shopify_us:1001", "--json").json["acts"]] == ["bob"]
    assert cli("acts", "--limit", "1", "--json").json[0]["who"] == "bob"


def test_no_answer_shows_a_secret(cli: Cli, store: sqlite3.Connection) -> None:
    for command in (["check"], ["check", "--json"], ["doctor"], ["doctor", "--json"], ["mappings", "list"]):
        said = cli(*command)
        assert "secret-value" not in said.out + said.err


def test_doctor_says_who_does_not_answer(cli: Cli) -> None:
    said = cli("doctor", "--json")
    assert said.code == 1
    by_connection = {one["connection"]: one["findings"] for one in said.json}
    assert any(finding["severity"] == "error" for finding in by_connection["bluecherry"])


# -- without the bridge ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ["retry", "1001"],
        ["skip", "1001", "--why", "x"],
        ["resolve", "1001", "--absent", "--why", "x"],
        ["confirm", "bluecherry.orders", "--why", "x"],
        ["confirm"],
        ["mappings", "set", "ship_via", "Air", "FXO"],
    ],
)
def test_acts_need_the_bridge_and_say_how_to_start_it(cli: Cli, store: sqlite3.Connection, command: list[str]) -> None:
    said = cli(*command)
    assert said.code == 4
    assert "start it: bcbridge run" in said.err


@pytest.mark.parametrize(
    "command",
    [
        ["retry"],
        ["skip", "1001"],
        ["skip", "1001", "--why", " "],
        ["resolve", "1001", "--why", "x"],
        ["resolve", "1001", "--absent", "--rebook", "--why", "x"],
        ["retry", "--all", "--json"],
        ["confirm", "bluecherry.orders"],
    ],
)
def test_an_act_that_says_too_little_asks_for_more(cli: Cli, store: sqlite3.Connection, command: list[str]) -> None:
    assert cli(*command).code == 2


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["version", "--json"])
    assert set(json.loads(capsys.readouterr().out)) == {"version"}


def test_a_warehouse_that_orders_are_booked_at_and_no_pool_is_fed_from_is_told(cli: Cli) -> None:
    with (cli.folder / "config.toml").open("a") as file:
        file.write('[channels.shopify_us.stock]\npools = { "*" = ["NJ1"] }\n')
    (cli.folder / "mappings/warehouses.toml").write_text('[default]\n"(none)" = "NJ1"\nParis = "PA1"\n')
    (problem,) = [one for one in cli("check", "--json").json["problems"] if "pools" in one["where"]]
    assert (problem["severity"], "no pool is fed from PA1" in problem["what"]) == ("warning", True)


def test_a_warehouse_that_feeds_two_locations_of_one_shop_is_told(cli: Cli) -> None:
    """Five there are ten in a shop that adds its locations up."""
    with (cli.folder / "config.toml").open("a") as file:
        file.write('[channels.shopify_us.stock]\npools = { "DC" = ["NJ1"], "Store" = ["NJ1", "NJ1"] }\n')
    (cli.folder / "mappings/warehouses.toml").write_text('[default]\n"(none)" = "NJ1"\n')
    (problem,) = [one for one in cli("check", "--json").json["problems"] if "pools" in one["where"]]
    assert (problem["severity"], "NJ1 feeds 2 locations" in problem["what"]) == ("warning", True)


def test_releases_and_calendars_of_a_warehouse_that_nothing_is_booked_at_are_told(cli: Cli) -> None:
    with (cli.folder / "config.toml").open("a") as file:
        file.write("[calendars.NJ2]\n[calendars.NJ1]\n[channels.shopify_us.releases]\n")
        file.write('NJ1 = { at = ["10:00"] }\nJN1 = { at = ["10:00"] }\n')
    (cli.folder / "mappings/warehouses.toml").write_text('[default]\n"(none)" = "NJ1"\n')
    told = {one["where"]: one for one in cli("check", "--json").json["problems"]}
    assert told.keys() >= {"calendars.NJ2", "channels.shopify_us.releases.JN1"}
    assert not told.keys() & {"calendars.NJ1", "channels.shopify_us.releases.NJ1"}
    assert told["calendars.NJ2"]["severity"] == "warning"
    assert told["calendars.NJ2"]["instead"] == "booked at: NJ1"


# -- stock -------------------------------------------------------------------------------------------------------


@pytest.fixture
def stocked(store: sqlite3.Connection) -> sqlite3.Connection:
    at = "2026-11-21T08:00:00.000000Z"
    store.execute(
        """INSERT INTO stock_figures (sku, erp, warehouse, ots, qoh_minus_pick, ots_wip, lots, as_of, evidence, read_at)
        VALUES ('040123000013', 'bluecherry', 'NJ1', 92, 111, 113,
                '{"": {"ots": 92, "qoh_minus_pick": 111, "ots_wip": 113, "op": 12, "sa": 100}}', ?, 'row_ledger', ?)""",
        (at, at),
    )
    store.execute(
        """INSERT INTO stock_demand (channel, order_ref, sku, warehouse, qty, state, seen_at)
        VALUES ('shopify_us', 'gid://shopify/Order/1001', '040123000013', 'NJ1', 2, 'known', ?)""",
        (at,),
    )
    store.execute(
        """INSERT INTO stock_shown (sku, channel, location, item, explained, target, due, due_at)
        VALUES ('040123000013', 'shopify_us', 'L1', 'i', 92, 90, 1, ?)""",
        (at,),
    )
    store.execute(
        """INSERT INTO stock_writes (id, key, channel, kind, state, made_at)
        VALUES (1, 'k', 'shopify_us', 'compare', 'answered', ?)""",
        (at,),
    )
    store.execute(
        """INSERT INTO stock_write_rows (write_id, seq, sku, location, item, number, was, figure, figure_as_of, n,
        buffer, result) VALUES (1, 0, '040123000013', 'L1', 'i', 92, 80, 92, ?, 0, 0, 'taken')""",
        (at,),
    )
    return store


def test_stock_tells_why_a_number_is_what_it_is(cli: Cli, stocked: sqlite3.Connection) -> None:
    said = cli("stock", "040123000013").out
    assert "bluecherry NJ1: open to sell 92, on hand less picked 111, with WIP 113" in said
    assert "; OP 12, SA 100" in said
    assert "Taken off for orders: 2" in said
    assert "  2 for #1001 (shopify_us, NJ1), known" in said
    assert "shopify_us at L1: must be showing 92, is to show 90 (waits to be told)" in said
    assert "told 92 from 80: figure 92 of " in said


def test_stock_in_json_has_the_same_facts(cli: Cli, stocked: sqlite3.Connection) -> None:
    story = cli("stock", "040123000013", "--json").json
    assert [(one["erp"], one["ots"], one["evidence"]) for one in story["figures"]] == [("bluecherry", 92, "row_ledger")]
    assert [(one["order"], one["pieces"], one["counts"]) for one in story["demand"]] == [("#1001", 2, True)]
    (place,) = story["places"]
    assert (place["explained"], place["target"], place["due"]) == (92, 90, True)
    assert [(one["number"], one["was"], one["result"]) for one in place["told"]] == [(92, 80, "taken")]


def test_a_sku_nobody_knows_is_not_there(cli: Cli, stocked: sqlite3.Connection) -> None:
    answer = cli("stock", "40123000013")
    assert (answer.code, "with its leading zeros" in answer.err) == (3, True)


def test_an_act_on_numbers_needs_the_running_bridge(cli: Cli, stocked: sqlite3.Connection) -> None:
    assert cli("numbers", "compare", "shopify_us", "--yes").code == 4


def test_where_the_pieces_of_a_booked_order_are_is_a_line(cli: Cli, store: sqlite3.Connection) -> None:
    (order,) = store.execute("SELECT id FROM orders WHERE name = '#1001'").fetchone()
    columns = "reference, order_id, connector, warehouse, pieces, shipped, cancelled, posted_at"
    store.execute(
        f"INSERT OR REPLACE INTO leaving ({columns})"
        " VALUES ('US1003P1G1', ?, 'shopify_us', 'NJ1', 5, 3, 1, '2026-11-20T10:00:00.000000Z')",
        (order,),
    )
    said = cli("show", "#1001")
    assert "Pieces: 5 booked, 3 picked, 3 left, 0 shown as sent in the shop, 1 cancelled in the ERP" in said.out
    store.execute(
        "INSERT INTO dispatched (order_id, left, told, owed, since, checked_at) VALUES (?, 3, 3, 0, ?, ?)",
        (order, "2026-11-20T12:00:00.000000Z", "2026-11-20T12:00:00.000000Z"),
    )
    assert "3 shown as sent in the shop since 2026-11-20" in cli("show", "#1001").out
    assert cli("show", "#1001", "--json").json["pieces"]["shown_as_sent"] == 3
