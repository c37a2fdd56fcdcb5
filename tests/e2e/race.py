"""How large the race was, measured: what was oversold beside what section 5 of the rule accounts for (R1 and R2).

Sales are the shops' own books. What the bridge had looked at when it composed a number is its store's: ``seen_at`` of
each demand row, ``made_at`` of each write. The number in force at a sale is the shop's last change by an API before it;
behind it stands the last write of that number made before. Then, at each sale in a shop,

R1   pieces sold in the other shops until now and not looked at when the number in force here was composed
R2   pieces sold in this shop before that number took effect, and not looked at; none where a shop compares
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.e2e.shown import Move, Place, all_moves
from tests.e2e.world import World

NEVER = datetime.max.replace(tzinfo=UTC)
LONG_AGO = datetime.min.replace(tzinfo=UTC)
CLOCK = timedelta(milliseconds=50)
"""A moment of the bridge's is taken before what it stamps is committed: a look so close before a write may miss it."""


@dataclass(frozen=True, slots=True)
class Race:
    """One SKU in one warehouse: pieces there, sold by all shops, and what the race allows to be oversold."""

    place: Place
    pieces: int
    sold: int
    r1: int
    r2: int
    """Of the sale at which the two together were most."""
    lost: int
    """Pieces that were refused though free."""

    @property
    def oversold(self) -> int:
        return max(0, self.sold - self.pieces)

    @property
    def allowed(self) -> int:
        return self.r1 + self.r2


@dataclass(slots=True)
class Looks:
    """What the bridge knew when."""

    seen: Mapping[tuple[str, str], datetime]
    """By an order's key and SKU."""
    made: Mapping[tuple[str, Place], Sequence[datetime]]
    """By shop and place: when its writes were composed."""
    compares: frozenset[str]
    """Shops whose writes are not blind."""

    @classmethod
    def of(cls, world: World) -> Looks:
        codes = {shop.connection: shop.code for shop in world.shops}
        places = {shop.connection: shop.places for shop in world.shops}
        seen: dict[tuple[str, str], datetime] = {}
        for row in world.rows("SELECT channel, order_ref, sku, max(seen_at) AS at FROM stock_demand GROUP BY 1, 2, 3"):
            seen[f"{codes[row['channel']]}{row['order_ref']}", row["sku"]] = _moment(row["at"])
        made: dict[tuple[str, Place], list[datetime]] = defaultdict(list)
        for row in world.rows(WRITES):
            place = Place(row["sku"], places[row["channel"]][row["location"]])
            made[row["channel"], place].append(_moment(row["made_at"]))
        blind = world.rows("SELECT DISTINCT channel FROM stock_outlets WHERE compares = 1")
        return cls(seen, made, frozenset(row["channel"] for row in blind))

    def of_number(self, shop: str, place: Place, at: datetime) -> datetime:
        """When the number that took effect at this moment was composed."""
        made = self.made.get((shop, place), ())
        before = bisect_left(made, at)
        return made[before - 1] - CLOCK if before else LONG_AGO

    def unknown(self, move: Move, at: datetime) -> bool:
        """Whether a sale had not been looked at by then."""
        return self.seen.get((move.order, move.place.upc), NEVER) > at


WRITES = """
SELECT w.channel, r.sku, r.location, w.made_at FROM stock_write_rows r JOIN stock_writes w ON w.id = r.write_id
WHERE w.state <> 'not_sent' ORDER BY w.made_at
"""


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp)


@dataclass(slots=True)
class _Shop:
    """What one shop did to one place, as far as it was gone through."""

    sales: list[Move] = field(default_factory=list)
    told_at: datetime = LONG_AGO
    look: datetime = LONG_AGO
    blind: int = 0
    """R2 of the number in force."""


def raced(world: World, pieces: Mapping[Place, int], *, since: datetime = LONG_AGO) -> list[Race]:
    """Each of these places, with so many ``pieces`` free at the moment ``since``."""
    looks, moves = Looks.of(world), all_moves(world)
    of_place: dict[Place, list[Move]] = defaultdict(list)
    for move in moves:
        if move.place in pieces:
            of_place[move.place].append(move)
    missed = _refused(world, since)
    return [_race(looks, place, many, of_place[place], missed[place.upc], since) for place, many in pieces.items()]


Missed = tuple[datetime, int]


def _refused(world: World, since: datetime) -> dict[str, list[Missed]]:
    """By SKU: when how many pieces more were wanted than the shop showed."""
    missed: dict[str, list[Missed]] = defaultdict(list)
    for shop in world.shops:
        for row in world.books(world.at(shop), "refused"):
            if (at := _moment(row["at"])) >= since:
                missed[row["sku"]].append((at, row["wanted"] - row["shown"]))
    return missed


def _race(
    looks: Looks, place: Place, pieces: int, moves: Sequence[Move], missed: Iterable[Missed], since: datetime
) -> Race:
    shops: dict[str, _Shop] = defaultdict(_Shop)
    sold, most, r1, r2 = 0, -1, 0, 0
    gone: list[tuple[datetime, int]] = []
    for move in moves:
        here = shops[move.shop]
        if move.by == "api":
            _told(looks, place, here, move)
        elif move.taken and move.at >= since:
            here.sales.append(move)
            sold += move.taken
            gone.append((move.at, sold))
            others = [one for name, other in shops.items() if name != move.shop for one in other.sales]
            beside = sum(one.taken for one in others if looks.unknown(one, here.look))
            if beside + here.blind > most:
                most, r1, r2 = beside + here.blind, beside, here.blind
    return Race(place, pieces, sold, r1, r2, _lost(pieces, gone, missed))


def _told(looks: Looks, place: Place, here: _Shop, move: Move) -> None:
    here.look, here.told_at = looks.of_number(move.shop, place, move.at), move.at
    blind = move.shop not in looks.compares
    here.blind = sum(one.taken for one in here.sales if looks.unknown(one, here.look)) if blind else 0


def _lost(pieces: int, gone: Sequence[tuple[datetime, int]], missed: Iterable[Missed]) -> int:
    """A piece that was refused while it was free; what several shoppers were refused counts for each."""
    moments = [at for at, _ in gone]
    lost = 0
    for at, many in missed:
        before = bisect_left(moments, at + timedelta(microseconds=1))
        left = pieces - (gone[before - 1][1] if before else 0)
        lost += max(0, min(many, left))
    return lost


def totals(races: Iterable[Race]) -> Counter[str]:
    """Summed over places: sold, oversold, really sold, allowed by R1 and R2, lost."""
    counted: Counter[str] = Counter()
    for one in races:
        counted.update(sold=one.sold, oversold=one.oversold, really_sold=min(one.sold, one.pieces), lost=one.lost)
        counted.update(allowed=one.allowed, r1=one.r1, r2=one.r2)
    return counted
