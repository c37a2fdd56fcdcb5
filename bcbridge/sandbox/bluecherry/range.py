"""``POST /_sandbox/skus``: a brand far larger than the season's, made at once: for measuring, not for looking at.

The new SKUs are in the style master and have stock; no shop sells them unless it is told to.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bcbridge.sandbox.bluecherry.books import Row, next_pkey, text
from bcbridge.sandbox.bluecherry.pen import Pen
from bcbridge.sandbox.catalogue import ALPHA, check_digit

RANGE_KEYS = {"count", "locations", "pieces", "seed"}

RANGE_CEILING = 2_000_000

COLOURS = 8
STYLE_SIZE = COLOURS * len(ALPHA)
"""SKUs of one style of the range: every one comes in so many colours and the same sizes."""

_AT_ONCE = 5_000
"""SKUs written by one statement."""


def grow(connection: sqlite3.Connection, asked: Row, pen: Pen) -> Row:
    """``{"count": 500000, "locations": ["NJ1"], "pieces": [10, 100], "seed": 1}``; all but ``count`` may be left out.

    Each SKU has that many pieces, drawn between the two, in each of the locations. Says the first and the last UPC:
    `nth_upc` counts from one to the other.
    """
    count = int(asked["count"])
    least, most = asked.get("pieces", (10, 100))
    if not 0 < count <= RANGE_CEILING:
        raise ValueError(f"count: 1 to {RANGE_CEILING}")
    (known,) = connection.execute("SELECT count(*) FROM skus WHERE upc LIKE '7%'").fetchone()
    made = _Range(connection, next_pkey(connection, "styles", 10_001), known, count, pen.stamp)
    made.write_styles()
    made.write_stock(asked.get("locations", ["NJ1"]), random.Random(asked.get("seed", 1)), (least, most))
    return {"made": count, "first": nth_upc(known), "last": nth_upc(known + count - 1)}


def nth_upc(place: int) -> str:
    """UPC of the range's SKU number ``place``, counted from 0: a company prefix that the season does not use."""
    digits = f"7{place:010d}"
    return digits + check_digit(digits)


@dataclass(frozen=True)
class _Range:
    connection: sqlite3.Connection
    first_style: int
    first: int
    count: int
    stamp: str

    def write_styles(self) -> None:
        styles = (self.count + STYLE_SIZE - 1) // STYLE_SIZE
        for style in range(styles):
            pkey = self.first_style + style
            places = range(style * STYLE_SIZE, min((style + 1) * STYLE_SIZE, self.count))
            self.connection.executemany(
                "INSERT INTO skus VALUES (?, ?, 'WOM', ?, ?, '', '', ?, 'Y')",
                [(nth_upc(self.first + p), pkey, _number(pkey), _colour(p), _size(p)) for p in places],
            )
            values = (pkey, text(self._style(pkey)), text({"styledetail": {"rows": list(self._details(pkey, places))}}))
            self.connection.execute("INSERT INTO styles (pkey, header, children) VALUES (?, ?, ?)", values)

    def _style(self, pkey: int) -> Row:
        named = {"style": _number(pkey), "style_name": f"Style {pkey}", "style_desc": ""}
        return {"pkey": pkey, **named, "active_ok": "Y", "last_mod": self.stamp}

    def _details(self, pkey: int, places: Sequence[int]) -> Iterator[Row]:
        for start in range(0, len(places), len(ALPHA)):
            key = pkey * 100 + start // len(ALPHA) + 1
            yield {
                "pkey": key,
                "fkey": pkey,
                "division": "WOM",
                "season": "CORE",
                "color_code": _colour(start),
                "color_name": _colour(start),
                "retail_price": Decimal("40.00"),
                "active_ok": "Y",
                "catg_dest1": "WEB",
                "catg_dest2": "WHS",
                "stylecolorsizes": {"rows-i": [self._size(key, p) for p in places[start : start + len(ALPHA)]]},
            }

    def _size(self, fkey: int, place: int) -> Row:
        named = {"upc": nth_upc(self.first + place), "ean": "", "color_code": _colour(place), "lbl_code": ""}
        return {"fkey": fkey, **named, "dimension": "", "size_desc": _size(place)}

    def write_stock(self, locations: Sequence[str], dice: random.Random, pieces: tuple[int, int]) -> None:
        for location in locations:
            for start in range(0, self.count, _AT_ONCE):
                places = range(start, min(start + _AT_ONCE, self.count))
                self.connection.executemany(
                    "INSERT INTO inventory (upc, location, r1, last_mod) VALUES (?, ?, ?, ?)",
                    [(nth_upc(self.first + p), location, dice.randint(*pieces), self.stamp) for p in places],
                )


def _number(pkey: int) -> str:
    return f"R{pkey:06d}"


def _colour(place: int) -> str:
    return f"C{place // len(ALPHA) % COLOURS}"


def _size(place: int) -> str:
    return ALPHA[place % len(ALPHA)]
