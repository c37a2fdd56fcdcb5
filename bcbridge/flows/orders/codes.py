"""The ERP's codes for what stands in the head of a document, each by its table in mappings/."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bcbridge.flows.orders.desk import Desk, Findings
from bcbridge.flows.orders.places import places_of
from bcbridge.flows.orders.prices import Prices
from bcbridge.mappings import NONE, cause
from bcbridge.model.order import Address, Order, Tax, Tender, TenderKind


@dataclass(frozen=True, slots=True)
class Codes:
    """One order's codes; every one is filled when no problem was found."""

    customer: str
    customer_group: str
    ship_via: tuple[str, ...]
    """By the number of the place (places.py), as the tax code is."""
    tax_code: tuple[str, ...]
    terms: str
    allowances: Mapping[str, str]
    """By the discount's name."""
    charges: Mapping[str, str]
    """By the charge's key."""


def find_codes(order: Order, prices: Prices, desk: Desk, findings: Findings) -> Codes:
    going = places_of(order).orders()
    return Codes(
        customer=_customer(order, desk, findings),
        customer_group=_customer_group(order, desk, findings),
        ship_via=tuple(_ship_via(one if one.shipping else order, desk, findings) for one in going),
        tax_code=tuple(_tax_code(one, desk, findings) for one in going),
        terms=_terms(order, desk, findings),
        allowances=_allowances(prices, desk, findings),
        charges=_charges(prices, desk, findings),
    )


def _customer(order: Order, desk: Desk, findings: Findings) -> str:
    code = desk.mappings.code("customers", desk.channel, order.currency)
    if not code:
        text = f"no house account for {desk.channel} in {order.currency}"
        findings.block("no_house_account", "customer", text, cause=cause("customers", order.currency))
    return code or ""


def _customer_group(order: Order, desk: Desk, findings: Findings) -> str:
    """By the order's source; only where any source is mapped for the channel."""
    if not desk.mappings.has_rows("customer_groups", desk.channel):
        return ""
    source = order.source or NONE
    code = desk.mappings.code("customer_groups", desk.channel, source)
    if not code:
        text = f"source {source!r} is not mapped"
        findings.block("no_customer_group", "customer group", text, cause=cause("customer_groups", source))
    return code or ""


def _ship_via(order: Order, desk: Desk, findings: Findings) -> str:
    ways = {shipping.title or shipping.code or NONE: (shipping.title, shipping.code) for shipping in order.shipping}
    table = _Table("ship_via", "no_ship_via", "ship via", desk, findings)
    code = table.one_code({way: tuple(filter(None, names)) or (NONE,) for way, names in ways.items()})
    known = desk.masters.ship_vias
    if code and known is not None and code not in known:
        way = " + ".join(sorted(ways)) or NONE
        text = f"{way!r} is mapped to {code!r}, which the ERP does not have"
        findings.block("no_ship_via", "ship via", text, cause=cause("ship_via", way))
    return code


def _terms(order: Order, desk: Desk, findings: Findings) -> str:
    """By the gateways that hold the customer's money or promise."""
    gateways = {tender.gateway or NONE for tender in order.tenders if _paid_in(tender)}
    table = _Table("terms", "no_terms", "terms", desk, findings)
    return table.one_code({gateway: (gateway,) for gateway in gateways})


def _paid_in(tender: Tender) -> bool:
    return bool(tender.amount) and tender.kind in (TenderKind.CAPTURED, TenderKind.AUTHORISED)


def _tax_code(order: Order, desk: Desk, findings: Findings) -> str:
    """By title, country and rate of the taxes that cost something; by those of 0.00 where there are no others."""
    taxes = list(_taxes(order))
    telling = [tax for tax in taxes if tax.amount] or taxes
    country = (order.ship_to or order.bill_to or Address()).country
    table = _Table("tax_codes", "no_tax_code", "tax code", desk, findings)
    return table.one_code(_by_name({_tax_keys(tax, country) for tax in telling}))


def _taxes(order: Order) -> Iterable[Tax]:
    for line in order.lines:
        if line.quantity:
            yield from line.taxes
            yield from (tax for charge in line.charges for tax in charge.taxes)
    yield from (tax for shipping in order.shipping for tax in shipping.taxes)
    yield from (tax for charge in order.charges for tax in charge.taxes)
    yield from (tax for reduction in order.reductions for tax in reduction.taxes)


def _tax_keys(tax: Tax, country: str) -> tuple[str, ...]:
    """From the most exact to the title alone: ``VAT/GB/0.2``, ``VAT/GB``, ``VAT``."""
    title = tax.title or NONE
    keys = [f"{title}/{country}", title] if country else [title]
    if country and tax.rate is not None:
        keys.insert(0, f"{title}/{country}/{tax.rate.normalize():f}")
    return tuple(keys)


def _by_name(keys: Collection[tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Each tax under its title and country, or in full where one title comes with several rates."""
    names = Counter(key[-2:][0] for key in keys)
    return {key[0] if names[key[-2:][0]] > 1 else key[-2:][0]: key for key in keys}


@dataclass(frozen=True, slots=True)
class _Table:
    """A table in which several values of one order must lead to one code."""

    name: str
    problem: str
    subject: str
    desk: Desk
    findings: Findings

    def one_code(self, values: Mapping[str, Sequence[str]]) -> str:
        """``values``: what the order says -> the keys to look for. Their common code, or a row for all of them."""
        if len(values) > 1 and (shared := self._code(_together(values))):
            return shared
        codes = {said: self._code(keys) for said, keys in (values or {NONE: (NONE,)}).items()}
        for said in sorted(said for said, code in codes.items() if not code):
            self._block(said, f"{said!r} is not mapped")
        found = sorted({code for code in codes.values() if code})
        if len(found) > 1:
            said = _together(values)[-1]
            self._block(said, f"{said!r} lead to {' and '.join(found)}; map the combination to one")
        return found[0] if len(found) == 1 else ""

    def _code(self, keys: Sequence[str]) -> str | None:
        return self.desk.mappings.code(self.name, self.desk.channel, *keys)

    def _block(self, said: str, text: str) -> None:
        self.findings.block(self.problem, self.subject, text, cause=cause(self.name, said))


def _together(values: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Keys of a combination, alphabetically: ``City Tax/US + State Tax/US``, ``City Tax + State Tax``."""
    shortest = {keys[-1] for keys in values.values()}
    told_apart = [sorted(values), sorted(shortest)] if len(shortest) == len(values) else [sorted(values)]
    return tuple(dict.fromkeys(" + ".join(names) for names in told_apart))


def _allowances(prices: Prices, desk: Desk, findings: Findings) -> dict[str, str]:
    names = dict.fromkeys(allowance.name or NONE for allowance in prices.allowances)
    codes = {name: desk.mappings.code("allowances", desk.channel, name) for name in names}
    for name in (name for name, code in codes.items() if not code):
        text = f"discount {name!r} is not mapped"
        findings.block("no_allowance", "allowance", text, cause=cause("allowances", name))
    return {name: code or "" for name, code in codes.items()}


def _charges(prices: Prices, desk: Desk, findings: Findings) -> dict[str, str]:
    """A fee or duty by its name, else by its kind."""
    keys = dict.fromkeys(charge.key for charge in prices.all_charges)
    codes = {key: desk.mappings.code("charges", desk.channel, key, key.partition("/")[0]) for key in keys}
    for key in (key for key, code in codes.items() if not code):
        text = f"{key!r} has no code in mappings/charges.toml"
        findings.block("charge_without_code", "charge", text, cause=cause("charges", key))
    return {key: code or "" for key, code in codes.items()}
