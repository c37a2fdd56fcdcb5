"""The cross-reference tables people edit: ``mappings/*.toml`` <-> frozen tables.

One shape for all: a section per channel connection, and ``[default]`` for what holds everywhere else. ::

    [default]
    Standard = "UPG"

    [shopify_us]
    Overnight = "FXO"
    "Express*" = "UP2"      # begins with Express; an exact key wins, then the longest pattern

Keys are what the channel says, compared without regard to case; ``(none)`` stands for saying nothing. Values are the
ERP's codes, in ``skus`` UPCs; in ``divisions`` also a table of what the document says, in ``carriers`` (whose keys are
the ERP's ship vias) of how parcels are followed; in ``stock`` and ``packs`` always a table. Nothing is guessed: no row,
no answer.

A *cause* names one row that is missing or may be wrong: ``ship_via/Overnight`` (model/outcome.py, Problem.cause).
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal
from urllib.parse import quote

import tomli_w
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from bcbridge.errors import Misconfigured, Mistake

DEFAULT = "default"
NONE = "(none)"
"""The key for a channel that says nothing: no shipping line, no tax, no tender."""

TABLES = (
    "allowances",
    "carriers",
    "charges",
    "customer_groups",
    "customers",
    "divisions",
    "packs",
    "return_reasons",
    "ship_via",
    "skus",
    "stock",
    "tax_codes",
    "terms",
    "warehouses",
)

CHARGES = ("gift_card", "tip", "duty", "fee", "rounding")
"""Kinds of money beside the goods; ``fee/Gift wrap`` and ``duty/<name>`` narrow one by name."""


class Division(BaseModel):
    """What the document of one ERP division says."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    division: str = Field(min_length=1)
    department: str = ""
    order_type: str = ""
    season: str = ""


class NumberRow(BaseModel):
    """What holds for the numbers of a SKU, a style or a division; what it does not say is said by a broader row."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", populate_by_name=True)

    buffer: int | None = Field(default=None, ge=0)
    percent: int | None = Field(default=None, ge=0, le=100)
    speed: bool | None = None
    cap: int | None = Field(default=None, ge=0)
    stop: bool | None = None
    scarce: Literal["share", "split"] | None = None
    location: str = ""
    """Of the channel, by its name or id; empty: at all of them."""
    from_: AwareDatetime | None = Field(default=None, alias="from")
    until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _ends_after_it_began(self) -> NumberRow:
        if self.from_ and self.until and self.until <= self.from_:
            raise ValueError("until is not after from")
        return self


class Pack(BaseModel):
    """A pack is sold as one and made of so many pieces of each part."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    parts: dict[str, Annotated[int, Field(gt=0)]] = Field(min_length=1)


