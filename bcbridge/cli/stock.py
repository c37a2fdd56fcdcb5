"""``stock`` and ``numbers``: why a SKU shows what it shows; a person's word on figures and numbers."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from bcbridge.cli.acts import DryRun, Why, Yes, after_asking, reason
from bcbridge.cli.common import DEFAULT, AsJson, ConfigFile, desk, now, read, say
from bcbridge.model.acts import NotFound
from bcbridge.phrases import age, moment_text, words
from bcbridge.store.stock import views
from bcbridge.store.stock.views import Demanded, Figure, Place, SkuStory, Told
from bcbridge.store.views import Reads

NUMBERS = frozenset({"ots", "qoh_minus_pick", "ots_wip"})
"""What a lot's components add up to."""

Channel = Annotated[str, typer.Argument(help="The connection, as shopify_us.")]


def stock(
    sku: Annotated[str, typer.Argument(help="The UPC, whole, with its leading zeros.")],
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Why each channel shows what it shows of a SKU: figures, orders taken off, buffers, what was told when."""
    at = desk(config_file, as_json)
    story = read(at.settings, partial(_story, sku=sku))
    at.answer(story, lambda: _print(story))


async def _story(reads: Reads, *, sku: str) -> SkuStory:
    found = await views.sku_story(reads, sku)
    if found is None:
        raise NotFound(f"nothing is known of a SKU {sku} (write its UPC whole, with its leading zeros)")
    return found


def accept(
    erp: Annotated[str, typer.Argument(help="The connection, as bluecherry.")],
    why: Why,
    yes: Yes = False,
    dry_run: DryRun = False,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """The ERP is right although so much stock is gone: its next pull of figures is stored."""
    at = desk(config_file, as_json)
    after_asking(at, "stock_accept", {"erp": erp, "why": reason(why)}, yes=yes, dry_run=dry_run)


def compare(
    channel: Channel,
    yes: Yes = False,
    dry_run: DryRun = False,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Read every number of a channel back now, and compare."""
    at = desk(config_file, as_json)
    after_asking(at, "stock_compare", {"channel": channel}, yes=yes, dry_run=dry_run)


def push(
    channel: Channel,
    why: Why,
    yes: Yes = False,
    dry_run: DryRun = False,
    config_file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Tell a channel all its numbers again, behind what is urgent."""
    at = desk(config_file, as_json)
    after_asking(at, "stock_push", {"channel": channel, "why": reason(why)}, yes=yes, dry_run=dry_run)


# -- in words ----------------------------------------------------------------------------------------------------


def _print(story: SkuStory) -> None:
    say(f"{story.sku}  {', '.join(story.names) or 'not in the style master'}", style="bold")
    for figure in story.figures:
        say(_figure(figure))
    if not story.figures:
        say("No figure of the ERP: nothing of it is for sale.")
    taken = [one for one in story.demand if one.counts]
    say(f"Taken off for orders: {sum(one.pieces for one in taken)}")
    for one in story.demand:
        say(f"  {_demanded(one)}", style="" if one.counts else "dim")
    for place in story.places:
        _print_place(place)


def _figure(one: Figure) -> str:
    old = age(one.as_of, now())
    said = f"open to sell {one.ots}, on hand less picked {one.qoh_minus_pick}, with WIP {one.ots_wip}"
    dated = f"taken {old} ago or later (by {words(one.evidence)})"
    return f"{one.erp} {one.warehouse or '(none)'}: {said}; {dated}{_components(one)}"


def _components(one: Figure) -> str:
    totals: dict[str, int] = {}
    for lot in one.lots.values():
        for part in lot.keys() - NUMBERS:
            totals[part] = totals.get(part, 0) + lot[part]
    parts = ", ".join(f"{part.upper()} {pieces}" for part, pieces in sorted(totals.items()) if pieces)
    return f"; {parts}" if parts else ""


def _demanded(one: Demanded) -> str:
    why = f"booked by {moment_text(one.posted_by)}" if one.posted_by else words(one.state)
    where = f", {one.warehouse}" if one.warehouse else ""
    return f"{one.pieces} for {one.order} ({one.channel}{where}), {why}{'' if one.counts else ': in the figure'}"


def _print_place(place: Place) -> None:
    where = f"{place.channel}{' at ' + place.location if place.location else ''}"
    say(f"{where}: {_shows(place)}", style="bold")
    for told in place.told:
        say(f"  {_told(told)}", style="dim")


def _shows(place: Place) -> str:
    if place.state != "kept":
        return f"{words(place.state)}: {place.why}" if place.why else words(place.state)
    shows = "not read yet" if place.explained is None else f"must be showing {place.explained}"
    wants = "" if place.target is None or place.target == place.explained else f", is to show {place.target}"
    doubt = f"; in doubt: {words(place.dirty)}" if place.dirty else ""
    return f"{shows}{wants}{' (waits to be told)' if place.due else ''}{doubt}"


def _told(one: Told) -> str:
    was = f" from {one.was}" if one.was is not None else ""
    why = f"figure {one.figure} of {moment_text(one.figure_as_of)}, {one.n} for orders, buffer {one.buffer}"
    reason = f" ({one.reason})" if one.reason else ""
    return f"{moment_text(one.at)}  told {one.number}{was}: {why}: {words(one.result or 'under way')}{reason}"
