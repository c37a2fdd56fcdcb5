"""Why a number may have drifted: the likely cause, from what stands beside it.

A guess that says what speaks for it, for a person to look there first. Asked in this order, the surest first: a buffer
that somebody else takes off nearly everything; two SKUs whose numbers changed places; a call of ours without an answer;
something that comes back after every cure; a hand in the channel's admin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from bcbridge.model.shelf import Cause, Drift, DriftCause, DriftSigns, PastWrite, Place
from bcbridge.model.stock import RowResult

OFFSET_ROWS = 10
OFFSET_SHARE = 0.5
"""So many numbers, and such a share of all that were compared, are off by the same pieces."""
COMES_BACK = 3
"""Comparisons in which it had drifted already."""


def causes(drifts: Sequence[Drift], signs: Mapping[Place, DriftSigns], *, compared: int) -> list[tuple[Drift, Cause]]:
    """The likely cause of each drift of one comparison that looked at ``compared`` numbers."""
    offset = _offset(drifts, compared)
    swapped = _swapped(drifts)
    return [(drift, _cause(drift, signs.get(_place(drift), DriftSigns()), offset, swapped)) for drift in drifts]


def _place(drift: Drift) -> Place:
    return drift.sku, drift.location


def _cause(drift: Drift, signs: DriftSigns, offset: int, swapped: Mapping[Place, str]) -> Cause:
    missing = drift.explained - drift.actual
    if offset and drift.actual == max(0, drift.explained - offset):
        return Cause(DriftCause.SECOND_BUFFER, f"{offset} pieces too few here and in most others: a second buffer")
    if other := swapped.get(_place(drift)):
        return Cause(DriftCause.WRONG_MAPPING, f"shows what {other} was to show, and the other way round")
    if told := _unanswered(signs):
        return Cause(DriftCause.LOST_WRITE, told)
    if signs.drifted_before >= COMES_BACK:
        told = f"differed in {signs.drifted_before} earlier comparisons too, and was set right each time"
        return Cause(DriftCause.ANOTHER_APP, told)
    if told := _never_in_force(drift, signs):
        return Cause(DriftCause.LOST_WRITE, told)
    if signs.agreed_at is not None:
        way = f"{missing} pieces fewer" if missing > 0 else f"{-missing} pieces more"
        return Cause(DriftCause.EDITED, f"{way} than was right on {_said(signs.agreed_at)}, by no order")
    return Cause(DriftCause.UNKNOWN, "never compared well before")


def _offset(drifts: Sequence[Drift], compared: int) -> int:
    """Pieces that most of what was compared shows too few; 0 where there is no such number."""
    missing = Counter(drift.explained - drift.actual for drift in drifts if drift.explained > drift.actual > 0)
    if not missing:
        return 0
    pieces, rows = missing.most_common(1)[0]
    return pieces if rows >= max(OFFSET_ROWS, compared * OFFSET_SHARE) else 0


def _swapped(drifts: Sequence[Drift]) -> dict[Place, str]:
    """Pairs of one location each of which shows the other's number; only where no third could be meant."""
    by_numbers: dict[tuple[str, int, int], list[Drift]] = {}
    for drift in drifts:
        by_numbers.setdefault((drift.location, drift.explained, drift.actual), []).append(drift)
    pairs: dict[Place, str] = {}
    for (location, explained, actual), ours in by_numbers.items():
        theirs = by_numbers.get((location, actual, explained), [])
        if len(ours) == len(theirs) == 1:
            pairs[_place(ours[0])] = theirs[0].sku
    return pairs


def _unanswered(signs: DriftSigns) -> str:
    doubtful = next((write for write in signs.writes if write.doubtful and not _seen_since(write, signs)), None)
    return f"the call of {_said(doubtful.at)} that told {doubtful.number} had no answer" if doubtful else ""


def _never_in_force(drift: Drift, signs: DriftSigns) -> str:
    """Whether all is as if the last number had been accepted and then forgotten; not where it was seen since."""
    last = signs.writes[0] if signs.writes else None
    if last is None or last.result != RowResult.TAKEN or last.was is None:
        return ""
    if _seen_since(last, signs) or last.was - last.number != drift.actual - drift.explained:
        return ""
    return f"as if the {last.number} of {_said(last.at)}, which was accepted, had never come into force"


def _seen_since(write: PastWrite, signs: DriftSigns) -> bool:
    return signs.agreed_at is not None and signs.agreed_at > write.at


def _said(at: datetime) -> str:
    return f"{at:%d %B, %H:%M} UTC"
