"""Which UPC is each line? A person's word first, then the line's own, then what its variant was sold as before.

A channel that reads a line's SKU from the product as it is now (``sku_is_live``) tells another one when the product is
renamed, and none when it is deleted: what the variant was when an order of it was found to be right is kept as a link.
Where the SKU of the sale is told too, and is a UPC of the ERP (a product's SKU in place of its variant's is none), that
counts for more than a link.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bcbridge.flows.orders.desk import Desk, Findings
from bcbridge.flows.orders.settings import Unit
from bcbridge.mappings import Mappings, cause
from bcbridge.model.ids import Ref
from bcbridge.model.order import OrderLine

TABLE = "skus"
"""mappings/skus.toml: ``variant/<its id in the channel>``, or what stands as the line's SKU, to a UPC."""

Links = Mapping[Ref, str]
"""The UPC each variant was sold as before."""


def subject(line: OrderLine) -> str:
    return f"line {line.sku or line.title}"


def asked(line: OrderLine, *, channel: str, unit: Unit, mappings: Mappings, links: Links) -> set[str]:
    """Every UPC that the line may turn out to be."""
    found = (_told(line, channel, mappings), _own(line, unit), _copied(line, unit), _of_variant(line, links))
    return {upc for upc in found if upc}


def find_upc(line: OrderLine, desk: Desk, findings: Findings) -> str:
    """The line's UPC, whether the ERP knows it or not; empty where the line names none."""
    if told := _told(line, desk.channel, desk.mappings):
        return told
    own, linked = _own(line, desk.settings.unit), _linked(line, desk)
    upc = own if own in desk.skus or not linked else linked
    if linked and upc != linked:
        text = f"its variant was sold as {linked} before, now it says {own}"
        findings.block("link_differs", subject(line), text, cause=cures(line)[0])
    elif upc != own:
        findings.note("sku_by_link", subject(line), f"found as {upc}, by what its variant was sold as before")
    _check_barcode(line, upc, desk, findings)
    return upc


def cures(line: OrderLine) -> tuple[str, ...]:
    """The rows of mappings/skus.toml that would say which UPC this line is, the most exact first."""
    return tuple(cause(TABLE, key) for key in _keys(line))


def _keys(line: OrderLine) -> Collection[str]:
    return [key for key in (f"variant/{line.variant}" if line.variant else "", line.sku) if key]


def _told(line: OrderLine, channel: str, mappings: Mappings) -> str:
    return mappings.code(TABLE, channel, *_keys(line)) or ""


def _own(line: OrderLine, unit: Unit) -> str:
    """What the line says itself, whole, with its leading zeros."""
    return line.sku if unit.sku_is == "upc" else line.barcode or ""


def _copied(line: OrderLine, unit: Unit) -> str:
    """What was copied when it was sold, where the line tells today's beside it."""
    return line.sku_sold or "" if line.sku_is_live and unit.sku_is == "upc" else ""


def _linked(line: OrderLine, desk: Desk) -> str:
    """The UPC that was copied at this very sale, else what the variant was sold as in another."""
    if (copied := _copied(line, desk.settings.unit)) in desk.skus:
        return copied
    return _of_variant(line, desk.links)


def _of_variant(line: OrderLine, links: Links) -> str:
    return links.get(line.variant, "") if line.sku_is_live and line.variant else ""


def _check_barcode(line: OrderLine, upc: str, desk: Desk, findings: Findings) -> None:
    if upc and line.barcode and line.barcode != upc and desk.settings.unit.sku_is == "upc":
        findings.block("barcode_differs", subject(line), f"its barcode is {line.barcode}", cause=cause("sku", upc))
