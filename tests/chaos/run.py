"""One chaos run, from an empty folder to a verdict.

1. open     the outside, behaving badly, its clock wrong; the daemon, about to be killed
2. sell     in waves, no faster than the backlog allows; kill, fill the disk, move the clock
3. top up   sell a little more until every configured fault and every kill has happened
4. calm     good manners; a person ends what only a person may; selling drips, for what is in doubt needs evidence
5. settle   the ERP stands still and exports: every shop comes to show what its ledger has free
6. judge    both books against each other; search for canaries
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.arena import Arena
from tests.chaos.canaries import Search, pattern, secrets_in
from tests.chaos.judge import Files, Verdict, judge
from tests.chaos.person import Person
from tests.chaos.plan import SHARES, Plan
from tests.chaos.reaper import Reaper
from tests.chaos.weather import Weather, must_happen
from tests.e2e.shown import differing, oversold_by_upc, shown, stock
from tests.e2e.world import call

TICK_SECONDS = 0.1
LOOK_EVERY_SECONDS = 0.5
DRIP_EVERY_SECONDS = 1.0
PERSON_EVERY_SECONDS = 5.0
BACKLOG_WAVES = 2
BURSTS = (0, 0, 40, 80)
"""Orders a second of a wave; 0 is all at once."""
DRIP_SEED = 1_000_000
FILLS_EVERY_SECONDS = 10.0
PAGES_FULL = 50
"""More than a list shows at once (arena.py, page_size)."""
MOVING = ("ready", "sending", "accepted", "in_doubt")
SETTLES_WITHIN_SECONDS = 180.0
LIVES_EVERY_SECONDS = 4.0
NOBODYS = {"do": "adjust", "upc": "040123999904", "location": "NJ1", "qty": 1}
"""A movement of the ERP's own, in a SKU that no shop has: what is exported with it is newer than all before."""
SHOWN_ORDERS = 4
"""Of these the command line tells the whole story: each of another state and reason."""
LEAST_BOOKED = 0.8


class TooLate(Exception):
    """The run's deadline is over."""


@dataclass
class Outcome:
    """What is told of a run."""

    plan: Plan
    sold: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    faults: dict[str, int] = field(default_factory=dict)
    rebooked: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    leaks: list[str] = field(default_factory=list)
    looked: Counter[str] = field(default_factory=Counter)
    controls: int = 0
    selling_seconds: float = 0.0
    catching_up_seconds: float | None = None
    """From the last order of the plan until nothing was on its way; None where that did not come."""
    compared: int = 0
    """Numbers of shops held against the ERP's ledger."""
    numbers: list[str] = field(default_factory=list)
    """Those that are not what the rule says, and what is counted that should not be."""
    oversold: int = 0
    """Pieces booked beyond what was free, by the ERP's books: the race, told and no failure."""
    settled_seconds: float | None = None
    told_seconds: float | None = None
    """From then until every shop was told what left."""
    seconds: float = 0.0
    ended: str = ""
    """Why the run broke off; empty where it did not."""

    def failures(self) -> list[str]:
        """Everything for which the run ends with exit code 1."""
        verdict = self.verdict
        found = [f"{verdict[kind]} {kind}" for kind in ("lost", "doubled", "wrong") if verdict[kind]]
        found += [f"{len(self.numbers)} numbers wrong"] if self.numbers else []
        if self.ended:  # what else was to happen did not come to it
            return [self.ended, *found]
        never = [name for name, count in self.faults.items() if not count and must_happen(name)]
        found += [f"{name}: happened not once" for name in never]
        named = {life.ends for life in self.plan.lives()}
        found += [f"nobody was killed: {name}" for name in sorted(named) if not self.kills[name]]
        if verdict.share_booked < LEAST_BOOKED:
            found.append(f"only {verdict.share_booked:.0%} was booked")
        found += [f"{len(self.leaks)} places hold what is private"] if self.leaks else []
        found += [] if self.compared or not self.plan.read_back else ["no number was compared"]
        found += [] if verdict["left"] or not self.plan.read_back else ["nothing left: no dispatch was judged"]
        found += [] if self.looked["alerts"] else ["nobody was told anything: no alert was searched"]
        found += [] if self.controls else ["no canary stands where it belongs: the search proves nothing"]
        return found


