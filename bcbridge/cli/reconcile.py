"""``reconcile``: each channel compared with the ERP, what differs, and what is to be done about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import anyio
import typer

from bcbridge.cli.common import (
    DEFAULT,
    AsJson,
    ConfigFile,
    Desk,
    NotRunning,
    act,
    desk,
    err,
    is_running,
    now,
    read,
    reading,
    say,
    who,
)
from bcbridge.cli.report import write_rows
from bcbridge.config import Settings
from bcbridge.errors import BridgeError
from bcbridge.model.acts import NotFound
from bcbridge.model.money import to_cents
from bcbridge.model.reconcile import Difference, Ending, Pair, Report, Tally
from bcbridge.phrases import moment_text, words
from bcbridge.store import reconciling
from bcbridge.store.views import Reads

DIFFERS = 1
"""The exit code where something is left."""
LOOK_SECONDS = 0.5
DAYS = re.compile(r"(\d{1,3})d")

Channel = Annotated[str, typer.Option(help="This connection alone.")]
Csv = Annotated[
    Path | None, typer.Option("--csv", help="Also write the differences into this file; - writes them out.")
]


def orders(
    since: Annotated[str, typer.Option(help="Orders created since this day (2026-11-01), or so many days (7d).")] = "",
    channel: Channel = "",
    heal: Annotated[bool, typer.Option("--heal/--no-heal", help="Heal what is safe, or only tell.")] = True,
    csv_file: Csv = None,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Compare each channel's orders with the ERP now: counts, amounts, pieces, dispatches. Exit code 1 where something
    is left."""
    at = desk(config_file, as_json)
    names = _named(at.settings, channel)
    before = read(at.settings, partial(_latest, channels=names))
    for name in names:
        start = _since(since, at.settings, name)
        ask: dict[str, object] = {
            "channel": name,
            "since": start and start.isoformat(),
            "heal": heal,
            "who": who(),
            "dry_run": False,
        }
        act(at.settings, "reconcile", ask)
    reports = anyio.run(partial(_ended, at, names, before))
    _answer(at, reports, csv_file)


def show(
    channel: Channel = "", csv_file: Csv = None, config_file: ConfigFile = DEFAULT, as_json: AsJson = False
) -> None:
    """The last comparison of each channel, without another."""
    at = desk(config_file, as_json)
    reports = read(at.settings, partial(_last, channels=_named(at.settings, channel)))
    if not reports:
        raise NotFound("no channel was compared yet: bcbridge reconcile orders")
    _answer(at, reports, csv_file)


def _named(settings: Settings, channel: str) -> list[str]:
    """The one that was named, or all that run."""
    if channel:
        return [channel]
    return sorted(one.name for one in settings.enabled if one.name in settings.channels)


def _since(text: str, settings: Settings, channel: str) -> datetime | None:
    """The first moment of a day in the channel's time zone; None where nothing was said."""
    if not text:
        return None
    if found := DAYS.fullmatch(text):
        return now() - timedelta(days=int(found[1]))
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("--since: a day as 2026-11-01, or so many days as 7d") from None
    zone = settings.channels[channel].orders.time_zone if channel in settings.channels else "UTC"
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


async def _last(reads: Reads, *, channels: Iterable[str]) -> list[Report]:
    found = [await reconciling.last(reads, channel) for channel in channels]
    return [one for one in found if one is not None]


async def _latest(reads: Reads, *, channels: Iterable[str]) -> dict[str, int]:
    """The number of the latest run of each, ended or not."""
    found = [await reconciling.last(reads, channel, ended=False) for channel in channels]
    return {one.channel: one.run for one in found if one is not None}


# -- waiting -----------------------------------------------------------------------------------------------------


async def _ended(at: Desk, names: Sequence[str], before: dict[str, int]) -> list[Report]:
    """Shows how far each is until all are over."""
    async with reading(at.settings) as reads:
        found = [await _over(at, reads, name, before.get(name, 0)) for name in names]
    return [one for one in found if one is not None]


