"""Allotments: every channel has its own pieces of a scarce SKU, so that no race can sell one twice. Pure.

Always ``sum of what the channels may be showing <= what is free``, over every pool; only the rest is granted:

1. *shares*: what is free, by weight, to the piece (largest remainder), none above its limit;
2. *lowered* is who stands above its share, where the pool is overdrawn, or others have almost nothing left and the
   rest of the pool gives them less than half of what they lack. A number that is written blindly is lowered to none:
   nothing can be sold over none while it is on its way;
3. *granted* is what is left beside all that anybody may still be showing. A number under way, in doubt, or taken back
   without the orders being known past it, still counts as it was (``held``). A blind number rises from none only.

Pieces move in this order and in no other: first taken from one, then given to another. Left alone are small
differences: each write is a risk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

ROUNDS = 3
"""More bring next to nothing: what packs leave over is less than a pack each."""
Room = Hashable
"""A part in a pool: what competes for the same pieces."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One number of one outlet. ``takes``: pieces that one of it takes in each room.

    ``explained``: what it must be showing; None where that is not known yet. ``expected``: the same once what is under
    way is answered. ``held``: the most it may still sell unseen; at least ``explained``. ``limit``: the most it is to
    show (cap, stop). ``open``: nothing of it is under way or doubtful.
    """

    takes: Mapping[Room, int]
    weight: int
    explained: int | None
    expected: int
    held: int
    limit: int
    blind: bool
    open: bool = True


def allot(contenders: Sequence[Contender], free: Mapping[Room, int]) -> list[int]:
    """The target of each contender, in their order."""
    shares = share_out(contenders, free)
    lowered = _lowered(contenders, shares, free)
    left = {room: pieces - _taken(contenders, room, held=True) for room, pieces in free.items()}
    known = _known_rooms(contenders, free)
    return [
        _target(one, share, left, known, lower=lower)
        for one, share, lower in zip(contenders, shares, lowered, strict=True)
    ]


def share_out(contenders: Sequence[Contender], free: Mapping[Room, int]) -> list[int]:
    """What each would have if all were free to move: its part of every room it takes from, the least of them.

    What packs leave over is shared out again, and the last pieces one by one.
    """
    shares, left = [0] * len(contenders), dict(free)
    for _ in range(ROUNDS):
        by_room = {room: _shares(room, pieces, contenders, shares) for room, pieces in left.items()}
        for at, one in enumerate(contenders):
            _add(shares, at, one, min(by_room[room][at] // per for room, per in one.takes.items()), left)
    for at, one in sorted(enumerate(contenders), key=lambda each: -each[1].weight):
        _add(shares, at, one, 1, left)
    return shares


def _add(shares: list[int], at: int, one: Contender, wanted: int, left: dict[Room, int]) -> None:
    more = max(0, min([wanted, one.limit - shares[at], *(left[room] // per for room, per in one.takes.items())]))
    shares[at] += more
    for room, per in one.takes.items():
        left[room] -= per * more


def _shares(room: Room, pieces: int, contenders: Sequence[Contender], held: Sequence[int]) -> list[int]:
    """The pieces of one room by weight; what is above somebody's limit goes to the others."""
    wants = {at: (one.limit - held[at]) * one.takes[room] for at, one in enumerate(contenders) if room in one.takes}
    shares = [0] * len(contenders)
    left = max(0, pieces)
    while left and wants:
        parts = _by_weight(left, {at: contenders[at].weight for at in wants})
        full = [at for at, part in parts.items() if part >= wants[at]]
        for at in full or parts:
            shares[at] = min(parts[at], wants.pop(at))
            left -= shares[at]
    return shares


def _by_weight(pieces: int, weights: Mapping[int, int]) -> dict[int, int]:
    whole = sum(weights.values())
    exact = {at: Fraction(pieces * weight, whole) for at, weight in weights.items()}
    parts = {at: int(part) for at, part in exact.items()}
    first = sorted(exact, key=lambda at: (parts[at] - exact[at], -weights[at], at))
    for at in first[: pieces - sum(parts.values())]:
        parts[at] += 1
    return parts


def _lowered(contenders: Sequence[Contender], shares: Sequence[int], free: Mapping[Room, int]) -> list[bool]:
    """Who gives pieces back."""
    rest = {room: pieces - _taken(contenders, room, held=False) for room, pieces in free.items()}
    wanted: Counter[Room] = Counter()
    for one, share in zip(contenders, shares, strict=True):
        for room, per in one.takes.items() if _starves(one, share) else ():
            wanted[room] += per * (share - one.expected)
    short = {room for room, pieces in rest.items() if pieces < 0 or 2 * pieces < wanted[room]}
    return [
        one.expected > share and (one.expected > one.limit or not short.isdisjoint(one.takes))
        for one, share in zip(contenders, shares, strict=True)
    ]


def _starves(one: Contender, share: int) -> bool:
    """Whether it has so little of its share that moving pieces is worth the writes; for one piece it never is."""
    return share > 1 and 2 * one.expected < share


def _taken(contenders: Sequence[Contender], room: Room, *, held: bool) -> int:
    return sum(one.takes.get(room, 0) * (one.held if held else one.expected) for one in contenders)


def _known_rooms(contenders: Sequence[Contender], free: Mapping[Room, int]) -> set[Room]:
    """Rooms in which everybody's number is known: nothing is granted beside one that may show anything."""
    unknown = {room for one in contenders if one.explained is None for room in one.takes}
    return free.keys() - unknown


def _target(one: Contender, share: int, left: dict[Room, int], known: set[Room], *, lower: bool) -> int:
    shown = max(0, one.explained or 0)
    if lower:
        return 0 if one.blind else min(shown, share)
    if not one.open:
        return 0 if one.blind else min(shown, one.limit)
    grant = _grant(one, share - shown, left, known)
    if grant == 0:
        return shown
    if one.blind and shown:
        return 0 if _starves(one, share) else shown
    for room, per in one.takes.items():
        left[room] -= per * grant
    return shown + grant


def _grant(one: Contender, wanted: int, left: Mapping[Room, int], known: set[Room]) -> int:
    if one.explained is None or one.held > max(0, one.explained) or not known.issuperset(one.takes):
        return 0
    return max(0, min([wanted, *(left[room] // per for room, per in one.takes.items())]))
