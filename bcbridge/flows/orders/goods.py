"""Which SKU of the ERP is each line, and from where does it leave?"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bcbridge.flows.orders.desk import Desk, Findings
from bcbridge.flows.orders.fit import check_code
from bcbridge.flows.orders.prices import PricedLine, Prices
from bcbridge.flows.orders.upcs import cures, find_upc, subject
from bcbridge.mappings import NONE, Division, cause
from bcbridge.model.catalog import CatalogSku
from bcbridge.model.order import Assignment, Order, OrderLine

NOWHERE = Assignment(location=None, location_name="", quantity=0)
"""No location: goods that are not shipped, a gift card sold alone."""


@dataclass(frozen=True, slots=True)
class Goods:
    """One line, found: the SKU, what its document says, and how many pieces leave from which warehouse."""

    priced: PricedLine
    sku: CatalogSku
    division: Division
    pieces: tuple[tuple[str, int], ...]


def find_goods(order: Order, prices: Prices, desk: Desk, findings: Findings) -> tuple[Goods, ...]:
    """The lines that could be found in full; every line's every problem goes to ``findings``."""
    _check_quantities(order, findings)
    found = (_find_line(priced, order, desk, findings) for priced in prices.goods)
    return tuple(goods for goods in found if goods)


def _check_quantities(order: Order, findings: Findings) -> None:
    for line in order.lines:
        if not 0 <= line.quantity <= line.ordered:
            said = f"{line.quantity} now of {line.ordered} ordered"
            findings.block("nonsense_quantity", subject(line), said)


def _find_line(priced: PricedLine, order: Order, desk: Desk, findings: Findings) -> Goods | None:
    pieces = _pieces(priced.line, desk, findings)
    sku = _sku(priced.line, desk, findings)
    if not sku:
        return None
    _check_list_price(priced, sku, order, desk, findings)
    division = division_of(sku.parts.division, subject(priced.line), desk, findings)
    return Goods(priced, sku, division, pieces) if division else None


def _sku(line: OrderLine, desk: Desk, findings: Findings) -> CatalogSku | None:
    upc = find_upc(line, desk, findings)
    hits = {hit.parts.model_dump_json(): hit for hit in desk.skus.get(upc, ())} if upc else {}
    if not hits:
        _block_unknown(line, upc, findings)
        return None
    if len(hits) > 1:
        said = f"{len(hits)} SKUs of the ERP have this UPC"
        findings.block("ambiguous_upc", subject(line), said, cause=cause("sku", upc))
        return None
    return _sellable(line, next(iter(hits.values())), desk, findings)


def _block_unknown(line: OrderLine, upc: str, findings: Findings) -> None:
    """Cured in the ERP, or by a row that says which UPC it is."""
    which = f", {upc}" if upc != line.sku else ""
    said = f"the ERP has no SKU with this UPC{which}" if upc else "the line names no UPC"
    first, *rest = [*([cause("sku", upc)] if upc else []), *cures(line)] or [""]
    findings.block("unknown_sku", subject(line), said, cause=first, also=tuple(rest))


def _sellable(line: OrderLine, sku: CatalogSku, desk: Desk, findings: Findings) -> CatalogSku:
    if not sku.active:
        findings.block("inactive_sku", subject(line), "not active in the ERP", cause=cause("sku", sku.upc))
    wanted = desk.settings.assortment
    if wanted and wanted not in sku.destinations:
        said = f"not in the assortment {wanted}"
        findings.block("not_in_assortment", subject(line), said, cause=cause("sku", sku.upc))
    return sku


def _check_list_price(priced: PricedLine, sku: CatalogSku, order: Order, desk: Desk, findings: Findings) -> None:
    """Before allowances and net of tax, in the currency of the ERP's list."""
    policy = desk.settings.price_against_list
    if policy == "ignore" or sku.price is None or order.currency != desk.settings.list_price_currency:
        return
    if _about(priced, sku.price * priced.line.quantity):
        return
    said = f"{priced.price.value} for {priced.line.quantity}, the ERP's list price is {sku.price} each"
    report = findings.block if policy == "block" else findings.note
    report("price_off_list", subject(priced.line), said, cause=cause("sku", sku.upc))


def _about(priced: PricedLine, listed: Decimal) -> bool:
    """Equal, but for the half cent a piece that taking tax out of a price rounds away."""
    half_cents = abs(priced.price.value - listed) * 200
    return half_cents <= priced.line.quantity


def division_of(code: str, of: str, desk: Desk, findings: Findings) -> Division | None:
    """What a document for goods of this ERP division says; None where it is not mapped, and a problem says so."""
    division = desk.mappings.division(desk.channel, code)
    if not division:
        findings.block("no_division", of, f"division {code!r} is not mapped", cause=cause("divisions", code))
        return None
    for field in type(division).model_fields:
        check_code(getattr(division, field), field, desk, findings)
    return division


def _pieces(line: OrderLine, desk: Desk, findings: Findings) -> tuple[tuple[str, int], ...]:
    """Pieces per warehouse, in the channel's order."""
    taken: dict[str, int] = {}
    for share, count in shares(line, line.quantity):
        code = warehouse_of(share, subject(line), desk, findings)
        taken[code] = taken.get(code, 0) + count
    return tuple((code, count) for code, count in taken.items() if count)


def shares(line: OrderLine, pieces: int) -> list[tuple[Assignment, int]]:
    """So many pieces of a line by its assignments; never none. What no assignment covers leaves with the first."""
    told = [share for share in line.assignments if share.quantity > 0] or [NOWHERE]
    left, counts = pieces, list[int]()
    for share in told:
        counts.append(min(share.quantity, left))
        left -= counts[-1]
    counts[0] += left
    return list(zip(told, counts, strict=True))


def warehouse_of(share: Assignment, of: str, desk: Desk, findings: Findings) -> str:
    """The ERP's location code for a location of the channel; empty where there is none, and a problem says so."""
    names = tuple(name for name in (share.location, share.location_name) if name) or (NONE,)
    said = share.location_name or share.location or NONE
    code = desk.mappings.code("warehouses", desk.channel, *names)
    known = desk.masters.warehouses
    if code is None:
        findings.block("no_warehouse", of, f"location {said!r} is not mapped", cause=cause("warehouses", said))
    elif known is not None and code not in known:
        text = f"location {said!r} is mapped to {code!r}, which the ERP does not have"
        findings.block("no_warehouse", of, text, cause=cause("warehouses", said))
    check_code(code or "", "warehouse", desk, findings)
    return code or ""
