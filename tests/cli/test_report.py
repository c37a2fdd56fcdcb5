"""The morning report: each thing to do on a line, from a store that the product's own statements filled."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bcbridge.cli import report
from bcbridge.model.ids import Reference
from bcbridge.store import changing, dispatching
from bcbridge.store.stamps import stamp
from tests.cli.test_looking import Cli, cli, folder, store
from tests.flows.dispatches.test_owed import TEE, shipment
from tests.stores import empty_store

__all__ = ["cli", "folder", "store"]

NOW = datetime.now(UTC)
WORDS = "the customer Wilhelmina Vogelsang is on credit hold"

TOLD = "INSERT INTO dispatched (order_id, left, told, owed, problems, since, checked_at) VALUES (?, 4, 0, 4, ?, ?, ?)"
ROW = """
INSERT INTO booked_rows (reference, line_seq, order_id, line, upc, pieces, warehouse) VALUES (?, 1, ?, 'l', ?, 4, 'NJ1')
"""


def order(tx: sqlite3.Connection, name: str, state: str, problems: list[dict[str, str]], *, days: int) -> int:
    at = stamp(NOW - timedelta(days=days))
    made = tx.execute(
        """INSERT INTO orders (connector, ref, channel_id, name, state, code, problems, since, first_seen, currency,
        total)
        VALUES ('shopify_us', ?, ?, ?, ?, 'it', ?, ?, ?, 'USD', '80.00')""",
        (f"gid://{name}", name, name, state, json.dumps(problems), at, at),
    )
    assert made.lastrowid is not None
    return made.lastrowid


def booked(tx: sqlite3.Connection, name: str, *, days: int) -> int:
    made, reference, at = (
        order(tx, name, "booked", [], days=days),
        f"US{name[1:]}P1G1",
        stamp(NOW - timedelta(days=days)),
    )
    tx.execute(
        """INSERT INTO outbox (sink, order_id, part, parts, generation, reference, body, body_hash, state, written_at)
        VALUES ('bluecherry.orders', ?, 1, 1, 1, ?, x'7b7d', '', 'accepted', ?)""",
        (made, reference, at),
    )
    tx.execute(ROW, (reference, made, TEE))
    number = f"SO{name[1:]}"
    tx.execute(
        "UPDATE outbox SET state = 'posted', posted_at = ?, number = ? WHERE reference = ?", (at, number, reference)
    )
    return made


def not_told(tx: sqlite3.Connection, order_id: int, *problems: dict[str, str], days: int) -> None:
    at = stamp(NOW - timedelta(days=days))
    tx.execute(TOLD, (order_id, json.dumps(problems), at, at))


def problem(code: str, subject: str, text: str, cause: str = "") -> dict[str, str]:
    return {"code": code, "subject": subject, "text": text, "cause": cause}


@pytest.fixture
def busy(folder: Path, store: sqlite3.Connection) -> sqlite3.Connection:
    """Beside the three blocked orders of ``store``: refused, left and cannot be told, and not all gone."""
    with (folder / "config.toml").open("a") as file:
        file.write("[channels.shopify_us.dispatches]\n")
    order(store, "#2001", "blocked", [problem("erp_refused", "document", WORDS)], days=9)
    numberless = problem("no_tracking", "I1", "the ERP names no tracking number")
    carrier = problem("unmapped_carrier", "I1", "no carrier for UPG", "carriers/UPG")
    refused = problem("dispatch_refused", "I1", WORDS)
    not_told(store, booked(store, "#2002", days=1), numberless, carrier, refused, days=1)
    booked(store, "#2003", days=8)
    one = shipment("I2", (TEE, 1), reference=Reference("US2003P1G1"))
    dispatching.keep(store, "bluecherry", [one], now=NOW)
    booked(store, "#2004", days=2)
    return store


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_each_thing_to_do_is_a_line_with_its_team_and_what_to_do(cli: Cli, busy: sqlite3.Connection) -> None:
    said = cli("exceptions", "--csv", "-", "--channel", "shopify_us")
    assert said.code == 0
    assert said.out.splitlines()[0] == "since,team,channel,order,erp_number,code,what,next_action,amount,currency"
    found = lines(said.out)
    told = [(one["order"], one["erp_number"], one["team"], one["code"], one["what"]) for one in found]
    assert sorted(told) == sorted(
        [
            ("#1001", "", "operations", "no_ship_via", "ship via: 'Air' is not mapped"),
            ("#1001", "", "ecommerce", "unknown_sku", "line 1: no such UPC"),
            ("#1002", "", "operations", "no_ship_via", "ship via: 'Air' is not mapped"),
            ("#1002", "", "ecommerce", "unknown_sku", "line 1: no such UPC"),
            ("#2001", "", "operations", "erp_refused", "BlueCherry refused the document"),
            ("#2002", "SO2002", "operations", "no_tracking", "I1: the ERP names no tracking number"),
            ("#2002", "SO2002", "operations", "unmapped_carrier", "I1: no carrier for UPG"),
            ("#2002", "SO2002", "operations", "dispatch_refused", "I1"),
            ("#2003", "SO2003", "operations", "not_dispatched", "3 of 4 pieces have not left NJ1"),
        ]
    )
    assert [one["since"] for one in found] == sorted(one["since"] for one in found)
    actions = {one["code"]: one["next_action"] for one in found}
    assert actions["no_ship_via"] == "Map it: bcbridge mappings set ship_via 'Air' CODE --channel shopify_us"
    assert actions["unmapped_carrier"] == "Map it: bcbridge mappings set carriers 'UPG' CODE --channel shopify_us"
    assert all(actions[code].endswith("'shopify_us:#2002'") for code in ("no_tracking", "dispatch_refused"))
    assert (found[0]["amount"], found[0]["currency"]) == ("80.00", "USD")


def test_what_another_program_said_of_a_customer_is_not_in_it(cli: Cli, busy: sqlite3.Connection) -> None:
    assert "Wilhelmina" not in cli("exceptions", "--csv", "-").out


def test_it_goes_into_a_file_and_says_where_it_cannot(cli: Cli, busy: sqlite3.Connection, tmp_path: Path) -> None:
    assert cli("exceptions", "--csv", str(tmp_path / "morning.csv")).out == ""
    assert len(lines((tmp_path / "morning.csv").read_text())) == 11
    said = cli("exceptions", "--csv", str(tmp_path / "nowhere/morning.csv"))
    assert (said.code, "cannot be written" in said.err) == (1, True)


def test_of_a_channel_nobody_reads_dispatches_for_nothing_is_late(cli: Cli, busy: sqlite3.Connection) -> None:
    file = cli.folder / "config.toml"
    file.write_text(file.read_text().replace("[channels.shopify_us.dispatches]", ""))
    assert "not_dispatched" not in cli("exceptions", "--csv", "-").out


def test_the_warehouses_calendar_says_what_is_late(cli: Cli, busy: sqlite3.Connection) -> None:
    days = ", ".join(f'"{(NOW - timedelta(days=back)).date()}"' for back in range(11))
    with (cli.folder / "config.toml").open("a") as file:
        file.write(f"[calendars.NJ1]\nclosed = [{days}]\n")
    assert "not_dispatched" not in cli("exceptions", "--csv", "-").out


def test_a_name_that_a_spreadsheet_would_reckon_with_is_text(cli: Cli, busy: sqlite3.Connection) -> None:
    busy.execute("UPDATE orders SET name = '=HYPERLINK(1)' WHERE name = '#2001'")
    (line,) = [one for one in lines(cli("exceptions", "--csv", "-").out) if one["code"] == "erp_refused"]
    assert line["order"] == "'=HYPERLINK(1)"


def test_the_table_and_json_show_what_left_and_cannot_be_told(cli: Cli, busy: sqlite3.Connection) -> None:
    said = cli("exceptions").out
    assert "1 order left, and its shop cannot be told" in said
    assert "no_tracking" in said
    found = cli("exceptions", "--json").json["dispatches"]
    assert [one["code"] for one in found] == ["no_tracking", "unmapped_carrier", "dispatch_refused"]
    assert cli("exceptions", "--channel", "shopify_eu", "--json").json["dispatches"] == []


def test_nothing_to_do_is_a_line_of_headings(cli: Cli, folder: Path) -> None:
    path = folder / "var/bcbridge.db"
    path.parent.mkdir()
    empty_store(path)
    assert cli("exceptions", "--csv", "-").out == ",".join(report.COLUMNS) + "\n"


def test_what_differs_between_the_sides_of_an_order_is_in_it_until_somebody_agrees(
    cli: Cli, busy: sqlite3.Connection
) -> None:
    at = stamp(NOW - timedelta(days=3))
    ours = booked(busy, "#2005", days=3)
    said = json.dumps([problem("order_differs", "TEE", "booked 2, the channel wants 1, the ERP holds 2")])
    insert = """INSERT INTO compared_sides (order_id, stage, problems, digest, since, checked_at)
        VALUES (?, 'open', ?, 'd', ?, ?)"""
    busy.execute(insert, (ours, said, at, at))
    (line,) = [one for one in lines(cli("exceptions", "--csv", "-").out) if one["code"] == "order_differs"]
    assert (line["order"], line["team"], line["erp_number"]) == ("#2005", "customer_service", "SO2005")
    assert "bcbridge agree 'shopify_us:#2005'" in line["next_action"]
    assert "1 booked order is not the same" in cli("exceptions").out
    assert [one["code"] for one in cli("exceptions", "--json").json["changes"]] == ["order_differs"]
    changing.agree(busy, ours, who="ann", why="a gift", now=NOW)
    assert cli("exceptions", "--json").json["changes"] == []
