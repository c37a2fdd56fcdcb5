"""The search for canaries finds one wherever it may hide, and leaves alone the one place where it may be."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bcbridge.sandbox.shopping.canary import DIGITS, MARK
from tests.chaos.canaries import CHUNK_BYTES, Search, pattern, secrets_in

SECRET = "a-key-that-nobody-knows"


@pytest.fixture
def search() -> Search:
    return Search(pattern([SECRET]))


@pytest.mark.parametrize("private", [f"{MARK}lastname17", f"+{DIGITS}42", SECRET, "shpat_" + "0" * 32])
def test_it_is_found_plain(search: Search, private: str) -> None:
    search.text("log", "a line", f'{{"event": "sent", "to": "{private}"}}')
    assert len(search.found) == 1
    assert private in search.found[0]


@pytest.mark.parametrize("private", [f"{MARK}lastname17", f"+{DIGITS}42", SECRET])
@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "Authorization: "])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_it_is_found_in_base64_however_it_is_aligned(
    search: Search, private: str, before: str, encode: Callable[[bytes], bytes]
) -> None:
    search.text("log", "a line", encode(f"{before}{private}?>".encode()))
    assert len(search.found) == 1


@pytest.mark.parametrize("spelling", [MARK.upper(), MARK.capitalize()])
def test_another_case_does_not_hide_it(search: Search, spelling: str) -> None:
    search.text("log", "a line", spelling)
    assert len(search.found) == 1


def test_plain_words_are_none(search: Search) -> None:
    search.text("log", "a line", '{"event": "wire", "path": "/admin/api/2026-10/graphql.json", "ms": 9081726}')
    assert search.found == []
    assert search.looked["log"] > 0


def test_it_is_found_where_two_pieces_of_a_file_meet(search: Search, tmp_path: Path) -> None:
    log = tmp_path / "bridge.log"
    log.write_bytes(b"x" * (CHUNK_BYTES - 4) + MARK.encode() + b"x" * 100)
    search.file("files", log)
    assert len(search.found) == 1


def test_in_the_store_only_documents_and_bodies_may_hold_it(search: Search, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as store:
        store.execute("CREATE TABLE documents (ref TEXT, body BLOB)")
        store.execute("CREATE TABLE outbox (reference TEXT, body BLOB, reason TEXT)")
        store.execute("CREATE TABLE events (data TEXT)")
        store.execute("INSERT INTO documents VALUES ('1', ?)", (MARK.encode(),))
        store.execute("INSERT INTO outbox VALUES ('SUS1P1G1', ?, '')", (MARK.encode(),))
        store.commit()
        search.store(path)
        assert (search.found, search.control(path)) == ([], 2)
        store.execute("UPDATE outbox SET reason = ?", (f"refused: {MARK}",))
        store.execute("INSERT INTO events VALUES (?)", (f'{{"text": "{MARK}"}}',))
        store.commit()
    search.store(path)
    assert len(search.found) == 2


def test_every_secret_is_known_and_the_address_of_one_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "shopify_client_id").write_text("sandbox-client")
    (tmp_path / "slack_webhook").write_text("http://127.0.0.1:9109/services/T0/B0/hush")
    assert secrets_in(tmp_path) == ["http://127.0.0.1:9109/services/T0/B0/hush", "services/T0/B0/hush"]
