"""The reference: the key we make for one document of one order, and find it again by.

``SU5678901234567P1G1``: connection code, the channel's immutable id, part, generation; A-Z and 0-9 only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from bcbridge.model.ids import Reference


class Parsed(NamedTuple):
    code: str
    id: str
    part: int
    generation: int


def reference(code: str, id: str, part: int, generation: int) -> Reference:
    """Raises ValueError where the channel's id has other signs than letters and digits."""
    if not re.fullmatch(r"[A-Za-z0-9]+", id):
        raise ValueError("the channel's id has signs other than letters and digits")
    return Reference(f"{code}{id}P{part}G{generation}".upper())


def parse_reference(text: str, codes: Iterable[str]) -> Parsed | None:
    """``text`` as one of ours, made with one of ``codes``; None if it is somebody else's."""
    known = "|".join(sorted(map(re.escape, codes), key=len, reverse=True))
    found = re.fullmatch(rf"({known})([A-Z0-9]+)P([1-9]\d*)G([1-9]\d*)", text) if known else None
    return Parsed(found[1], found[2], int(found[3]), int(found[4])) if found else None
