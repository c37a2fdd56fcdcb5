"""Commands that change something. Each shows first how much it means, asks, and has the running bridge do it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from bcbridge.cli.common import (
    DEFAULT,
    AsJson,
    ConfigFile,
    Desk,
    act,
    ask_ready,
    desk,
    now,
    read,
    say,
    the_order,
    who,
)
from bcbridge.cli.story import print_story
from bcbridge.config import Settings
from bcbridge.model.acts import ActResult, NotFound, Resolution, Selection, Word
from bcbridge.store import views
from bcbridge.store.views import Confirmation, Reads

SHOWN = 10
THINGS = {
    "confirm": "write",
    "set_mapping": "row",
    "ack_incidents": "incident",
    "snooze_incidents": "incident",
    "resolve_incidents": "incident",
    "stock_accept": "pull",
    "stock_compare": "comparison",
    "stock_push": "push",
}
"""What an act is done to, where that is no order."""

Orders = Annotated[list[str] | None, typer.Argument(help="Orders: names, ids, references or ERP numbers.")]
Cause = Annotated[str | None, typer.Option(help="Orders blocked by this cause, as ship_via/Overnight.")]
Code = Annotated[str | None, typer.Option(help="Orders with this problem, as unknown_sku.")]
Channel = Annotated[str | None, typer.Option(help="Orders of this connection.")]
All = Annotated[bool, typer.Option("--all", help="Every order it can be done to.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count.")]
Why = Annotated[str, typer.Option("--why", help="The reason, kept for good.")]

Doer = Callable[[Settings, str, dict[str, object]], ActResult]
"""Who does it: mostly the running bridge."""


def retry(
    orders: Orders = None,
    cause: Cause = None,
    code: Code = None,
    channel: Channel = None,
    everything: All = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Look at blocked or skipped orders again: some, those of a cause, or all."""
    at = desk(config_file, as_json)
    selection = _selection(orders, cause, code, channel, everything)
    after_asking(at, "retry", {"selection": selection.model_dump()}, yes=yes, dry_run=dry_run)


