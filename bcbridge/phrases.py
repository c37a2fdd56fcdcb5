"""The store's facts in a person's words: ages, money, events, and what to do next. For terminals only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from bcbridge.mappings import TABLES
from bcbridge.model.ids import order_argument
from bcbridge.store.incident import Incident
from bcbridge.store.views import Act, Event, Oldest, Story, Trouble

STATES: Mapping[str, str] = {
    "not_yet": "not yet",
    "ready": "ready to be booked",
    "blocked": "blocked",
    "sending": "on its way to the ERP",
    "accepted": "accepted by the ERP, not posted yet",
    "in_doubt": "in doubt",
    "booked": "booked",
    "never": "never to be booked",
}


def duration(seconds: float) -> str:
    """``8 s``, ``3 m 05 s``, ``2 h 10 m``, ``3 d 4 h``."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def age(since: datetime, now: datetime) -> str:
    return duration((now - since).total_seconds())


def latency(seconds: float | None) -> str:
    """``45 ms``, ``2.4 s``; a dash where nothing was measured."""
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def moment_text(moment: datetime) -> str:
    """In the reader's own time zone, with its offset."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def money(amounts: Mapping[str, Decimal]) -> str:
    """``EUR 12.00 + USD 1,204.50``."""
    return " + ".join(f"{currency} {amount:,}".strip() for currency, amount in sorted(amounts.items()))


def words(code: str) -> str:
    """``unknown_sku`` -> ``unknown sku``."""
    return code.replace("_", " ")


def oldest_text(oldest: Oldest | None, now: datetime) -> str:
    if oldest is None:
        return "nothing waits"
    return f"{oldest.name} ({oldest.connector}) {age(oldest.since, now)} {words(oldest.state)}"


def attention(incident: Incident, now: datetime) -> str:
    """``, acknowledged by anna``, ``, snoozed until ...``; empty where nobody has looked at it."""
    said = f", acknowledged by {incident.acked_by}" if incident.acked_at else ""
    if incident.snoozed_until is not None and incident.snoozed_until > now:
        said += f", snoozed until {moment_text(incident.snoozed_until)}"
    return said


# -- what happened -----------------------------------------------------------------------------------------------


def sentence(event: Event) -> str:
    """One event in one line of plain English; an unknown kind with its facts as they are."""
    tell = _SENTENCES.get(event.kind)
    return tell(event.data) if tell else f"{words(event.kind)}{_facts(event.data)}"


def _facts(data: Mapping[str, Any]) -> str:
    facts = ", ".join(f"{words(key)} {_said(value)}" for key, value in data.items() if value not in ("", [], None))
    return f": {facts}" if facts else ""


def _said(value: object) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def _of_part(data: Mapping[str, Any]) -> str:
    part, of = data.get("part"), data.get("of")
    return f" (part {part} of {of})" if part and of and of != 1 else ""


def _because(data: Mapping[str, Any]) -> str:
    reason = data.get("reason") or _said(data.get("reasons") or data.get("codes") or "")
    return f": {reason}" if reason else ""


def _side(data: Mapping[str, Any]) -> str:
    return "ERP" if data.get("side") == "erp" else "channel"


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "came_in": lambda data: "seen in the channel for the first time",
    "not_yet": lambda data: f"not yet to be booked{_because(data)}",
    "blocked": lambda data: f"blocked{_because(data)}",
    "never": lambda data: f"never to be booked{_because(data)}",
    "released": lambda data: f"looked at again: {data.get('cause', 'its cause was cured')}",
    "retried": lambda data: f"to be looked at again, says {data.get('who', 'somebody')}",
    "skipped": lambda data: f"skipped by {data.get('who', 'somebody')}{_because({'reason': data.get('why')})}",
    "said_absent": lambda data: f"not in the ERP, says {data.get('by', 'somebody')}: {data.get('reference', '')}",
    "generation_closed": lambda data: (
        f"to be made anew, says {data.get('by', 'somebody')}: {data.get('reference', '')}"
    ),
    "sending": lambda data: f"sent to the ERP as {data.get('reference', '?')}{_of_part(data)}",
    "sending_again": lambda data: f"sent again, the same document {data.get('reference', '?')}{_of_part(data)}",
    "accepted": lambda data: f"accepted by the ERP (its receipt {data.get('receipt') or 'not given'}){_of_part(data)}",
    "refused": lambda data: f"refused by the ERP{_because(data)}",
    "in_doubt": lambda data: f"no definite answer from the ERP, it may or may not have it{_because(data)}",
    "not_sent": lambda data: f"the call had no effect, it is made again{_because(data)}",
    "found_by_read_back": lambda data: f"found in the ERP under {data.get('number', '?')} by asking for its reference",
    "booked": lambda data: f"booked as {data.get('number', '?')}{_of_part(data)}",
    "differs_in_erp": lambda data: f"the ERP holds something else than was sent: {_said(data.get('differences', ''))}",
    "change_accepted": lambda data: f"the {_side(data)} was asked to {data.get('what', '?')}, and took it",
    "change_rejected": lambda data: (
        f"the {_side(data)} was asked to {data.get('what', '?')}, and refuses{_because(data)}"
    ),
    "change_not_sent": lambda data: (
        f"the {_side(data)} was to {data.get('what', '?')}; the call had no effect{_because(data)}"
    ),
    "change_in_doubt": lambda data: (
        f"the {_side(data)} was asked to {data.get('what', '?')}: no definite answer{_because(data)}"
    ),
    "differences_agreed": lambda data: (
        f"its differences are all right, says {data.get('who', 'somebody')}{_because({'reason': data.get('why')})}"
    ),
    "shipped": lambda data: (
        f"{data.get('pieces', '?')} pieces left with {data.get('shipment', '?')}"
        f" ({data.get('tracks') or 'no'} tracking numbers)"
    ),
    "shipment_void": lambda data: f"shipment {data.get('shipment', '?')} is void: it never left",
    "dispatch_told": lambda data: (
        f"the channel shows {data.get('pieces', '?')} pieces of {data.get('shipment', '?')} as left"
    ),
    "dispatch_rejected": lambda data: f"the channel refuses {data.get('shipment', '?')}{_because(data)}",
    "dispatch_not_sent": lambda data: (
        f"telling {data.get('shipment', '?')} had no effect, it is told again{_because(data)}"
    ),
    "dispatch_in_doubt": lambda data: (
        f"no definite answer from the channel about {data.get('shipment', '?')}: it is looked at{_because(data)}"
    ),
    "capture_told": lambda data: (
        f"the channel takes the money that was authorised (as {data.get('receipt') or 'it names it'})"
    ),
    "capture_rejected": lambda data: f"the channel does not capture the money{_because(data)}",
    "capture_not_sent": lambda data: f"asking for the money had no effect, it is asked again{_because(data)}",
    "capture_in_doubt": lambda data: f"no definite answer about the money: it is looked at{_because(data)}",
    "changed_after_booking": lambda data: f"changed in the channel after booking: {_said(data.get('changes', ''))}",
}


# -- what people did ---------------------------------------------------------------------------------------------

CHANGES_SHOWN = 4


def act_text(act: Act) -> str:
    """``ann mapping ship_via.default.Air: UPG -> FXO (the carrier changed)``."""
    changed = _change(act.before, act.after)
    why = f" ({act.why})" if act.why else ""
    return f"{act.who} {words(act.act)} {act.target}{f': {changed}' if changed else ''}{why}"


def _change(before: object, after: object) -> str:
    if isinstance(before, Mapping) or isinstance(after, Mapping):
        return _changes(before if isinstance(before, Mapping) else {}, after if isinstance(after, Mapping) else {})
    return "" if before == after else f"{_was(before)} -> {_was(after)}"


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    keys = [key for key in dict.fromkeys([*before, *after]) if before.get(key) != after.get(key)]
    told = [f"{key} {_was(before.get(key))} -> {_was(after.get(key))}" for key in keys[:CHANGES_SHOWN]]
    more = len(keys) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")


def _was(value: object) -> str:
    return "nothing" if value in (None, "") else str(value)


# -- what to do --------------------------------------------------------------------------------------------------


def advice(story: Story) -> Iterator[str]:
    """What a person can do for this order, each with the command to type."""
    yield from _ADVICE[story.state](story)
    for incident in story.incidents:
        if incident.closed_at is None:
            yield f"An incident stands ({words(incident.code)}): {incident.text}"


def _named(story: Story) -> str:
    return order_argument(story.connector, story.name or story.ref)


def _for_not_yet(story: Story) -> Iterator[str]:
    again = f" at {moment_text(story.look_again)}" if story.look_again else ""
    yield f"Nothing: it is looked at again{again}, and as soon as the channel changes it."


def _for_blocked(story: Story) -> Iterator[str]:
    if story.held_for:
        yield "Nothing: its cause is cured, and it waits until the first three of that cause are booked."
        return
    if story.stopped_for:
        yield "The ERP refused an order that was released before it, so it waits for a person: cure that one first."
        yield f"Then: bcbridge retry {_named(story)}"
        return
    yield from dict.fromkeys(cure(trouble, story.connector) for trouble in story.problems)
    yield f"It is tried again by itself once everything is cured; at once with: bcbridge retry {_named(story)}"
    yield f"If it is not to be booked: bcbridge skip {_named(story)} --why '...'"


def cure(trouble: Trouble, channel: str) -> str:
    """How to cure one problem."""
    table, _, key = trouble.cause.partition("/")
    if table in TABLES and key:
        return f"Map it: bcbridge mappings set {table} '{key}' CODE --channel {channel}"
    if table == "sku" and key:
        where = f"the ERP's style master, the line in the channel, or mappings/skus.toml ({words(trouble.code)})"
        return f"Put UPC {key} right in {where}"
    return f"Put it right in the channel: {trouble.subject}: {trouble.text}"


def _for_ready(story: Story) -> Iterator[str]:
    yield "Nothing: its turn comes. If it does not: bcbridge jobs says what waits, bcbridge confirm what waits for you."


def _for_sending(story: Story) -> Iterator[str]:
    yield "Nothing: the call is being made, or waits for its turn."


def _for_accepted(story: Story) -> Iterator[str]:
    yield "Nothing: the ERP has it and posts it later. It is never sent again by itself."


def _for_in_doubt(story: Story) -> Iterator[str]:
    yield "Nothing yet: the bridge asks the ERP for its reference and decides on evidence. Do not key it in by hand."
    references = ", ".join(part.reference for part in story.parts if part.state == "in_doubt")
    if references:
        yield f"Seen in the ERP under {references}? bcbridge resolve {_named(story)} --booked NUMBER --why '...'"
        yield f"Looked, and it is not there?       bcbridge resolve {_named(story)} --absent --why '...'"


def _for_booked(story: Story) -> Iterator[str]:
    yield "Nothing: it is booked."


def _for_never(story: Story) -> Iterator[str]:
    if story.skipped_by:
        yield f"Skipped by {story.skipped_by}. To open it again: bcbridge retry {_named(story)}"
    else:
        yield "Nothing: it is not to be booked."


_ADVICE: Mapping[str, Callable[[Story], Iterator[str]]] = {
    "not_yet": _for_not_yet,
    "ready": _for_ready,
    "blocked": _for_blocked,
    "sending": _for_sending,
    "accepted": _for_accepted,
    "in_doubt": _for_in_doubt,
    "booked": _for_booked,
    "never": _for_never,
}
