"""Where a customer or a secret must not be: everything the bridge writes but documents and the bodies it sent.

Every field of every customer in a chaos run holds a canary (bcbridge/sandbox/shopping/canary.py), and every secret is
known. They are searched for plain and in base64, at each of its three alignments: in log files, metrics, alerts, what
the command line answers, command lines, and every table of the store but the one place where personal data may be.
"""

from __future__ import annotations

import base64
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from bcbridge.sandbox.shopping.canary import DIGITS, MARK

PERSONAL = {"documents": {"body"}, "outbox": {"body"}}
"""Columns that may hold what they hold: the inbox's documents and the bodies that were sent."""
TOKENS = re.compile(rb"shpat_[0-9a-f]{16}")
"""What the shop hands out for its client's credentials."""
NO_SECRETS = {"shopify_client_id", "bigcommerce_client_id"}
CHUNK_BYTES = 1 << 20
OVERLAP_BYTES = 4096
SHOWN = 60


def encoded(text: str) -> Iterator[bytes]:
    """What every base64 of anything that holds the text must hold, whichever of three ways it is aligned."""
    raw = text.encode()
    for shift in range(3):
        skipped = -shift % 3
        whole = raw[skipped : skipped + (len(raw) - skipped) // 3 * 3]
        yield base64.b64encode(whole)
        yield base64.urlsafe_b64encode(whole)


def pattern(secrets: Iterable[str]) -> re.Pattern[bytes]:
    """Everything that must not be found, as one search."""
    spellings = [spelling for text in (MARK, DIGITS) for spelling in (text, text.upper(), text.capitalize())]
    plain = {spelling.encode() for spelling in (*spellings, *secrets)}
    hidden = {shape for text in (*spellings, *secrets) for shape in encoded(text)}
    return re.compile(b"|".join([*map(re.escape, sorted(plain | hidden)), TOKENS.pattern]))


def secrets_in(folder: Path) -> list[str]:
    """What the credentials' files hold; of an address that is a secret, its path as well."""
    found = [path.read_text().strip() for path in sorted(folder.iterdir()) if path.name not in NO_SECRETS]
    paths = [text.split("/", 3)[3] for text in found if text.startswith("http")]
    return [*found, *paths]


@dataclass
class Search:
    """What was looked at, how much of it, and what was found where."""

    forbidden: re.Pattern[bytes]
    looked: Counter[str] = field(default_factory=Counter)
    """Bytes by kind of place."""
    found: list[str] = field(default_factory=list)

    def text(self, place: str, where: str, text: str | bytes) -> None:
        raw = text.encode() if isinstance(text, str) else text
        self.looked[place] += len(raw)
        hit = self.forbidden.search(raw)
        if hit is not None:
            around = raw[max(0, hit.start() - SHOWN) : hit.end() + SHOWN].decode(errors="replace")
            self.found.append(f"{place}, {where}: ...{around}...")

    def file(self, place: str, path: Path) -> None:
        """A file of any size, in pieces that overlap."""
        with path.open("rb") as opened:
            tail = b""
            while piece := opened.read(CHUNK_BYTES):
                self.text(place, path.name, tail + piece)
                tail = piece[-OVERLAP_BYTES:]

    def store(self, path: Path) -> None:
        """Every table of the store, but for the columns that may hold it."""
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as store:
            for (table,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                for row in rows(store, table):
                    self.text("store", table, row)

    def control(self, path: Path) -> int:
        """How many documents hold a canary: where none does, finding none elsewhere proves nothing."""
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as store:
            bodies = store.execute("SELECT body FROM documents UNION ALL SELECT body FROM outbox")
            return sum(self.forbidden.search(bytes(body)) is not None for (body,) in bodies)


def rows(store: sqlite3.Connection, table: str) -> Iterator[bytes]:
    columns = [name for _, name, *_ in store.execute(f'PRAGMA table_info("{table}")')]
    kept = [name for name in columns if name not in PERSONAL.get(table, set())]
    chosen = ", ".join(f'"{name}"' for name in kept)
    for row in store.execute(f'SELECT {chosen} FROM "{table}"'):
        yield b"\x1f".join(one if isinstance(one, bytes) else str(one).encode() for one in row)
