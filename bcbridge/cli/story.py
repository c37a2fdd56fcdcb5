"""``show``: one order on one screen."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rich.text import Text

from bcbridge.cli.common import out, say
from bcbridge.phrases import STATES, act_text, advice, age, moment_text, money, sentence, words
from bcbridge.store.views import Part, Pieces, Story

COLOURS = {"booked": "green", "blocked": "red", "in_doubt": "magenta", "not_yet": "yellow", "never": "dim"}


def print_story(story: Story, *, now: datetime) -> None:
    """State, why, what to do, the documents, then everything that happened in order."""
    _print_head(story, now)
    _print_problems(story)
    _print_advice(story)
    _print_parts(story.parts)
    _print_differences(story.parts)
    _print_pieces(story.pieces)
    _print_links(story)
    _print_jobs(story, now)
    _print_events(story)
    _print_acts(story)


def _print_head(story: Story, now: datetime) -> None:
    head = Text.assemble(
        (story.name or story.ref, "bold"),
        f"  {story.connector}  ",
        (STATES[story.state], f"bold {COLOURS.get(story.state, 'cyan')}"),
        (f"  for {age(story.since, now)}" if story.state != "booked" else ""),
        f"  {money({story.currency: story.total})}",
    )
    out.print(head, soft_wrap=True)
    created = f"created {moment_text(story.created_at)}, " if story.created_at else ""
    say(f"{created}first seen {moment_text(story.first_seen)}, id {story.channel_id or story.ref}", style="dim")
    if story.reason and not story.problems:
        say(f"Why: {story.reason}" + (f" ({story.code})" if story.code else ""))


def _print_problems(story: Story) -> None:
    if not story.problems:
        return
    say(f"Why: {len(story.problems)} {'problem' if len(story.problems) == 1 else 'problems'}")
    for problem in story.problems:
        say(f"  {problem.code:<22} {problem.subject}: {problem.text}", style="red")


def _print_advice(story: Story) -> None:
    lines = list(advice(story))
    for number, line in enumerate(lines):
        say(("What to do: " if number == 0 else "            ") + line, style="cyan")


def _print_parts(parts: Iterable[Part]) -> None:
    for part in parts:
        generation = f", generation {part.generation}" if part.generation > 1 else ""
        number = f" as {part.number}" if part.number else ""
        say(f"Document {part.part} of {part.parts}{generation}: {part.reference} {words(part.state)}{number}")
        say(f"    {_course(part)}", style="dim")
        if part.reason:
            say(f"    {part.reason}")


def _course(part: Part) -> str:
    """When each step was on disk, and the ERP's receipt."""
    steps = {
        "written": part.written_at,
        "sent": part.sent_at,
        "in doubt since": part.ended_at,
        "accepted": part.accepted_at,
        "seen posted": part.posted_at,
    }
    told = [f"{step} {moment.astimezone():%H:%M:%S}" for step, moment in steps.items() if moment is not None]
    times = f"{part.posts} {'call' if part.posts == 1 else 'calls'}"
    return ", ".join([*told, times, *([f"receipt {part.receipt}"] if part.receipt else [])])


def _print_differences(parts: Iterable[Part]) -> None:
    for part in parts:
        for difference in part.differences:
            say(f"  {part.number} differs from what was sent: {difference}", style="red")


def _print_pieces(pieces: Pieces | None) -> None:
    """What of it was picked, left and is shown as sent, and what was cancelled."""
    if pieces is None:
        return
    said = [f"{pieces.booked} booked", f"{pieces.picked} picked", f"{pieces.left} left"]
    since = f" since {moment_text(pieces.told_since)}" if pieces.told_since and pieces.left else ""
    said += [f"{pieces.shown_as_sent} shown as sent in the shop{since}"] if pieces.left else []
    said += [f"{pieces.cancelled} cancelled in the ERP"] if pieces.cancelled else []
    say(f"Pieces: {', '.join(said)}")


def _print_links(story: Story) -> None:
    for link in story.links:
        say(f"linked: {link.connector} {link.ref} = {link.other_connector} {link.other_ref}", style="dim")


def _print_jobs(story: Story, now: datetime) -> None:
    for job in story.jobs:
        why = f", {words(job.reason)}" if job.reason else ""
        say(f"job {job.id} ({job.flow}) {job.state} for {age(job.enqueued_at, now)}, {job.attempts} tries{why}")


def _print_events(story: Story) -> None:
    if story.events_left_out:
        say(f"... {story.events_left_out} earlier events", style="dim")
    for event in story.events:
        out.print(Text.assemble((moment_text(event.at), "dim"), "  ", sentence(event)), soft_wrap=True)


def _print_acts(story: Story) -> None:
    for act in story.acts:
        out.print(Text.assemble((moment_text(act.at), "dim"), "  ", (act_text(act), "cyan")), soft_wrap=True)
