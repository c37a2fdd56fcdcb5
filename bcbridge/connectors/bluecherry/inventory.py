"""Rows of the inventory resource to stock in our words: pure (NOTES.md 7.3, 7.7).

Half a million rows come in one pull, so nothing is built that is not kept: one look-up per field, and a second, more
patient reading only for what is not plainly what it should be. What is no stock (a pseudo-location, a place or lot
that is not for sale) is left out without a word. A row that is stock and cannot be read is *odd*: said in words, and
nobody's zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple, cast

from bcbridge.connectors.bluecherry.clock import ErpClock, parse_stamp
from bcbridge.connectors.bluecherry.grids import Parts
from bcbridge.connectors.bluecherry.ledger import COMPONENTS, PLACED, Numbers, numbers
from bcbridge.connectors.bluecherry.settings import BUCKET_NAMES, BUCKETS, INVENTORY, Profile
from bcbridge.errors import Malformed
from bcbridge.model.ids import Upc
from bcbridge.model.stock import NO_PARTS, Spot, StockRow

Fields = Mapping[str, Any]

MOST = 1_000_000_000
"""Pieces beyond this are no pieces."""
KEPT = 4_096
"""Rows share stamps and places: so many of each are read once only."""
WHOLE_NUMBERS = {int}
NOTHING = {type(None)}
SKU_PARTS = ("division", "style", "color_code", "lbl_code", "dimension", "size_desc")


@dataclass(slots=True)
class Reading:
    """What one page says. ``lost``: some row that names a SKU could not be read, so its absence means nothing."""

    rows: list[StockRow] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    lost: bool = False


class Place(NamedTuple):
    """Where a row's pieces lie, and when it says they did, whatever its numbers are called."""

    spot: Spot
    stamp: datetime | None
    export: datetime | None


class Looked(NamedTuple):
    """A location and lot, and why what lies there is no stock; empty where it is."""

    spot: Spot
    why: str


