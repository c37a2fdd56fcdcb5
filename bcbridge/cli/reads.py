"""Commands that only look: show, exceptions, jobs, and the lists of mappings."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from bcbridge import mappings
from bcbridge.cli import report
from bcbridge.cli.common import DEFAULT, AsJson, ConfigFile, desk, now, out, read, say, the_order
from bcbridge.cli.story import print_story
from bcbridge.mappings import TABLES, Mappings
from bcbridge.phrases import act_text, age, attention, moment_text, money, words
from bcbridge.store import views
from bcbridge.store.incident import Incident
from bcbridge.store.views import Act, Due, ExceptionGroup, Exceptions, Job, Jobs, Reads, Story, Unmapped

NAMES_IN_A_ROW = 4
EXCEPTIONS = frozenset({"packs", "skus", "stock"})
"""Tables whose rows are exceptions to what the ERP itself knows: a row there is never wanting."""


def show(
    order: Annotated[str, typer.Argument(help="Its name, id, reference or ERP number; shopify_us:1001 where unclear.")],
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """The whole story of one order over both systems."""
    at = desk(config_file, as_json)
    story = read(at.settings, partial(_story, text=order))
    at.answer(story, lambda: print_story(story, now=now()))


async def _story(reads: Reads, *, text: str) -> Story:
    found = await views.story(reads, (await the_order(reads, text)).id)
    assert found is not None
    return found


# -- exceptions --------------------------------------------------------------------------------------------------


def exceptions(
    channel: Annotated[str | None, typer.Option(help="Only orders of this connection.")] = None,
    every_name: Annotated[bool, typer.Option("--all", help="Name every order, not the oldest of a cause.")] = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Each thing to do on a line of its own; - writes it out.")
    ] = None,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Blocked orders by cause, with age and value; what left and cannot be told; what differs; what else stands."""
    at = desk(config_file, as_json)
    if csv is not None:
        report.write(csv, read(at.settings, partial(report.due, settings=at.settings, channel=channel, now=now())))
        return
    names = None if every_name else views.NAMES_SHOWN
    found = read(at.settings, partial(views.all_exceptions, channel=channel, names=names))
    at.answer(found, lambda: _print_exceptions(found, names=None if every_name else NAMES_IN_A_ROW))


def _print_exceptions(found: Exceptions, *, names: int | None) -> None:
    say(f"{found.blocked_orders} blocked orders, {len(found.groups)} causes", style="bold")
    if found.groups:
        out.print(_groups_table(found.groups, names))
        say("One order may stand under several causes. See one: bcbridge show ORDER", style="dim")
    if found.dispatches:
        say(_left(_orders(found.dispatches)), style="bold")
        out.print(_due_table(found.dispatches))
    if found.changes:
        say(_differ(_orders(found.changes)), style="bold")
        out.print(_due_table(found.changes))
    for incident in found.incidents:
        _print_incident(incident)


def _orders(found: tuple[Due, ...]) -> int:
    return len({(one.channel, one.order) for one in found})


def _differ(orders: int) -> str:
    if orders == 1:
        return "1 booked order is not the same in its shop and in the ERP"
    return f"{orders} booked orders are not the same in their shops and in the ERP"


def _left(orders: int) -> str:
    if orders == 1:
        return "1 order left, and its shop cannot be told"
    return f"{orders} orders left, and their shops cannot be told"