async def _over(at: Desk, reads: Reads, channel: str, before: int) -> Report | None:
    told = ""
    while (report := await reconciling.last(reads, channel, ended=False)) and report.run > before:
        if report.ended is not None:
            return report
        if report.stage != told and not at.as_json:
            told = report.stage
            err.print(f"{channel}: {told}", style="dim", markup=False, soft_wrap=True)
        if not is_running(at.settings):
            raise NotRunning(
                f"the bridge ended while {channel} was compared; it is done anew: bcbridge reconcile orders"
            )
        await anyio.sleep(LOOK_SECONDS)
    return None


# -- in words ----------------------------------------------------------------------------------------------------


def _answer(at: Desk, reports: Sequence[Report], csv_file: Path | None) -> None:
    if csv_file is not None:
        _write(csv_file, reports)
    at.answer(list(reports), partial(_print_all, reports))
    failed = [one for one in reports if one.state == "failed"]
    if failed:
        raise BridgeError("; ".join(f"{one.channel} was not compared: {one.reason}" for one in failed))
    if any(one.left or one.more for one in reports):
        raise typer.Exit(DIFFERS)


def _print_all(reports: Sequence[Report]) -> None:
    for one in reports:
        _print(one)


def _print(report: Report) -> None:
    ended = f", {moment_text(report.ended)}" if report.ended else ""
    by = f" (asked for by {report.asked_by})" if report.asked_by else " (by night)"
    say(f"{report.channel}: orders created since {moment_text(report.since)}{ended}{by}", style="bold")
    if report.state == "failed":
        return
    for line in tally_lines(report.tally):
        say(f"  {line}")
    for one in report.differences:
        _print_one(one)
    if report.more:
        say(f"  and {report.more} more", style="red")
    if not report.differences:
        say("  nothing differs", style="green")


def tally_lines(tally: Tally) -> list[str]:
    kept = [f"{count} {name}" for name, count in _standing(tally) if count]
    lines = [f"orders {tally.orders}: {', '.join(kept) or 'none'}"]
    lines += [f"worth in {currency}: {_both(_cents(pair, currency))}" for currency, pair in tally.amounts.items()]
    lines.append(f"pieces ordered: {_both(tally.ordered)}")
    if tally.dispatched is not None:
        lines.append(f"pieces dispatched: {_both(tally.dispatched)}")
    return [*lines, *tally.notes]


def _standing(tally: Tally) -> list[tuple[str, int]]:
    return [
        ("booked", tally.booked),
        ("not yet", tally.not_yet),
        ("blocked", tally.blocked),
        ("never", tally.never),
        ("under way, not compared", tally.under_way),
    ]


def _cents(pair: Pair, currency: str) -> Pair:
    return Pair(channel=to_cents(pair.channel, currency), erp=to_cents(pair.erp, currency))


def _both(pair: Pair) -> str:
    same = "" if pair.channel == pair.erp else f", {pair.erp - pair.channel:+} in the ERP"
    return f"channel {pair.channel}, ERP {pair.erp}{same}"


_STYLES = {Ending.LEFT: "red", Ending.HEALING: "yellow", Ending.HEALED: "green"}


def _print_one(one: Difference) -> None:
    ended = {Ending.LEFT: "", Ending.HEALING: " (being healed)", Ending.HEALED: " (healed)"}[one.ending]
    subject = f" {one.subject}" if one.subject != "order" else ""
    say(f"  {words(one.kind.value)}{ended}: {one.order}{subject}: {one.text}", style=_STYLES[one.ending])
    if one.ending is Ending.LEFT:
        say(f"    {one.action}")


def _write(file: Path, reports: Sequence[Report]) -> None:
    names = ("kind", "ending", "order", "subject", "text", "action")
    rows = [
        (report.channel, *(str(getattr(one, name)) for name in names))
        for report in reports
        for one in report.differences
    ]
    write_rows(file, ("channel", *names), rows)
