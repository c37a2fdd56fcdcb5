"""BlueCherry's stock ledger: from the sums of its transaction types to the three numbers (NOTES.md 3). Pure.

OTS already takes off what is open, reserved and picked; QOH falls only at the invoice; what is on its way in (WIP)
stands in the third number alone. All are linear in the components, and may be negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

COMPONENTS = ("sa", "rt", "r1", "r2", "in", "cm", "pk", "rs", "op", "dm", "st", "rv", "ri", "rp", "ro")
"""Every transaction type of the formulas, in the order ``numbers`` takes them."""
PLACED = "wp"
"""Production orders placed, the total WIP: kept beside the others, in none of the formulas."""


class Numbers(NamedTuple):
    """Pieces: on hand; the same less what is picked; open to sell; open to sell with WIP that has a ship-to."""

    qoh: int
    qoh_minus_pick: int
    ots: int
    ots_wip: int


def numbers(components: Sequence[int]) -> Numbers:
    """The formulas, of one SKU, place and lot; ``components`` as COMPONENTS names them."""
    sa, rt, r1, r2, invoiced, cm, pk, rs, op, dm, st, rv, ri, rp, ro = components
    qoh = sa + rt + r1 + r2 - invoiced - cm + rv - ri
    ots = sa + rt + r1 + r2 - invoiced - cm - pk - rs - op - dm
    return Numbers(qoh, qoh - pk, ots, ots + st + rv - ri - rp - ro)
