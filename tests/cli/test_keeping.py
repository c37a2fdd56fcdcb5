"""Commands that look after the store, with the bridge running beside them and without."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import stat
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bcbridge.cli import main
from bcbridge.store.db import FileLock, connect
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
AT = "2026-11-20T12:00:00.000000Z"
JANE = "jane.canary@example.com"
ORDERS = (("gid://shopify/Order/1", "#1", "booked"), ("gid://shopify/Order/2", "#2", "blocked"))


@dataclass(frozen=True)
class Cli:
    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Exit code and what was said, wherever."""
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--config", str(self.folder / "config.toml")])
        said = self.capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    def json(self, *arguments: str) -> Any:
        code, said = self(*arguments, "--json")
        assert code == 0, said
        return json.loads(said)

    @property
    def store(self) -> Path:
        return self.folder / "var" / "bcbridge.db"

    def rows(self, sql: str, path: Path | None = None) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path or self.store)) as connection:
            return connection.execute(sql).fetchall()

    def bytes(self) -> bytes:
        """Of the store, whatever file they are in."""
        return b"".join(file.read_bytes() for file in sorted(self.store.parent.glob("bcbridge.db*")))


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "key").write_text("secret")
    made = Cli(tmp_path, capsys)
    made.store.parent.mkdir()
    empty_store(made.store)
    with closing(connect(made.store)) as connection:
        fill(connection)
    return made


def fill(connection: sqlite3.Connection) -> None:
    """Two orders of one person: one booked, one blocked."""
    body = json.dumps({"email": JANE.upper(), "phone": "+1 (202) 555-0147", "customer": {"id": "gid://x/Customer/7"}})
    for number, (ref, name, state) in enumerate(ORDERS, start=1):
        booked = AT if state == "booked" else None
        connection.execute(
            "INSERT INTO orders (id, connector, ref, name, state, since, first_seen, booked_at)"
            " VALUES (?, 'shopify_us', ?, ?, ?, ?, ?, ?)",
            (number, ref, name, state, AT, AT, booked),
        )
        connection.execute(
            "INSERT INTO documents (connector, noun, ref, modified, asked, body)"
            " VALUES ('shopify_us', 'orders', ?, ?, ?, ?)",
            (ref, AT, AT, body.encode()),
        )
    connection.execute(
        "INSERT INTO outbox (sink, order_id, part, parts, generation, reference, body, body_hash, state, written_at,"
        " posted_at, number) VALUES ('bluecherry.orders', 1, 1, 1, 1, 'US1P1G1', ?, 'h', 'posted', ?, ?, 'SO1')",
        (f"ship to {JANE}".encode(), AT, AT),
    )
    connection.execute(
        "INSERT INTO links VALUES ('shopify_us', 'orders', 'gid://shopify/Order/1', 'bluecherry', 'orders', 'SO1', ?)",
        (AT,),
    )
    connection.execute("UPDATE outbox SET body_hash = ?", (sha(f"ship to {JANE}"),))


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# -- backup, restore, verify -------------------------------------------------------------------------------------


