"""An empty store, and a book in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bcbridge.store.db import connect
from tests.store.stock.books import Book
from tests.stores import empty_store


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    empty_store(tmp_path / "bcbridge.db")
    connection = connect(tmp_path / "bcbridge.db")
    yield Book(connection)
    connection.close()