def skip(
    why: Why,
    orders: Orders = None,
    cause: Cause = None,
    code: Code = None,
    channel: Channel = None,
    everything: All = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Never book these orders (retry opens them again)."""
    at = desk(config_file, as_json)
    selection = _selection(orders, cause, code, channel, everything)
    after_asking(at, "skip", {"selection": selection.model_dump(), "why": reason(why)}, yes=yes, dry_run=dry_run)


def agree(
    order: Annotated[str, typer.Argument(help="The order whose two sides differ.")],
    why: Why,
    yes: Yes = False,
    dry_run: DryRun = False,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """The shop and the ERP differ on this order, and that is all right as it stands."""
    at = desk(config_file, as_json)
    if not as_json:
        _show(at.settings, order)
    after_asking(at, "agree", {"order": order, "why": reason(why)}, yes=yes, dry_run=dry_run)


def resolve(
    order: Annotated[str, typer.Argument(help="The order in doubt.")],
    why: Why,
    booked: Annotated[str | None, typer.Option(help="It is in the ERP, under this number.")] = None,
    absent: Annotated[bool, typer.Option("--absent", help="It is not in the ERP and will not come.")] = False,
    rebook: Annotated[bool, typer.Option("--rebook", help="Make it anew under a new reference.")] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """A person's word on what is in doubt, after looking in the ERP."""
    at = desk(config_file, as_json)
    resolution = _resolution(booked, absent, rebook)
    if not as_json:
        _show(at.settings, order)
    ask: dict[str, object] = {"order": order, "resolution": resolution.model_dump(), "why": reason(why)}
    after_asking(at, "resolve", ask, yes=yes, dry_run=dry_run)


def confirm(
    write: Annotated[str | None, typer.Argument(help="As bluecherry.orders; without it: what waits.")] = None,
    why: Annotated[str, typer.Option("--why", help="How you saw it read back; kept for good.")] = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Confirm a production write together with its read-back; without a name: list what waits for it."""
    at = desk(config_file, as_json)
    if write is None:
        _list_writes(at)
        return
    after_asking(at, "confirm", {"write": write, "why": reason(why)}, yes=yes, dry_run=dry_run)


def mappings_set(
    table: Annotated[str, typer.Argument(help="As ship_via.")],
    key: Annotated[str, typer.Argument(help="What the channel says, as Overnight.")],
    value: Annotated[str, typer.Argument(help="The ERP's code, as FXO.")],
    channel: Annotated[str, typer.Option(help="For this connection only.")] = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Set one row of a cross-reference table; orders blocked by it are looked at again, three first."""
    at = desk(config_file, as_json)
    ask: dict[str, object] = {"table": table, "key": key, "value": value, "channel": channel}
    after_asking(at, "set_mapping", ask, yes=yes, dry_run=dry_run)


def _selection(
    orders: list[str] | None, cause: str | None, code: str | None, channel: str | None, everything: bool
) -> Selection:
    selection = Selection(orders=tuple(orders or ()), cause=cause, code=code, channel=channel, all=everything)
    if selection.is_empty:
        raise typer.BadParameter("say which: orders, --cause, --code, --channel or --all")
    return selection


def _resolution(booked: str | None, absent: bool, rebook: bool) -> Resolution:
    if sum((booked is not None, absent, rebook)) != 1:
        raise typer.BadParameter("say one of --booked NUMBER, --absent, --rebook")
    if booked is not None:
        return Resolution(word=Word.BOOKED, number=booked)
    return Resolution(word=Word.ABSENT if absent else Word.REBOOK)


def reason(why: str) -> str:
    if not why.strip():
        raise typer.BadParameter("a reason is needed: --why '...'")
    return why.strip()


def after_asking(at: Desk, name: str, ask: dict[str, object], *, yes: bool, dry_run: bool, do: Doer = act) -> None:
    """Count, ask, do. In JSON there is nobody to ask: it takes --yes or --dry-run."""
    if at.as_json and not (yes or dry_run):
        raise typer.BadParameter("with --json say --yes to do it or --dry-run to count only")
    ask = {**ask, "who": who()}
    counted = do(at.settings, name, {**ask, "dry_run": True})
    if not at.as_json:
        _show_counted(name, counted)
    if dry_run:
        at.answer(counted, lambda: None)
        return
    if counted.matched == 0:
        raise NotFound(counted.note or "nothing there to do it to")
    if not yes:
        typer.confirm("Do it?", abort=True)
    done = do(at.settings, name, {**ask, "dry_run": False})
    at.answer(done, lambda: say(f"Done: {_of(name, done.done)}." + (f" {done.note}" if done.note else "")))


def _of(name: str, count: int) -> str:
    thing = THINGS.get(name, "order")
    return f"{count} {thing}" + ("" if count == 1 else "s")


def _show_counted(name: str, counted: ActResult) -> None:
    names = ", ".join(counted.orders[:SHOWN])
    more = f" and {counted.matched - SHOWN} more" if counted.matched > SHOWN and names else ""
    say(f"{name.replace('_', ' ')}: {_of(name, counted.matched)}" + (f": {names}{more}" if names else ""))
    if counted.note:
        say(counted.note)
    if counted.left_out:
        say(f"Left out: {len(counted.left_out)}", style="yellow")
    for one in counted.left_out[:SHOWN]:
        say(f"  {one.order}: {one.reason}", style="yellow")


def _show(settings: Settings, order: str) -> None:
    print_story(read(settings, partial(_story, text=order)), now=now())


async def _story(reads: Reads, *, text: str) -> views.Story:
    found = await views.story(reads, (await the_order(reads, text)).id)
    assert found is not None
    return found


def _list_writes(at: Desk) -> None:
    waiting = ask_ready(at.settings)["unconfirmed_writes"]
    confirmed = read(at.settings, views.confirmations)
    at.answer({"unconfirmed_writes": waiting, "confirmed_writes": confirmed}, lambda: _print_writes(waiting, confirmed))


def _print_writes(waiting: list[dict[str, str]], confirmed: tuple[Confirmation, ...]) -> None:
    for one in waiting:
        say(f"{one['write']} waits to be confirmed, with its read-back: {one['read_back']}", style="yellow")
        say(f"  once you have seen it: bcbridge confirm {one['write']} --why '...'")
    for done in confirmed:
        say(f"{done.write} confirmed by {done.who} on {done.confirmed_at:%Y-%m-%d}: {done.why}")
    if not waiting and not confirmed:
        say("No write waits to be confirmed.")