class Inventory:
    """Reads pages by one profile. Keeps nothing of them but the stamps it has seen."""

    def __init__(self, profile: Profile, clock: ErpClock) -> None:
        names = profile.aliases.get(INVENTORY, {})
        self._theirs: Callable[[str], str] = lambda ours: names.get(ours, ours)
        self._profile = profile
        self._export = profile.stock_export_field
        self._upc, self._location, self._lot = map(self._theirs, ("upc", "location", "lot"))
        self._last_mod = self._theirs("last_mod")
        self._named_by = (self._upc, *SKU_PARTS, self._location, self._lot)
        self._components = itemgetter(*map(self._theirs, COMPONENTS))
        self._placed = self._theirs(PLACED)
        self._own = {ours: self._theirs(ours) for ours in ("ots", "qoh", "pick_qty", "ots_wip")}
        self._buckets = [self._bucket_names(number) for number in range(1, BUCKETS + 1)]
        self._no_stock = frozenset(profile.locations_ignored + profile.locations_not_for_sale)
        self._only = frozenset(profile.stock_locations)
        self._no_lots = frozenset(profile.lots_ignored)
        self._exploded = profile.stock_rows == "exploded"
        self.upcs: Mapping[Parts, Upc] = {}
        """For rows of buckets without a UPC."""
        self._spot = lru_cache(KEPT)(self._looked_at)
        self._earliest = lru_cache(KEPT)(lambda text: _earliest(text, clock))

    def read(self, raw: Sequence[object], beside: Fields, *, latest: datetime) -> Reading:
        """One page: its rows as they came, and what stood beside them. A stamp after ``latest`` is none."""
        return self.read_sizes(raw if self._exploded else self._apart(raw), beside, latest=latest)

    def read_sizes(self, raw: Iterable[object], beside: Fields, *, latest: datetime) -> Reading:
        """The same of rows that are of one size each."""
        found = Reading()
        outer = self.publication(beside)
        for one in raw:
            try:
                row, at = self._at(one)
                if not at.why:
                    found.rows.append(self._row(row, self._place(row, at.spot, outer, latest)))
            except Malformed as fault:
                found.odd.append(f"{_which(one)}: {fault}")
                found.lost = found.lost or not isinstance(fault, Nameless)
        return found

    def publication(self, beside: Fields) -> datetime | None:
        """The stamp of the export, where a page as a whole carries it: the earlier reading, UTC."""
        return self.moment(beside.get(self._export)) if self._export else None

    def key(self, row: Fields) -> str:
        """What tells rows apart: their key, or where they have none, all that a row of stock is named by."""
        key = row.get("pkey")
        return str(key) if key not in (None, "") else "/".join(str(row.get(name)) for name in self._named_by)

    def stamp(self, row: Fields) -> datetime | None:
        """When the row says it was changed: the earlier reading, UTC."""
        return self.moment(row.get(self._last_mod))

    def publications(self, rows: Sequence[Fields], beside: Fields) -> set[datetime | None]:
        """Of which exports these rows are; None for one that does not say."""
        if not self._export:
            return {None}
        outer = self.publication(beside)
        return {self.moment(row.get(self._export)) or outer for row in rows} or {outer}

    def left_out(self, row: object) -> str:
        """Why this row is no stock, as ``location POE``; empty where it is. Raises Malformed."""
        return self._at(row)[1].why

    # -- one row -----------------------------------------------------------------------------------------------

    def _at(self, row: object) -> tuple[Fields, Looked]:
        if not isinstance(row, dict):
            raise Malformed("not a row")
        if self._location not in row:
            raise Malformed(f"without {self._location}")
        try:
            return row, self._spot(row[self._location], row.get(self._lot))
        except TypeError:
            raise Malformed("no code where a code stands") from None

    def _looked_at(self, location: object, lot: object) -> Looked:
        spot = Spot(_code(location), _code(lot))
        if spot.warehouse in self._no_stock or (self._only and spot.warehouse not in self._only):
            return Looked(spot, f"location {spot.warehouse or 'without a name'}")
        return Looked(spot, f"lot {spot.lot}" if spot.lot in self._no_lots else "")

    def _place(self, row: Fields, spot: Spot, outer: datetime | None, latest: datetime) -> Place:
        stamp = self.moment(row.get(self._last_mod))
        export = (self.moment(row.get(self._export)) or outer) if self._export else None
        return Place(
            spot,
            stamp if stamp and stamp <= latest else None,
            export if export and export <= latest else None,
        )

    def _row(self, row: Fields, at: Place) -> StockRow:
        upc = _upc(row.get(self._upc))
        given = self._given(row)
        if given is None:
            return _stock(upc, at, self._their_numbers(row), NO_PARTS)
        parts = {name: pieces for name, pieces in zip(COMPONENTS, given, strict=True) if pieces}
        if placed := _pieces(row.get(self._placed)):
            parts[PLACED] = placed
        return _stock(upc, at, numbers(given), parts)

    def _given(self, row: Fields) -> Sequence[int] | None:
        """Every component of the formulas; None where one is not among the columns, or none is filled."""
        try:
            given = self._components(row)
        except KeyError:
            return None
        kinds = set(map(type, given))
        if kinds == WHOLE_NUMBERS:
            return cast(Sequence[int], given)
        return None if kinds == NOTHING else tuple(map(_pieces, given))

    def _their_numbers(self, row: Fields) -> Numbers:
        """Where a number is not given, OTS stands for it: with no work in progress both others are at least that."""
        said = {ours: value for ours, theirs in self._own.items() if (value := row.get(theirs)) not in (None, "")}
        if "ots" not in said:
            raise Malformed("neither all components nor ots")
        ots = _pieces(said["ots"])
        qoh = _pieces(said.get("qoh", ots))
        at_hand = qoh - _pieces(said["pick_qty"]) if "qoh" in said and "pick_qty" in said else ots
        return Numbers(qoh, at_hand, ots, _pieces(said.get("ots_wip", ots)))

    # -- rows of 24 buckets ------------------------------------------------------------------------------------

    def _bucket_names(self, number: int) -> tuple[str, str, str, str]:
        quantity, call, upc, size = (self._theirs(name.format(number)) for name in BUCKET_NAMES)
        return quantity, call, upc, size

    def _apart(self, raw: Sequence[object]) -> Iterator[object]:
        """A row for each size that is live, with the one number it carries; what it does not carry is none."""
        for row in raw:
            if not isinstance(row, dict):
                yield row
                continue
            for quantity, call, upc, size in self._buckets:
                if str(row.get(call) or "").strip().upper() == "Y":
                    named = row.get(upc) or self._by_parts(row, row.get(size))
                    yield {**row, self._upc: named, **self._carried(row.get(quantity) or 0)}

    def _by_parts(self, row: Fields, size: object) -> Upc | None:
        division, style, colour, label, dimension = (str(row.get(name) or "").rstrip() for name in SKU_PARTS[:-1])
        return self.upcs.get((division, style, colour, label, dimension, str(size or "").rstrip()))

    def _carried(self, pieces: object) -> Fields:
        if self._profile.stock_bucket_number == "ots":
            return {self._own["ots"]: pieces}
        return {self._own["qoh"]: pieces, self._own["pick_qty"]: 0, self._own["ots"]: 0}

    def moment(self, said: object) -> datetime | None:
        """A local stamp, whatever it stamps: the earlier reading, UTC; None where it is none."""
        return self._earliest(said) if isinstance(said, str) and said else None


class Nameless(Malformed):
    """A row of no SKU: nobody can miss it."""


def _stock(upc: Upc, at: Place, are: Numbers, parts: Mapping[str, int]) -> StockRow:
    if not (-MOST < are.ots < MOST and -MOST < are.qoh_minus_pick < MOST and -MOST < are.ots_wip < MOST):
        raise Malformed("more pieces than there can be")
    return StockRow(upc, at.spot, (are.ots, are.qoh_minus_pick, are.ots_wip), at.stamp, at.export, parts)


def _upc(said: object) -> Upc:
    if said is None or (isinstance(said, str) and not said.strip()):
        raise Nameless("without a UPC")
    if not isinstance(said, str):
        raise Malformed("a UPC that is a number: its leading zeros would be lost")
    return Upc(said.strip())


def _code(said: object) -> str:
    if said is None:
        return ""
    if not isinstance(said, str):
        raise Malformed("a number where a code stands")
    return said.rstrip()


def _pieces(said: object) -> int:
    """A whole number, however it is written; nothing is none."""
    if type(said) is int:
        return said
    if said is None or said == "":
        return 0
    try:
        number = float(said) if isinstance(said, float | str) else None
    except ValueError:
        number = None
    if number is None or not number.is_integer() or abs(number) > MOST:
        raise Malformed("a quantity that is no whole number of pieces")
    return int(number)


def _earliest(text: str, clock: ErpClock) -> datetime | None:
    try:
        return clock.earliest(parse_stamp(text))
    except ValueError:
        return None


def _which(row: object) -> str:
    key = row.get("pkey") if isinstance(row, dict) else None
    return f"inventory row {key}" if isinstance(key, int | str) else "an inventory row"