def test_a_backup_without_a_bridge_is_noted_all_the_same(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "kept.db"
    said = cli.json("backup", str(file))
    assert (said["file"], said["noted"]) == (str(file), True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert cli.rows("SELECT count(*) FROM meta WHERE name = 'backup_at'") == [(1,)]
    assert cli.rows("SELECT act, target FROM acts") == [("backup", "kept.db")]
    assert cli("backup", str(file))[0] == 1
    assert cli("backup", str(file), "--force")[0] == 0


def test_a_backup_into_nowhere_says_so(cli: Cli, tmp_path: Path) -> None:
    code, said = cli("backup", str(tmp_path / "nowhere" / "kept.db"))
    assert code == 1
    assert "no backup was made" in said


def test_there_and_back_again(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "kept.db"
    cli.json("backup", str(file))
    with closing(connect(cli.store)) as connection:
        connection.execute("INSERT INTO meta VALUES ('epoch/bluecherry.orders', 'x'), ('later', '1')")
    refused, said = cli("restore", str(file))
    assert refused == 1
    assert "--replace" in said
    done = cli.json("restore", str(file), "--replace")
    assert cli.rows("SELECT name FROM meta WHERE name = 'later'") == []
    assert cli.rows("SELECT name FROM meta WHERE name = 'later'", Path(done["aside"])) == [("later",)]
    assert cli.rows("SELECT count(*) FROM meta WHERE name = 'restored_at'") == [(1,)]
    assert cli.rows("SELECT act, target FROM acts WHERE act = 'restore'") == [("restore", "kept.db")]
    assert cli("restore", str(tmp_path / "absent"))[0] == 3


def test_no_restore_under_a_running_bridge(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "kept.db"
    cli.json("backup", str(file))
    lock = FileLock(cli.store)
    lock.take()
    code, said = cli("restore", str(file), "--replace")
    lock.release()
    assert code == 1
    assert "held by process" in said


def test_verify_says_what_is_wrong_and_what_to_do(cli: Cli, tmp_path: Path) -> None:
    code, said = cli("verify")
    assert code == 0
    assert "is whole" in said
    with closing(connect(cli.store)) as connection:
        connection.execute("DELETE FROM links")
    code, said = cli("verify")
    assert code == 1
    assert "US1P1G1 is booked as SO1 and has no link" in said
    assert "look the order up in BlueCherry" in said
    assert cli("verify", str(tmp_path / "absent"))[0] == 3
    code, said = cli("verify", str(tmp_path / "config.toml"))
    assert code == 1
    assert "restore the last good backup" in said


# -- erase -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "whose", [("--email", f" {JANE.title()} "), ("--phone", "12025550147"), ("--customer", "gid://shopify/Customer/7")]
)
def test_a_person_is_erased_where_the_order_has_ended_and_no_byte_is_left(cli: Cli, whose: tuple[str, str]) -> None:
    counted = cli.json("erase", *whose, "--why", "asked for", "--dry-run")
    assert (counted["matched"], counted["done"], counted["orders"]) == (2, 0, ["#1"])
    assert JANE.encode() in cli.bytes()
    done = cli.json("erase", *whose, "--why", "asked for", "--yes")
    assert done["done"] == 1
    assert done["left_out"] == [{"order": "#2", "reason": "it is blocked; erase again when it is booked or skipped"}]
    assert cli.rows("SELECT ref FROM documents") == [("gid://shopify/Order/2",)]
    assert cli.rows("SELECT reference, length(body), number FROM outbox") == [("US1P1G1", 0, "SO1")]
    assert cli.rows("SELECT kind FROM events WHERE order_id = 1") == [("erased",)]
    (act,) = cli.rows("SELECT act, target, why, data FROM acts")
    assert act[:3] == ("erase", "1 orders", "asked for")
    assert "gid://shopify/Order/1" in act[3]
    assert JANE not in str(act).lower()
    assert cli("verify")[0] == 0, "the proof of booking stays"


def test_when_the_last_of_their_orders_has_ended_nothing_of_them_is_in_the_files(cli: Cli) -> None:
    with closing(connect(cli.store)) as connection:
        connection.execute("UPDATE orders SET state = 'never', code = 'skipped' WHERE id = 2")
    assert cli.json("erase", "--email", JANE, "--why", "asked for", "--yes")["done"] == 2
    held = cli.bytes().lower()
    assert JANE.encode() not in held
    assert b"555-0147" not in held
    assert "#1" in str(cli.rows("SELECT name FROM orders"))


def test_one_order_by_its_name(cli: Cli) -> None:
    assert cli.json("erase", "--order", "1", "--why", "asked for", "--yes")["done"] == 1
    assert cli("erase", "--order", "77", "--why", "asked for", "--yes")[0] == 3


def test_an_address_need_not_stand_on_the_command_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{JANE}\n"))
    assert cli.json("erase", "--email", "-", "--why", "asked for", "--yes")["done"] == 1


def test_nobody_or_two_at_once_is_a_mistake(cli: Cli) -> None:
    assert cli("erase", "--why", "asked for", "--yes")[0] == 2
    assert cli("erase", "--email", JANE, "--order", "1", "--why", "asked for", "--yes")[0] == 2
    assert cli("erase", "--email", "somebody@else.example", "--why", "asked for", "--yes")[0] == 3
