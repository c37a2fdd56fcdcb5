"""Every kind of edit at every stage in every channel: what becomes of it, by running the code that decides.

``python -m tests.flows.changes.matrix`` prints it, with ``--write`` into docs/changes.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bcbridge.flows.changes.decide import DIFFERS, NOT_STOPPED, Decision
from bcbridge.model.changes import AmendmentKind
from bcbridge.model.order import Order
from bcbridge.model.outcome import Never, NotYet, Outcome, Ready
from bcbridge.model.sales_order import BookedLine
from tests.contract.rooms import KITS, still
from tests.flows.at_hand import DRESS, HOUSE, SHIRT, SKIRT, line
from tests.flows.changes.two import (
    AGREEING,
    ELSEWHERE,
    THERE,
    THIRD,
    Two,
    cancelled,
    held_back,
    held_lines,
    repriced,
    the_document,
    the_order,
    with_pieces,
)

PAGE = Path(__file__).parents[3] / "docs" / "changes.md"
BEGIN, END = "<!-- matrix: begin -->", "<!-- matrix: end -->"

Rows = Mapping[str, tuple[int, int, int, int]]
STAGES: Mapping[str, Rows] = {
    "open": {DRESS: (2, 0, 0, 0), SKIRT: (1, 0, 0, 0)},
    "picked": {DRESS: (2, 0, 2, 0), SKIRT: (1, 0, 1, 0)},
    "left in part": {DRESS: (2, 0, 2, 2), SKIRT: (1, 0, 0, 0)},
    "left": {DRESS: (2, 0, 2, 2), SKIRT: (1, 0, 1, 1)},
}
"""By SKU: ordered, cancelled, picked, of these left."""


def _added(sold: Order) -> Order:
    return repriced(sold, *sold.lines, line(SHIRT, "30.00"))


def _elsewhere(sold: Order) -> Order:
    return sold.model_copy(update={"ship_to": ELSEWHERE})


@dataclass(frozen=True)
class InShop:
    """An edit in the shop: what the order is after it. ``wanted``: the fingerprint of its address then."""

    name: str
    edit: Callable[[Order], Order]
    wanted: str = "here"


IN_SHOP = (
    InShop("cancelled", cancelled),
    InShop("a line cancelled", lambda sold: with_pieces(sold, skirt=0)),
    InShop("fewer pieces", lambda sold: with_pieces(sold, dress=1)),
    InShop("more pieces", lambda sold: with_pieces(sold, dress=3)),
    InShop("a line added", _added),
    InShop("another address", _elsewhere, THERE),
    InShop("held", held_back),
)


def _cancelled_rest(rows: Rows, *skus: str) -> Rows:
    """What has not left of these is cancelled; a warehouse puts back what it had picked."""
    return {
        sku: (ordered, ordered - left, left, left) if sku in skus else (ordered, gone, picked, left)
        for sku, (ordered, gone, picked, left) in rows.items()
    }


def _one_less(rows: Rows) -> Rows:
    ordered, gone, picked, left = rows[SKIRT]
    return {**rows, SKIRT: (ordered, gone + 1, max(picked - 1, 0), left)} if left < ordered else rows


def _more(rows: Rows) -> Rows:
    ordered, *rest = rows[DRESS]
    return {**rows, DRESS: (ordered + 1, rest[0], rest[1], rest[2])}


@dataclass(frozen=True)
class InErp:
    """An edit in the ERP: what it holds after it."""

    name: str
    edit: Callable[[Rows], Rows]
    ship_to: str = "here"


IN_ERP = (
    InErp("what is left of it cancelled", lambda rows: _cancelled_rest(rows, DRESS, SKIRT)),
    InErp("a line cancelled", _one_less),
    InErp("more pieces", _more),
    InErp("a row added", lambda rows: {**rows, SHIRT: (1, 0, 0, 0)}),
    InErp("another address", dict, THERE),
)


# -- running it --------------------------------------------------------------------------------------------------


def before_booking(edit: InShop) -> str:
    """What the judge says of the edited order."""
    return _judged(HOUSE.judge(edit.edit(the_order())))


def _judged(outcome: Outcome) -> str:
    match outcome:
        case Ready():
            return "booked as it is then"
        case NotYet():
            return "waits in the shop"
        case Never():
            return "never booked"
    return f"blocked ({', '.join(sorted({problem.code for problem in outcome.problems}))})"


def in_shop(edit: InShop, stage: str, *, write: bool) -> str:
    two = _at(STAGES[stage]).but(order=edit.edit(the_order()), wanted=edit.wanted)
    return words(two, two.decided(write=write))


def in_erp(edit: InErp, stage: str, can: frozenset[AmendmentKind]) -> str:
    rows = edit.edit(STAGES[stage])
    if rows == STAGES[stage] and edit.ship_to == "here":
        return "–"
    two = _at(rows, edit.ship_to)
    return words(two, two.decided(can=can))


def in_both(stage: str, winner: str) -> str:
    """The shop wants one dress, the ERP cancelled both; the ERP has another address, the shop a third."""
    from bcbridge.flows.changes.settings import ChangeSettings

    rows = {**STAGES[stage], DRESS: (2, 2, 0, 0)}
    two = _at(rows, THERE).but(order=with_pieces(the_order(), dress=1), wanted=THIRD)
    settings = ChangeSettings.model_validate({"pieces": winner, "address": winner})
    return words(two, two.decided(settings=settings, write=True))


def _at(rows: Rows, ship_to: str = "here") -> Two:
    lines: tuple[BookedLine, ...] = held_lines(rows)
    return AGREEING.but(document=the_document(lines, ship_to=ship_to))


def words(two: Two, found: Decision) -> str:
    said = dict.fromkeys((*_asked(found), *_left(found)))
    if said:
        return "; ".join(said)
    return "a return" if any(one.wanted != one.held for one in two.sides.lines) else "nothing to do"


def _asked(found: Decision) -> Iterator[str]:
    for correction in found.corrections:
        if correction.rows:
            yield "the ERP is asked to cancel it"
        if correction.ship_to:
            yield "the ERP is asked to send it there"
    for amendment in found.amendments:
        yield (
            "cancelled in the shop, money to finance"
            if amendment.kind is AmendmentKind.CANCEL
            else ("taken off in the shop, money to finance")
        )


def _left(found: Decision) -> Iterator[str]:
    if any(problem.code == NOT_STOPPED for problem in found.problems):
        yield "**customer service, at once**"
    if any(problem.code == DIFFERS for problem in found.problems):
        yield "**customer service**"


# -- printing it -------------------------------------------------------------------------------------------------


def abilities() -> Mapping[str, frozenset[AmendmentKind]]:
    """What each channel's room takes, by its kind."""
    rooms = {kind: still(kit) for kind, kit in KITS.items()}
    channels = {kind: room for kind, room in rooms.items() if hasattr(room, "orders")}
    return {kind: getattr(getattr(room, "amendments", None), "can", frozenset()) for kind, room in channels.items()}


