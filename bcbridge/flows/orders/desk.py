"""What lies on the desk while one order is judged, and what is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from bcbridge.flows.orders.settings import OrderSettings
from bcbridge.mappings import Mappings
from bcbridge.model.catalog import CatalogSku
from bcbridge.model.ids import Ref
from bcbridge.model.outcome import Problem
from bcbridge.model.record import Record
from bcbridge.model.widths import Widths

NO_LINKS: Mapping[Ref, str] = MappingProxyType({})


class Masters(Record):
    """Codes the ERP knows; ``None`` where its list has not been read yet, then nothing is checked against it."""

    warehouses: frozenset[str] | None = None
    ship_vias: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything but the order: nothing here is asked for over a wire."""

    channel: str
    settings: OrderSettings
    mappings: Mappings
    skus: Mapping[str, tuple[CatalogSku, ...]]
    """By UPC; an absent key is an unknown SKU."""
    widths: Widths
    masters: Masters
    now: datetime
    links: Mapping[Ref, str]
    """The UPC each variant was sold as before, of lines whose SKU is live."""


@dataclass(slots=True)
class Findings:
    """All that is wrong, and all that is worth a note, in the order of the steps."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def block(self, code: str, subject: str, text: str, *, cause: str = "", also: tuple[str, ...] = ()) -> None:
        _add(self.problems, Problem(code=code, subject=subject, text=text, cause=cause, also=also))

    def note(self, code: str, subject: str, text: str, *, cause: str = "") -> None:
        _add(self.notes, Problem(code=code, subject=subject, text=text, cause=cause))


def _add(kept: list[Problem], problem: Problem) -> None:
    if problem not in kept:
        kept.append(problem)