def _due_table(found: tuple[Due, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("order", "ERP", "problem", "what"):
        table.add_column(name, overflow="fold")
    table.add_column("oldest", justify="right", no_wrap=True)
    for one in found:
        what = f"{one.subject}: {one.text}"
        table.add_row(*map(escape, (f"{one.channel}:{one.order}", one.numbers, one.code, what)), age(one.since, now()))
    return table


def _groups_table(groups: tuple[ExceptionGroup, ...], names: int | None) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("orders", justify="right")
    table.add_column("problem", no_wrap=True)
    table.add_column("cause, channel", overflow="fold")
    table.add_column("oldest", justify="right", no_wrap=True)
    table.add_column("value", justify="right", overflow="fold")
    table.add_column("which", overflow="fold")
    for group in groups:
        oldest = age(group.oldest_since, now())
        cause = "\n".join(filter(None, (group.cause, *group.channels)))
        table.add_row(str(group.orders), group.code, cause, oldest, money(group.value), _names(group, names))
    return table


def _names(group: ExceptionGroup, many: int | None) -> str:
    shown = group.names[:many]
    more = group.orders - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _print_incident(incident: Incident) -> None:
    times = f" ({incident.count} times)" if incident.count > 1 else ""
    order = f" order {incident.order}:" if incident.order else ""
    where = f" on {incident.connector}" if incident.connector else ""
    old = age(incident.opened_at, now())
    say(f"incident {incident.id} {incident.code}{where}, {old} old{times}{attention(incident, now())}:{order}")
    say(f"  {incident.text}", style="red")


# -- jobs --------------------------------------------------------------------------------------------------------


def jobs(
    limit: Annotated[int, typer.Option(min=1, max=5000, help="How many jobs of each state to list.")] = 20,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """The queue: what waits, what runs, what was given up."""
    at = desk(config_file, as_json)
    found = read(at.settings, partial(views.jobs, now=now(), limit=limit))
    at.answer(found, lambda: _print_jobs(found))


def _print_jobs(found: Jobs) -> None:
    if not found.counts:
        say("Nothing waits.")
        return
    figures = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("flow", "connection", "state", "jobs", "due", "oldest"):
        figures.add_column(name, no_wrap=True)
    for count in found.counts:
        oldest = age(count.oldest, now()) if count.oldest else ""
        figures.add_row(count.flow, count.connector, count.state, str(count.jobs), str(count.due), oldest)
    out.print(figures)
    for job in found.jobs:
        _print_job(job)


def _print_job(job: Job) -> None:
    due = f", due {moment_text(job.due_at)}" if job.state == "waiting" else ""
    why = f": {words(job.reason)}" if job.reason else ""
    say(f"{job.id} {job.state} {job.flow} {job.connector} {job.ref}{due}, {job.attempts} tries{why}")


# -- acts --------------------------------------------------------------------------------------------------------


def acts(
    limit: Annotated[int, typer.Option(min=1, max=5000, help="How many, the newest first.")] = 20,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """What people did: who, when, what, before and after, why."""
    at = desk(config_file, as_json)
    found = read(at.settings, partial(views.acts, limit=limit))
    at.answer(found, lambda: _print_acts(found))


def _print_acts(found: tuple[Act, ...]) -> None:
    if not found:
        say("Nobody has done anything yet.")
    for act in found:
        say(f"{moment_text(act.at)}  {act_text(act)}")


# -- mappings ----------------------------------------------------------------------------------------------------


def mappings_list(
    table: Annotated[str | None, typer.Argument(help="Only this table.")] = None,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """The cross-reference tables as they stand in their files."""
    at = desk(config_file, as_json)
    found = mappings.load(at.settings.mappings.folder, list(at.settings.connections))
    tables = {name: found.tables.get(name, {}) for name in TABLES if table in (None, name)}
    if not tables:
        raise typer.BadParameter(f"there is no table {table}; there are {', '.join(TABLES)}")
    at.answer(tables, lambda: _print_mappings(Mappings({name: rows for name, rows in tables.items() if rows})))


def _print_mappings(found: Mappings) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("table", "channel", "the channel says", "the ERP gets"):
        table.add_column(name, overflow="fold")
    for name, sections in found.tables.items():
        for section, rows in sections.items():
            for key, value in rows.items():
                table.add_row(
                    name,
                    section,
                    key,
                    value if isinstance(value, str) else _row(value.model_dump(exclude_defaults=True, by_alias=True)),
                )
    out.print(table)


def _row(value: dict[str, object]) -> str:
    return ", ".join(f"{key} {text}" for key, text in value.items() if text)


def mappings_unmapped(config_file: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Values seen in blocked orders that no table knows, with counts."""
    at = desk(config_file, as_json)
    found = read(at.settings, partial(views.unmapped, tables=set(TABLES) - EXCEPTIONS))
    at.answer([asdict(one) for one in found], lambda: _print_unmapped(found))


def _print_unmapped(found: tuple[Unmapped, ...]) -> None:
    if not found:
        say("Every value seen is mapped.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("orders", "table", "channel", "says", "oldest"):
        table.add_column(name, overflow="fold")
    for one in found:
        table.add_row(str(one.orders), one.table, one.channel, one.key, age(one.oldest_since, now()))
    out.print(table)
    say("Map one: bcbridge mappings set TABLE 'VALUE' CODE --channel CHANNEL", style="dim")
