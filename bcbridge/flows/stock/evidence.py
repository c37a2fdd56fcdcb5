"""When the ERP took a figure: for each row the latest moment that the evidence of the profile allows. Pure.

A moment too early releases pieces late, a moment too late sells them twice (ADR 0031, section 2 of the rule). So what
is not known moves a moment back: a build by its longest time, our clock by the greatest skew where the ERP's stamps are
met by it, what was read on an earlier page by as much as a later page may lag. The reader compares with ``<``: a moment
shared by booking and figure proves nothing.

One ``Dating`` lives for one pull and takes its pages in order. What is known of *all* rows when the pull has ended is
the feed's ``floor``; a delta dates the rows that it returned and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter

from bcbridge.model.figures import BEGINNING, Echo, Known
from bcbridge.model.stock import Evidence, EvidenceRules, StockPage, StockRow

NO_TIME = timedelta(0)
STAMP: Callable[[StockRow], datetime | None] = attrgetter("stamp")
EXPORT: Callable[[StockRow], datetime | None] = attrgetter("export")


@dataclass(frozen=True, slots=True)
class Dated:
    """``as_of``: the figure was taken at or after it. ``by``: what says so; None where nothing does."""

    as_of: datetime
    by: Evidence | None


UNDATED = Dated(BEGINNING, None)
Way = Callable[[StockRow, StockPage, bool], datetime | None]
"""What one kind of evidence says of a row; the last argument: it shows another figure than the one held."""


@dataclass(slots=True)
class Dating:
    """The moments of one pull's rows. ``began``: when its first request left."""

    rules: EvidenceRules
    known: Known
    began: datetime
    _newest: datetime | None = None
    _changed: datetime | None = None
    _echo: datetime | None = None
    _moved: bool = False
    _oldest: datetime | None = None
    _undated: bool = False
    lags: bool = False
    """Some page was of an older publication than one that was read whole: what it does not show may be there."""
    _ways: Mapping[Evidence, Way] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._newest, self._changed, self._echo = self.known.newest, self.known.changed, self.known.echo_seen
        ways = {
            Evidence.LIVE: self._live,
            Evidence.ROW_LEDGER: self._row_ledger,
            Evidence.EXPORT_START: self._export_start,
            Evidence.EXPORT_WRITTEN: self._export_written,
            Evidence.UNCHANGED: self._unchanged,
            Evidence.ECHO: self._echoed,
            Evidence.MAX_AGE: self._max_age,
        }
        self._ways = {kind: ways[kind] for kind in self.rules.kinds}

    # -- rows ----------------------------------------------------------------------------------------------

    def date(self, row: StockRow, page: StockPage, *, moved: bool) -> Dated:
        """The latest moment that any allowed evidence gives this row of this page. ``moved``: it shows another figure
        than the one held."""
        said = ((kind, way(row, page, moved)) for kind, way in self._ways.items())
        found = [Dated(_second(moment), kind) for kind, moment in said if moment is not None]
        return max(found, key=lambda dated: dated.as_of, default=UNDATED)

    def is_older(self, row: StockRow) -> bool:
        """A replica that lags: the figure we hold is of a later publication, though it may look like one from before
        this row's, and have been left as it was."""
        return self._is_before(row.export)

    def _is_before(self, publication: datetime | None) -> bool:
        return bool(publication and self.known.oldest and publication < self.known.oldest)

    def pass_page(self, page: StockPage, *, moved: bool) -> None:
        """The page was read, and its rows were dated: what it shows counts for the pages after it. ``moved``: any of
        its rows shows another figure than the one held."""
        exports = _distinct(list(map(EXPORT, page.rows)))
        named = {moment for moment in exports if self._sane(moment, page)}
        self._undated = self._undated or named != exports
        self._oldest = min((moment for moment in (self._oldest, *named) if moment), default=None)
        self.lags = self.lags or self._is_before(self._oldest)
        self._newest = _latest(self._newest, self._newest_stamp(page), *named)
        if moved:
            self._moved = True
            self._changed = _latest(self._changed, self._before_change())
        self._hear_echo(page.rows)

    def _newest_stamp(self, page: StockPage) -> datetime | None:
        stamps = [stamp for stamp in map(STAMP, page.rows) if stamp is not None]
        newest = max(stamps, default=None)
        return newest if self._sane(newest, page) else _latest(*(self._sane(stamp, page) for stamp in stamps))

    @property
    def newest(self) -> datetime | None:
        """The newest stamp or publication read so far, by the ERP's clock."""
        return self._newest

    # -- what is known when the pull has ended -----------------------------------------------------------------

    def after(self, *, everything: bool) -> Known:
        """What is known for the next pull, this one having ended. ``everything``: it was whole, and of all rows."""
        known = self.known
        return Known(
            floor=max(known.floor, self._floor()) if everything else known.floor,
            read_all=self.began if everything else known.read_all,
            moved=self.began if self._moved and known.read_all else known.moved,
            newest=self._newest,
            changed=self._changed,
            echoes=tuple(echo for echo in known.echoes if self._echo is None or echo.sent >= self._echo),
            echo_seen=self._echo,
            oldest=_latest(known.oldest, None if self._undated else self._oldest) if everything else known.oldest,
        )

    def _floor(self) -> datetime:
        """Every row of this pull was read after what was known at its beginning; and each said something itself."""
        before = (self._floor_by(kind) for kind in self.rules.kinds)
        return max((_second(moment) for moment in before if moment), default=BEGINNING)

    def _floor_by(self, kind: Evidence) -> datetime | None:
        known, rules = self.known, self.rules
        if kind is Evidence.LIVE:
            return self._back(self._ours(self.began), NO_TIME)
        if kind is Evidence.EXPORT_START:
            return None if self._undated else self._oldest
        if kind is Evidence.MAX_AGE:
            return self._aged(self.began, known.moved)
        if kind is Evidence.UNCHANGED:
            return self._back(known.changed, NO_TIME)
        if kind is Evidence.ECHO:
            return self._echoed_since(known.echo_seen)
        floors = [self._back(known.newest, rules.build)]
        if kind is Evidence.EXPORT_WRITTEN and self._oldest and not self._undated:
            floors.append(self._oldest - rules.build)
        return max((moment for moment in floors if moment), default=None)

    # -- each kind of evidence ---------------------------------------------------------------------------------

    def _live(self, row: StockRow, page: StockPage, moved: bool) -> datetime | None:
        return self._back(self._ours(page.asked), NO_TIME)

    def _row_ledger(self, row: StockRow, page: StockPage, moved: bool) -> datetime | None:
        return _latest(self._sane(row.stamp, page), self._back(self._newest, self.rules.build))

    def _export_start(self, row: StockRow, page: StockPage, moved: bool) -> datetime | None:
        return self._sane(row.export, page)

    def _export_written(self, row: StockRow, page: StockPage, moved: bool) -> datetime | None:
        own = _latest(self._sane(row.stamp, page), self._sane(row.export, page))
        return _latest(own - self.rules.build if own else None, self._back(self._newest, self.rules.build))

    def _unchanged(self, row: StockRow, page: StockPage, moved: bool) -> datetime | None:
        """Another row moved, on an earlier page or in an earlier pull, and this one was read after that; or it moved
        itself."""
        return _latest(
            self._back(self._changed, NO_TIME), self._back(self._before_change(), NO_TIME) if moved else None
        )

    def _echoed(self, row: StockRow, page: StockPage, moved: bool) -> datetime | None:
        return self._echoed_since(self._echo)

    def _echoed_since(self, sent: datetime | None) -> datetime | None:
        return None if sent is None else self._back(self._ours(sent), self.rules.build)

    def _max_age(self, row: StockRow, page: StockPage, moved: bool) -> datetime | None:
        return self._aged(page.asked, self.known.moved)

    def _before_change(self) -> datetime | None:
        """What moved since we last read everything was published after that; if pages never go back in time. If they
        do, it may as well be what was before: without stamps nobody can tell."""
        read = self.known.read_all
        return None if read is None or self.rules.behind != NO_TIME else self._ours(read) - self.rules.build

    def _aged(self, asked: datetime, moved: datetime | None) -> datetime | None:
        return None if moved is None else self._ours(min(asked - self.rules.max_age, moved))

    # -- moments -----------------------------------------------------------------------------------------------

    def _back(self, read_before: datetime | None, less: timedelta) -> datetime | None:
        """A moment known from what was read before this row's page: a page that lags knows less."""
        if read_before is None or self.rules.behind is None:
            return None
        return read_before - less - self.rules.behind

    def _ours(self, moment: datetime) -> datetime:
        """A moment by our clock, as the ERP's stamps are met by it: less the greatest skew."""
        return _second(moment - self.rules.skew)

    def _sane(self, moment: datetime | None, page: StockPage) -> datetime | None:
        """A stamp from after the answer that showed it dates nothing."""
        return None if moment is None or moment > page.answered + self.rules.skew else moment

    def _hear_echo(self, rows: Iterable[StockRow]) -> None:
        if self.rules.echo is None:
            return
        shown = {row.ots for row in rows if self.rules.echo == (row.upc, row.warehouse)}
        self._echo = _latest(self._echo, *(echo.sent for echo in self.known.echoes if echo.count in shown))


def _distinct(moments: Sequence[datetime | None]) -> set[datetime | None]:
    """Rows share the moments they carry: where all have one, half a million rows cost little."""
    if moments and moments.count(moments[0]) == len(moments):
        return {moments[0]}
    return set({id(moment): moment for moment in moments}.values())


def _second(moment: datetime) -> datetime:
    """Orders are stamped in whole seconds: within one, nobody can tell what came first."""
    return moment.replace(microsecond=0)


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)


COUNTS = 9_999
"""Far more than are under way at once."""


def next_count(echoes: Sequence[Echo], *, now: datetime) -> int:
    """A count that none of these was, so that it is known again: they go round.

    By the minute: what stands over there may be from before this store, or from after it was kept aside.
    """
    count, set_before = int(now.timestamp()) // 60 % COUNTS + 1, {echo.count for echo in echoes}
    while count in set_before:
        count = count % COUNTS + 1
    return count