Watch = Callable[["Run"], None]
"""Told at every tick: for a progress bar."""


@dataclass
class Run:
    """The state of a run under way."""

    arena: Arena
    plan: Plan
    watch: Watch = lambda run: None
    outcome: Outcome = field(init=False)
    weather: Weather = field(init=False)
    reaper: Reaper = field(init=False)
    person: Person = field(init=False)
    states: dict[str, int] = field(default_factory=dict)
    phase: str = "opening"
    sold: int = 0
    began: float = field(default_factory=time.monotonic)
    _looked: float = 0.0
    _dripped: float = 0.0
    _drips: int = 0
    _filled: float = 0.0
    _waves: int = 0
    _visited: float = 0.0
    _stands: dict[int, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wiring = () if self.plan.read_back else ("--without-read-back",)
        self.outcome = Outcome(self.plan)
        self.weather = Weather(self.arena, self.plan)
        self.reaper = Reaper(self.arena, self.plan.lives(), wiring)
        self.person = Person(self.arena)
        self.outcome.kills = self.reaper.kills

    @property
    def moving(self) -> int:
        """Orders on their way. Without read-back, *accepted* is where a way ends."""
        return sum(self.states.get(state, 0) for state in MOVING if self.plan.read_back or state != "accepted")

    @property
    def at_rest(self) -> int:
        return sum(self.states.values()) - self.moving

    @property
    def deadline(self) -> float:
        return self.began + 60 * self.plan.deadline_minutes

    def go(self) -> Outcome:
        """The whole run; whatever breaks it off is told in the outcome, and judged all the same."""
        self._until_it_breaks(self._live)
        self.phase = "judging"
        self._until_it_breaks(self._judge)
        self.outcome.seconds = time.monotonic() - self.began
        return self.outcome

    def _until_it_breaks(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as fault:  # noqa: BLE001 - what broke first is what is told
            self.outcome.ended = self.outcome.ended or f"{type(fault).__name__}: {fault}"

    def _live(self) -> None:
        self.weather.begin()
        self.reaper.start()
        self._sell_all()
        self._top_up()
        self._calm_down()
        if self.plan.read_back:
            self._settle_numbers()
            self._settle_dispatches()

    # -- 2 and 3 -------------------------------------------------------------------------------------------

    def _sell_all(self) -> None:
        self.phase, left, begun = "selling", self.plan.orders, time.monotonic()
        chance = self.plan.chance("waves")
        while left or self.arena.is_selling():
            if left and self.sold - self.at_rest < BACKLOG_WAVES * self.plan.wave and not self.arena.is_selling():
                many = min(left, self.plan.wave)
                self._sell(many, mixed=0.1, rate=chance.choice(BURSTS))
                left -= many
            self._tick()
        self.outcome.selling_seconds = time.monotonic() - begun
        self._sold_out = time.monotonic()

    def _sell(self, many: int, **wishes: object) -> None:
        """A wave, shared among the shops."""
        self._waves += 1
        whole, (first, *others) = sum(SHARES.values()), self.arena.shops
        shares = {shop: many * SHARES[shop.connection] // whole for shop in others}
        for shop, share in {first: many - sum(shares.values()), **shares}.items():
            if share:
                self.arena.sell(share, shop=shop, seed=self.plan.seed + self._waves, canary=True, **wishes)

    def _top_up(self) -> None:
        """What did not happen yet gets its occasion."""
        self.phase = "topping up"
        self.reaper.hurry()
        while not (self.reaper.finished and self.weather.finished):
            self._drip()
            self._tick()
        while missing := self.weather.order_missing():
            self._drip(wanting_a_page={name.partition(": ")[0] for name in missing if name.endswith(": moving_list")})
            self._tick()

    def _drip(self, wanting_a_page: Collection[str] = ()) -> None:
        """One more order of each shop; of these, by connection, as many as fill pages of their list."""
        if time.monotonic() - self._dripped > DRIP_EVERY_SECONDS:
            self._dripped, self._drips = time.monotonic(), self._drips + 1
            seed = self.plan.seed + DRIP_SEED + self._drips
            fills = time.monotonic() - self._filled > FILLS_EVERY_SECONDS
            self._filled = time.monotonic() if fills and wanting_a_page else self._filled
            for shop in self.arena.shops:
                many = PAGES_FULL if fills and shop.connection in wanting_a_page else 1
                self.arena.sell(many, shop=shop, seed=seed, simple=True, canary=True)

    # -- 4 -------------------------------------------------------------------------------------------------

    def _calm_down(self) -> None:
        self.phase = "catching up"
        self.weather.calm()
        while not self._settled():
            if self.states.get("in_doubt"):
                self._drip()
            if self.plan.read_back:
                self._visit()
            self._tick()
        self.outcome.catching_up_seconds = time.monotonic() - self._sold_out

    def _settled(self) -> bool:
        """Nothing more is to come, and the daemon has nothing on its way."""
        if not self.reaper.finished or not self.states or self.arena.is_selling() or self._happenings():
            return False
        self._look(now=True)
        if not self.states or self.moving:
            return False
        orders, waiting = self._stand(self.arena.made())
        return sum(self.states.values()) >= orders and self.states["not_yet"] <= waiting

    def _stand(self, made: int) -> tuple[int, int]:
        """How many orders the shops have (some are abandoned checkouts), and how many of them are to wait for good.
        Counted anew where more were made since."""
        if made not in self._stands:
            counted = Counter((sold.no_order, sold.waits) for _, sold in self.arena.all_sold())
            self._stands = {made: (made - counted[True, False], counted[False, True])}
        return self._stands[made]

    def _happenings(self) -> bool:
        """Whether any shop's customers are still going to do something."""
        shops = map(self.arena.at, self.arena.shops)
        return any(next(self.arena.pages(at, "happenings"), None) is not None for at in shops)

    def _visit(self) -> None:
        """A person looks in from time to time."""
        if time.monotonic() - self._visited > PERSON_EVERY_SECONDS and self.arena.bridge_is_up():
            self.person.look()
            self.outcome.rebooked = len(self.person.rebooked)
            self._visited = time.monotonic()

    # -- 5 -------------------------------------------------------------------------------------------------

    def _settle_numbers(self) -> None:
        """What is still wrong at the deadline is wrong."""
        self.phase, begun, lived = "settling numbers", time.monotonic(), 0.0
        self.arena.faults(self.arena.erp, values={"life": 0})
        for shop in self.arena.shops:  # what hands and plugins did is found when all is read back
            self.arena.did("numbers", "compare", shop.connection, "--yes")
        while wrong := differing(self.arena):
            if time.monotonic() > begun + SETTLES_WITHIN_SECONDS:
                break
            if time.monotonic() > lived + LIVES_EVERY_SECONDS:
                self._live_on()
                lived = time.monotonic()
            self._tick()
        outcome = self.outcome
        outcome.numbers = wrong + still_counted(self.arena)
        outcome.settled_seconds = None if wrong else time.monotonic() - begun
        outcome.compared = sum(len(shown(self.arena, shop)) for shop in self.arena.shops)
        outcome.oversold = sum(oversold_by_upc(self.arena).values())

    def _settle_dispatches(self) -> None:
        """Nothing leaves any more: what left is told. What is still owed at the deadline is found by the judge."""
        self.phase, begun = "settling dispatches", time.monotonic()
        while self.arena.untold() and time.monotonic() < begun + SETTLES_WITHIN_SECONDS:
            self._tick()
        self.outcome.told_seconds = time.monotonic() - begun

    def _live_on(self) -> None:
        stock(self.arena, NOBODYS)
        call(f"{self.arena.erp}/_sandbox/publish", {})
        self.arena.did("numbers", "accept", "bluecherry", "--why", "everything is read", "--yes")

    # -- every tick ----------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self.arena.go_on()
        if time.monotonic() > self.deadline:
            raise TooLate(f"not over after {self.plan.deadline_minutes:g} minutes, while {self.phase}: {self.states}")
        self.reaper.tick()
        self._look()
        self.weather.tick(self.sold / self.plan.orders if self.phase == "selling" else 1.0)
        self.watch(self)
        time.sleep(TICK_SECONDS)

    def _look(self, *, now: bool = False) -> None:
        """How far it is; what a dead daemon said last stands until the next one speaks."""
        if now or time.monotonic() - self._looked > LOOK_EVERY_SECONDS:
            self._looked = time.monotonic()
            self.sold = self.arena.made()
            self.states = self.arena.states_counted() or ({} if now else self.states)

    # -- 6 -------------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        outcome, arena = self.outcome, self.arena
        outcome.sold, outcome.faults = arena.made(), self.weather.counts()
        search = Search(pattern(secrets_in(arena.folder / "var/sandbox/credentials")))
        files = Files.opened(arena.folder / "judge.db")
        files.put_documents(arena.pages(arena.erp, "orders"))
        for shop in arena.shops:
            files.put_served(shop, arena.pages(arena.at(shop), "servedPaid"))
            files.put_blocked(shop, arena.did("exceptions", "--all", "--channel", shop.connection))
        files.index()
        named = arena.named() if self.plan.read_back else None
        outcome.verdict = judge(files, arena.all_sold(), named)
        look_for_canaries(search, arena)
        outcome.leaks, outcome.looked = search.found, search.looked
        outcome.controls = search.control(arena.store)


def still_counted(arena: Arena) -> list[str]:
    """Pieces of orders that count though the ERP holds them."""
    rows = arena.rows(
        "SELECT o.connector, o.name, d.sku, d.qty FROM stock_demand d JOIN orders o ON o.connector = d.channel"
        " AND (o.channel_id = d.order_ref OR d.order_ref LIKE '%/' || o.channel_id)"
        " WHERE d.state IN ('known', 'sent') AND o.state = 'booked'"
    )
    return [
        f"{row['qty']} of {row['sku']} count for {row['name']} ({row['connector']}), which is booked" for row in rows
    ]


# -- where canaries are looked for ---------------------------------------------------------------------------------


def look_for_canaries(search: Search, arena: Arena) -> None:
    """Everything the bridge wrote or says, but documents and outbox bodies."""
    for path in written_files(arena):
        search.file("files", path)
    search.store(arena.store)
    for page in ("metrics", "ready", "health"):
        search.text("pages", page, arena.page(page))
    for line in arena.command_lines():
        search.text("ps", "command line", line)
    for words in commands(arena):
        done = arena.cli(*words)
        search.text("command line", " ".join(words), done.stdout + done.stderr)
    for base in arena.other_servers():
        search.text("alerts", base, arena.everything(base))


def written_files(arena: Arena) -> Iterator[Path]:
    """Logs, dumps, whatever lies there: all but the store, the simulated outside and the judge's own."""
    sandbox = arena.folder / "var/sandbox"
    spared = (arena.store.name, "judge.db", arena.config.name, "sandbox.log")
    for path in sorted(arena.folder.rglob("*")):
        if path.is_file() and sandbox not in path.parents and not path.name.startswith(spared):
            yield path


def commands(arena: Arena) -> Iterator[tuple[str, ...]]:
    yield from [("exceptions", "--all"), ("exceptions", "--all", "--json"), ("jobs", "--json"), ("doctor",), ("check",)]
    yield from [("incidents", "list"), ("mappings", "unmapped")]
    for row in arena.rows(
        "SELECT min(connector || ':' || name) AS name FROM orders GROUP BY state, code LIMIT ?", SHOWN_ORDERS
    ):
        yield ("show", str(row["name"]))
