"""From a channel's order to the ERP's sales orders, or to every reason why not.

The story, top to bottom:

1. never: test orders, from before go-live, cancelled or refunded before they were booked;
2. not yet: unpaid, held by the channel, not assigned to a location, too young;
3. every problem at once: goods, codes, addresses, widths, circular lines, money that does not tie;
4. the cut into parts, each an ERP document, together to the cent the order's total;
5. ready, unless its warehouse's next release is still to come.

Pure: the channel's order, the mappings and the ERP's masters come in as they are known now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from bcbridge.flows.orders.addresses import Addresses, find_addresses
from bcbridge.flows.orders.codes import Codes, find_codes
from bcbridge.flows.orders.cut import Part, check_goods, coded, cut
from bcbridge.flows.orders.desk import NO_LINKS, Desk, Findings, Masters
from bcbridge.flows.orders.fit import check_code, fit
from bcbridge.flows.orders.gate import never_booked, not_yet_booked
from bcbridge.flows.orders.goods import Goods, find_goods
from bcbridge.flows.orders.marks import check_marks
from bcbridge.flows.orders.prices import Prices, priced, total
from bcbridge.flows.orders.reference import reference
from bcbridge.flows.orders.releases import wait_for_release
from bcbridge.flows.orders.settings import OrderSettings
from bcbridge.flows.orders.sold import Sale, to_book
from bcbridge.flows.orders.tie import CODE, check_money
from bcbridge.flows.orders.upcs import Links
from bcbridge.mappings import Mappings
from bcbridge.model.catalog import CatalogSku
from bcbridge.model.ids import Reference
from bcbridge.model.money import to_cents
from bcbridge.model.order import Order
from bcbridge.model.outcome import Blocked, Link, Outcome, Ready
from bcbridge.model.sales_order import SalesOrder, SalesOrderLine
from bcbridge.model.widths import Widths


def judge(
    order: Order,
    *,
    channel: str,
    settings: OrderSettings,
    mappings: Mappings,
    skus: Mapping[str, tuple[CatalogSku, ...]],
    widths: Widths,
    masters: Masters,
    now: datetime,
    links: Links = NO_LINKS,
    generation: int = 1,
) -> Outcome:
    """What becomes of an order that has not been booked yet; see the module's steps.

    ``channel`` is the connection's name, as the sections of ``mappings`` have it; ``skus`` holds, by UPC, at least
    those of the order's lines; ``links`` what its variants were sold as before; ``now`` is aware. ``generation`` goes
    into the references, and rises only when a person says so. Raises nothing: what is wrong is a value.
    """
    desk = Desk(channel, settings, mappings, skus, widths, masters, now, links)
    never_or_later = never_booked(order, settings) or not_yet_booked(order, desk)
    return never_or_later or _book(order, desk, generation)


def _book(order: Order, desk: Desk, generation: int) -> Outcome:
    findings = Findings()
    sale = to_book(order, desk, findings)
    prices = priced(sale.order)
    check_marks(sale.order, desk, findings)
    goods = find_goods(sale.order, prices, desk, findings)
    check_goods(prices, desk, findings)
    head = _find_head(sale.order, prices, generation, desk, findings)
    check_money(sale.order, prices, sale.due, findings, paid_back=not sale.original)
    if findings.problems:
        return Blocked(problems=tuple(findings.problems))
    parts = cut(sale.order, goods, prices, head.codes, desk)
    documents = _documents(sale, parts, head, desk, findings)
    if findings.problems:
        return Blocked(problems=tuple(findings.problems))
    ready = Ready(parts=documents, notes=tuple(findings.notes), links=_links(goods))
    return wait_for_release(order, ready, desk) or ready


def _documents(
    sale: Sale, parts: Sequence[Part], head: _Head, desk: Desk, findings: Findings
) -> tuple[SalesOrder, ...]:
    """The parts as ERP documents; what only shows after the cut still blocks all of them."""
    documents = tuple(
        _document(part, _reference(sale.order, number, head.generation, desk, findings), head, sale.order.currency)
        for number, part in enumerate(parts, start=1)
    )
    together = total(document.total for document in documents)
    if together != sale.due:
        findings.block(CODE, "parts", f"the parts add up to {together}, not to {sale.due} {sale.order.currency}")
    return documents


def _links(goods: Sequence[Goods]) -> tuple[Link, ...]:
    """What is to be remembered, so that a variant that is renamed later is known again."""
    found = ((one.priced.line, one.sku.upc) for one in goods)
    return tuple(Link(variant=line.variant, upc=upc, live=line.sku_is_live) for line, upc in found if line.variant)


_CODE_FIELDS = ("customer", "customer_group", "terms")
_CODES_BY_PLACE = ("ship_via", "tax_code")


@dataclass(frozen=True, slots=True)
class _Head:
    """What every part's document says alike, or by the place it goes to."""

    generation: int
    name: str
    notes: str
    codes: Codes
    addresses: Addresses
    start_date: date
    end_date: date


def _find_head(order: Order, prices: Prices, generation: int, desk: Desk, findings: Findings) -> _Head:
    codes = find_codes(order, prices, desk, findings)
    _check_codes(codes, desk, findings)
    _reference(order, 1, generation, desk, findings)
    zone = ZoneInfo(desk.settings.time_zone)
    return _Head(
        generation=generation,
        name=fit(order.name, "name", "order name", desk, findings),
        notes=fit(order.note, "notes", "notes", desk, findings),
        codes=codes,
        addresses=find_addresses(order, desk, findings),
        start_date=order.processed.astimezone(zone).date(),
        end_date=desk.now.astimezone(zone).date() + timedelta(days=desk.settings.ship_window_days),
    )


def _check_codes(codes: Codes, desk: Desk, findings: Findings) -> None:
    for field in _CODE_FIELDS:
        check_code(getattr(codes, field), field, desk, findings)
    for field in _CODES_BY_PLACE:
        for code in getattr(codes, field):
            check_code(code, field, desk, findings)
    for code in codes.allowances.values():
        check_code(code, "allowance", desk, findings)
    for code in codes.charges.values():
        check_code(code, "charge", desk, findings)


def _reference(order: Order, part: int, generation: int, desk: Desk, findings: Findings) -> Reference:
    try:
        ours = reference(desk.settings.code, order.id, part, generation)
    except ValueError as error:
        findings.block("bad_reference", "reference", str(error))
        return Reference("")
    check_code(ours, "reference", desk, findings)
    return ours


def _document(part: Part, ours: Reference, head: _Head, currency: str) -> SalesOrder:
    said, place = part.key.division, part.key.place
    return SalesOrder(
        reference=ours,
        name=head.name,
        customer=head.codes.customer,
        customer_group=head.codes.customer_group,
        division=said.division,
        department=said.department,
        order_type=said.order_type,
        season=said.season,
        warehouse=part.warehouse,
        ship_via=head.codes.ship_via[place],
        terms=head.codes.terms,
        tax_code=head.codes.tax_code[place],
        currency=currency,
        start_date=head.start_date,
        end_date=head.end_date,
        lines=_numbered(part.rows),
        allowances=coded(part.allowances, currency),
        charges=coded(part.charges, currency),
        tax=to_cents(part.tax, currency),
        freight=to_cents(part.freight, currency),
        total=to_cents(part.total, currency),
        ship_to=head.addresses.ship_to[place],
        bill_to=head.addresses.bill_to,
        notes=head.notes,
    )


def _numbered(rows: Sequence[SalesOrderLine]) -> tuple[SalesOrderLine, ...]:
    return tuple(row.model_copy(update={"line_seq": seq}) for seq, row in enumerate(rows, start=1))
