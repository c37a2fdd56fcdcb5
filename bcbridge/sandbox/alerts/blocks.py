"""Slack's rules for the blocks of a message (docs.slack.dev, Block Kit reference): what breaks one is refused.

A block that is not listed here is refused too: Slack has more, and nobody has sent one yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

BLOCKS_AT_MOST = 50
HEADER_LENGTH = 150
TEXT_LENGTH = 3_000
FIELDS_AT_MOST, FIELD_LENGTH = 10, 2_000
CONTEXT_ELEMENTS_AT_MOST = 10
ACTIONS_AT_MOST = 25
BUTTON_LENGTH, URL_LENGTH, VALUE_LENGTH = 75, 3_000, 2_000
ID_LENGTH = 255
ALT_LENGTH = 2_000
STYLES = (None, "primary", "danger")

Thing = Mapping[str, Any]


class BadBlock(ValueError):
    """Slack would not show this; the message says which rule it breaks."""


def check_blocks(blocks: object) -> list[Any]:
    """The blocks, where every one follows the rules; else `BadBlock`."""
    if not isinstance(blocks, list):
        raise BadBlock("blocks is no array")
    if len(blocks) > BLOCKS_AT_MOST:
        raise BadBlock(f"{len(blocks)} blocks, at most {BLOCKS_AT_MOST}")
    for number, block in enumerate(blocks):
        _check(block, f"/blocks/{number}")
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(ids) != len(set(ids)):
        raise BadBlock("block_id twice")
    return blocks


def _check(block: object, place: str) -> None:
    found = _object(block, place)
    rule = _RULES.get(str(found.get("type")))
    if rule is None:
        raise BadBlock(f"{place}: unknown type {found.get('type')!r}")
    _short(found, "block_id", ID_LENGTH, place)
    rule(found, place)


def _header(block: Thing, place: str) -> None:
    _text(block.get("text"), HEADER_LENGTH, f"{place}/text", kinds=("plain_text",))


def _section(block: Thing, place: str) -> None:
    fields = block.get("fields")
    if block.get("text") is None and not fields:
        raise BadBlock(f"{place}: neither text nor fields")
    if block.get("text") is not None:
        _text(block["text"], TEXT_LENGTH, f"{place}/text")
    for number, field in enumerate(_array(fields or [], FIELDS_AT_MOST, f"{place}/fields")):
        _text(field, FIELD_LENGTH, f"{place}/fields/{number}")
    if block.get("accessory") is not None:
        _element(block["accessory"], f"{place}/accessory")


def _context(block: Thing, place: str) -> None:
    elements = _array(block.get("elements"), CONTEXT_ELEMENTS_AT_MOST, f"{place}/elements", least=1)
    for number, element in enumerate(elements):
        where = f"{place}/elements/{number}"
        if _object(element, where).get("type") == "image":
            _image(element, where)
        else:
            _text(element, TEXT_LENGTH, where)


def _actions(block: Thing, place: str) -> None:
    for number, element in enumerate(_array(block.get("elements"), ACTIONS_AT_MOST, f"{place}/elements", least=1)):
        _element(element, f"{place}/elements/{number}")


def _divider(block: Thing, place: str) -> None:
    del block, place


def _image(block: Thing, place: str) -> None:
    for name, most in {"image_url": URL_LENGTH, "alt_text": ALT_LENGTH}.items():
        if not block.get(name):
            raise BadBlock(f"{place}: no {name}")
        _short(block, name, most, place)


_RULES: Mapping[str, Callable[[Thing, str], None]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "divider": _divider,
    "image": _image,
}


def _element(element: object, place: str) -> None:
    found = _object(element, place)
    if found.get("type") == "image":
        _image(found, place)
        return
    if found.get("type") != "button":
        raise BadBlock(f"{place}: unknown type {found.get('type')!r}")
    _text(found.get("text"), BUTTON_LENGTH, f"{place}/text", kinds=("plain_text",))
    for name, most in {"url": URL_LENGTH, "value": VALUE_LENGTH, "action_id": ID_LENGTH}.items():
        _short(found, name, most, place)
    if found.get("style") not in STYLES:
        raise BadBlock(f"{place}: style {found['style']!r}")


def _text(text: object, most: int, place: str, *, kinds: Sequence[str] = ("plain_text", "mrkdwn")) -> None:
    found = _object(text, place)
    if found.get("type") not in kinds:
        raise BadBlock(f"{place}: type {found.get('type')!r}, must be {' or '.join(kinds)}")
    words = found.get("text")
    if not isinstance(words, str) or not 1 <= len(words) <= most:
        raise BadBlock(f"{place}: text must have 1 to {most} characters")


def _short(thing: Thing, name: str, most: int, place: str) -> None:
    value = thing.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > most):
        raise BadBlock(f"{place}/{name}: must be a text of at most {most} characters")


def _array(value: object, most: int, place: str, *, least: int = 0) -> list[Any]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise BadBlock(f"{place}: must be an array of {least} to {most}")
    return value


def _object(value: object, place: str) -> Thing:
    if not isinstance(value, dict):
        raise BadBlock(f"{place}: must be an object")
    return value