class Carrier(BaseModel):
    """What a channel calls a carrier, and how its parcels are followed: ``link`` with ``{}`` for the number."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    company: str = Field(min_length=1)
    link: str = Field(default="", pattern=r"^$|^https?://[^{}\s]*\{\}[^{}\s]*$")

    def links(self, tracks: Sequence[str]) -> tuple[str, ...]:
        return tuple(self.link.replace("{}", quote(track, safe="")) for track in tracks) if self.link else ()


Value = str | Carrier | Division | NumberRow | Pack
SHAPES: Mapping[str, type[BaseModel]] = MappingProxyType(
    {"carriers": Carrier, "divisions": Division, "packs": Pack, "stock": NumberRow}
)
"""Tables whose values are tables themselves."""
ONLY_TABLES = ("packs", "stock")
"""Tables whose values are never a code."""
Rows = Mapping[str, Value]
Sections = Mapping[str, Rows]

_NO_SECTIONS: Sections = MappingProxyType({})
_NO_ROWS: Rows = MappingProxyType({})
_code: TypeAdapter[str] = TypeAdapter(str, config=ConfigDict(strict=True))


@dataclass(frozen=True, slots=True)
class Mappings:
    """All tables: table -> section -> key -> value. Compared by value."""

    tables: Mapping[str, Sections] = field(default_factory=dict)

    def code(self, table: str, channel: str, *values: str) -> str | None:
        """The ERP's code for the first of ``values`` that has a row, the channel's own section first."""
        found = self._find(table, channel, values)
        return found if isinstance(found, str) else None

    def division(self, channel: str, division: str) -> Division | None:
        """What a document for goods of this ERP division says."""
        found = self._find("divisions", channel, (division,))
        if isinstance(found, str):
            found = Division(division=found)
        if not isinstance(found, Division):
            return None
        return found.model_copy(update={"division": division}) if found.division == "*" else found

    def carrier(self, channel: str, ship_via: str) -> Carrier | None:
        """What this channel calls the carrier of an ERP ship via."""
        found = self._find("carriers", channel, (ship_via or NONE,))
        return Carrier(company=found) if isinstance(found, str) else found if isinstance(found, Carrier) else None

    def leads_to(self, table: str, channel: str, code: str) -> bool:
        """Whether some row of a table means this code of the ERP, for this channel."""
        return any(code in rows.values() for rows in self._rows(table, channel))

    def rows_of(self, table: str, section: str) -> Rows:
        """Every row of one section."""
        return self.tables.get(table, _NO_SECTIONS).get(section, _NO_ROWS)

    def has_rows(self, table: str, channel: str) -> bool:
        """Whether anything is mapped for this channel at all."""
        return any(rows for rows in self._rows(table, channel))

    def row(self, table: str, section: str, key: str) -> Any:
        """What one row says, as it is written in its file; None where there is none. No pattern is tried."""
        rows = self.tables.get(table, _NO_SECTIONS).get(section, _NO_ROWS)
        found = rows.get(_written_as(rows, key))
        return None if found is None else _plain_value(found)

    def with_value(self, table: str, channel: str, key: str, value: str) -> Mappings:
        """A copy with one row set; raises Misconfigured where such a row could not be loaded."""
        mistakes = _row_mistakes(table, channel, key, value) if table in TABLES else [_unknown_table(table)]
        if mistakes:
            raise Misconfigured(mistakes)
        sections = {name: dict(rows) for name, rows in self.tables.get(table, {}).items()}
        rows = sections.setdefault(channel, {})
        rows.pop(_written_as(rows, key), None)
        rows[key] = value
        return replace(self, tables={**self.tables, table: sections})

    def _find(self, table: str, channel: str, values: Sequence[str]) -> Value | None:
        answers = (_answer(rows, values) for rows in self._rows(table, channel))
        return next((answer for answer in answers if answer is not None), None)

    def _rows(self, table: str, channel: str) -> Iterator[Rows]:
        sections = self.tables.get(table, _NO_SECTIONS)
        yield sections.get(channel, _NO_ROWS)
        yield sections.get(DEFAULT, _NO_ROWS)


def _answer(rows: Rows, values: Sequence[str]) -> Value | None:
    """The row of the first of ``values`` that is said exactly, else in another case, else by the longest pattern."""
    exact = next((value for value in values if value in rows), None)
    if exact is not None:
        return rows[exact]
    fits = [key for value in values for key in rows if _fits(key, value)]
    best = max(fits, key=lambda key: (not key.endswith("*"), len(key), key), default=None)
    return rows[best] if best is not None else None


def _fits(key: str, value: str) -> bool:
    plain, said = _plain(key), _plain(value)
    return said == plain or (plain.endswith("*") and said.startswith(plain[:-1]))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _written_as(rows: Rows, key: str) -> str:
    """The key under which a row already stands, perhaps in another case."""
    return next((old for old in rows if _plain(old) == _plain(key)), key)


# --- what changed --------------------------------------------------------------------------------------------------


def cause(table: str, value: str) -> str:
    """``ship_via/Overnight``."""
    return f"{table}/{value}"


def changed(old: Mappings, new: Mappings, channel: str) -> set[str]:
    """The causes of every row that was added, removed or given another value where ``channel`` looks."""
    return {
        cause(table, key)
        for table in TABLES
        for section in (channel, DEFAULT)
        for key in _differing(_section(old, table, section), _section(new, table, section))
    }


def _section(mappings: Mappings, table: str, section: str) -> Rows:
    return mappings.tables.get(table, _NO_SECTIONS).get(section, _NO_ROWS)


def _differing(old: Rows, new: Rows) -> set[str]:
    return {key for key in {*old, *new} if old.get(key) != new.get(key)}


def freed(changes: Iterable[str], causes: Iterable[str]) -> set[str]:
    """Of the causes orders are blocked by, those whose answer may differ after ``changes`` (see ``changed``).

    Generous on purpose: judging an order once more is harmless, leaving it blocked after its cure is not.
    """
    changed_rows = [change.partition("/")[::2] for change in changes]
    return {
        waiting
        for waiting in causes
        for table, key in changed_rows
        if waiting.startswith(table + "/") and _may_answer(key, waiting.removeprefix(table + "/"))
    }


def _may_answer(key: str, value: str) -> bool:
    """Whether a row ``VAT`` or ``VAT/GB/0.2`` may answer ``VAT/GB`` or the combination ``VAT + City tax``."""
    row = _plain(key)
    members = (_plain(member) for member in (value, *value.split(" + ")))
    return any(_fits(row, said) or said.startswith(row + "/") or row.startswith(said + "/") for said in members)


# --- reading -------------------------------------------------------------------------------------------------------


def load(folder: Path, channels: Collection[str] = ()) -> Mappings:
    """Reads every table in ``folder``; an absent file is an empty table.

    With ``channels`` (names of connections) a section for another name is a mistake. Raises Misconfigured with every
    mistake of every file.
    """
    if not folder.is_dir():
        raise Misconfigured([Mistake(str(folder), "there is no such folder", "make it, or set the path of mappings")])
    mistakes = _strange_files(folder)
    tables = {table: _load_table(folder / f"{table}.toml", channels, mistakes) for table in TABLES}
    if mistakes:
        raise Misconfigured(mistakes)
    return Mappings({table: sections for table, sections in tables.items() if sections})


def _strange_files(folder: Path) -> list[Mistake]:
    names = (path.stem for path in sorted(folder.glob("*.toml")))
    return [_unknown_table(name) for name in names if name not in TABLES]


def _unknown_table(name: str) -> Mistake:
    return Mistake(f"{name}.toml", "there is no such table", _suggestion(name, TABLES))


def _load_table(path: Path, channels: Collection[str], mistakes: list[Mistake]) -> Sections:
    if not path.exists():
        return {}
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        mistakes.append(Mistake(path.name, f"cannot be read: {error.strerror}", "look at its owner and mode"))
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        mistakes.append(Mistake(path.name, f"not readable as TOML: {error}"))
        return {}
    return {name: _load_section(path, name, rows, channels, mistakes) for name, rows in raw.items()}


def _load_section(path: Path, name: str, raw: Any, channels: Collection[str], mistakes: list[Mistake]) -> Rows:
    if not isinstance(raw, dict):
        mistakes.append(Mistake(f"{path.name}: {name}", "stands outside a section", "put [default] above it"))
        return {}
    if channels and name not in {*channels, DEFAULT}:
        known = (*channels, DEFAULT)
        mistakes.append(Mistake(f"{path.name}: [{name}]", "no connection has this name", _suggestion(name, known)))
    mistakes.extend(_twice(path, name, raw))
    for key, value in raw.items():
        mistakes.extend(_row_mistakes(path.stem, name, key, value))
    return {key: _value(path.stem, value) for key, value in raw.items() if _readable(path.stem, value)}


def _twice(path: Path, section: str, raw: Mapping[str, Any]) -> list[Mistake]:
    """Keys that differ only in case or spaces."""
    first: dict[str, str] = {}
    return [
        Mistake(f"{path.name}: [{section}] {key!r}", f"says again what {kept!r} says", "keep one of the two")
        for key in raw
        if (kept := first.setdefault(_plain(key), key)) != key
    ]


def _row_mistakes(table: str, section: str, key: str, value: Any) -> list[Mistake]:
    where = f"{table}.toml: [{section}] {key!r}"
    strange_key = _KEY_RULES.get(table, _any_key)(key)
    return [
        *([Mistake(where, *strange_key)] if strange_key else []),
        *(Mistake(where, what, instead) for what, instead in _value_mistakes(table, value)),
    ]


def _any_key(key: str) -> tuple[str, str] | None:
    return None if key.strip() else ("an empty key", f'say "{NONE}" for what the channel leaves out')


def _currency_key(key: str) -> tuple[str, str] | None:
    if re.fullmatch(r"[A-Z]{3}", key):
        return None
    return "not a currency code", f"did you mean {key.strip().upper()!r}?" if len(key.strip()) == 3 else "like USD"


def _charge_key(key: str) -> tuple[str, str] | None:
    kind, _, name = key.partition("/")
    if key in CHARGES or (kind in ("fee", "duty") and name.strip()):
        return None
    return "not a charge", _suggestion(kind, CHARGES)


def _sku_key(key: str) -> tuple[str, str] | None:
    if key.rstrip().endswith("*"):
        return "a pattern: many SKUs are never one UPC", "a row for each"
    return _any_key(key)


NUMBER_KEYS = ("sku", "style", "division")


def _number_key(key: str) -> tuple[str, str] | None:
    kind, _, name = key.partition("/")
    if key == "*" or (kind in NUMBER_KEYS and name.strip()):
        return None
    return "neither a SKU nor a style nor a division", "write sku/<UPC>, style/<number>, division/<code>, or *"


_KEY_RULES = {
    "customers": _currency_key,
    "charges": _charge_key,
    "skus": _sku_key,
    "packs": _sku_key,
    "stock": _number_key,
}


def _readable(table: str, value: Any) -> bool:
    return not _value_mistakes(table, value)


def _value_mistakes(table: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, str) and table not in ONLY_TABLES:
        return [] if value.strip() else [("an empty code", "write the ERP's code, or take the row out")]
    try:
        _value(table, value)
    except ValidationError as error:
        return [_explained(table, detail["loc"], detail["msg"]) for detail in error.errors()]
    return []


def _explained(table: str, loc: tuple[int | str, ...], message: str) -> tuple[str, str]:
    at = ".".join(str(part) for part in loc)
    known = tuple(field.alias or name for name, field in SHAPES[table].model_fields.items()) if table in SHAPES else ()
    instead = _suggestion(at, known) if at and known and at not in known else _EXAMPLES.get(table, 'a code, like "UPG"')
    return f"{at}: {message}" if at else message, instead


_EXAMPLES = {"packs": 'like { parts = { "040123000013" = 2 } }', "stock": "like { buffer = 2 }"}


def _value(table: str, raw: Any) -> Value:
    if table in SHAPES and (table in ONLY_TABLES or not isinstance(raw, str)):
        return SHAPES[table].model_validate(raw)  # type: ignore[return-value]  # one of Value, each of them
    return _code.validate_python(raw)


def _suggestion(word: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"one of {', '.join(sorted(known))}"


# --- writing -------------------------------------------------------------------------------------------------------


def write(mappings: Mappings, folder: Path) -> list[str]:
    """Writes the tables that differ from what is in ``folder``, sorted; returns their names.

    The comments at the head of a file are kept; each file is replaced whole, so a reader never sees half of one.
    Raises Misconfigured where a file that is there cannot be read: what a person wrote is not overwritten unread.
    """
    held = load(folder)
    differing = [table for table in TABLES if mappings.tables.get(table, {}) != held.tables.get(table, {})]
    for table in differing:
        _write_table(folder / f"{table}.toml", mappings.tables.get(table, {}))
    return differing


def _write_table(path: Path, sections: Sections) -> None:
    head = _head(path.read_text(encoding="utf-8")) if path.exists() else ""
    draft = path.with_suffix(".toml.new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(head + tomli_w.dumps(_sorted(sections)))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _head(text: str) -> str:
    """The comment lines before the first row or section."""
    lines = text.splitlines(keepends=True)
    body = next((at for at, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), len(lines))
    head = "".join(lines[:body]).rstrip()
    return head + "\n\n" if head else ""


def _sorted(sections: Sections) -> dict[str, dict[str, Any]]:
    names = sorted(sections, key=lambda name: (name != DEFAULT, name))
    return {name: {key: _plain_value(sections[name][key]) for key in sorted(sections[name])} for name in names}


def _plain_value(value: Value) -> Any:
    return value if isinstance(value, str) else value.model_dump(exclude_defaults=True, by_alias=True)