def tables() -> Iterator[str]:
    stages = list(STAGES)
    for write in (False, True):
        named = "names a write for corrections" if write else "names no write for corrections (none is documented)"
        yield f"### Changed in the shop; the ERP's profile {named}\n"
        yield "The same in every channel: what counts is the order as it is shown.\n"
        yield from _table(
            ["edit", "not booked yet", "on its way", *stages],
            [
                [
                    edit.name,
                    before_booking(edit),
                    "waits, then as when open",
                    *(in_shop(edit, one, write=write) for one in stages),
                ]
                for edit in IN_SHOP
            ],
        )
    by_can: dict[frozenset[AmendmentKind], list[str]] = {}
    for kind, can in abilities().items():
        by_can.setdefault(can - {AmendmentKind.MARK}, []).append(kind)
    for can, kinds in by_can.items():
        yield f"### Changed in the ERP; told to {', '.join(kinds)}\n"
        yield from _table(
            ["edit", *stages], [[edit.name, *(in_erp(edit, one, can) for one in stages)] for edit in IN_ERP]
        )
    yield "### Changed on both sides, and not to the same\n"
    yield "The shop wants one dress of two and another address; the ERP cancelled both, and has a third address.\n"
    winners = ["channel_until_picked", "channel", "erp", "person"]
    both = ["open", "picked"]
    yield from _table(
        ["whose word counts", *both], [[f"`{one}`", *(in_both(at, one) for at in both)] for one in winners]
    )


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def rendered() -> str:
    return "\n".join(tables()).rstrip()


def page() -> str:
    """docs/changes.md as it should be."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{rendered()}\n\n{END}{after}"


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page())
    sys.stdout.write(rendered() + "\n")
