"""Where the pieces of an order go: addresses, a counter to fetch them at, or nowhere at all."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from bcbridge.connectors.bigcommerce import wire
from bcbridge.connectors.bigcommerce.money import Side, total
from bcbridge.connectors.bigcommerce.taxes import Place
from bcbridge.model.ids import Ref
from bcbridge.model.money import spread
from bcbridge.model.order import Address, Allowance, Assignment, Shipping, Tax


class Destinations:
    """Whither each line of one order goes."""

    def __init__(self, whole: wire.Whole) -> None:
        told = whole.order.consignments
        self._bill_to = whole.order.billing_address
        self._addresses = {one.id: self._address(one) for one in told.shipping}
        self._several = len(set(self._addresses.values())) > 1
        self._of_line = {line.id: one.id for one in told.shipping for line in one.line_items}
        self._pickups = {line.id: one for one in told.pickups for line in one.line_items}
        self._pickup_methods = {one.id: one for one in told.pickups}

    @property
    def ship_to(self) -> Address | None:
        """The order's own address: the first of several."""
        return next(iter(self._addresses.values()), None)

    @property
    def bill_to(self) -> Address | None:
        return _address(self._bill_to, "") if self._bill_to else None

    def of_line(self, line: wire.Line) -> Address | None:
        """Said only where the order has several addresses."""
        return self.of_consignment(self._of_line.get(line.id, line.order_address_id or 0))

    def of_consignment(self, number: int) -> Address | None:
        return self._addresses.get(number) if self._several else None

    def ships(self, line: wire.Line) -> bool:
        """A parcel leaves: neither a file, nor a certificate by e-mail, nor fetched at a counter."""
        return line.is_goods and self._pickup(line) is None

    def assignments(self, line: wire.Line, quantity: int) -> tuple[Assignment, ...]:
        """A line that is fetched leaves from where it is fetched; of others BigCommerce does not say."""
        pickup = self._pickup(line)
        place = pickup.location if pickup else None
        if place is None:
            return ()
        location = Ref(str(place.id)) if place.id else None
        return (Assignment(location=location, location_name=place.name, quantity=quantity),)

    def _pickup(self, line: wire.Line) -> wire.PickupConsignment | None:
        return self._pickups.get(line.id) or self._pickup_methods.get(line.order_pickup_method_id or 0)

    def _address(self, one: wire.ShippingConsignment) -> Address:
        return _address(one, self._bill_to.email if self._bill_to else "")


def shipping_taxes(whole: wire.Whole) -> dict[int, Decimal]:
    """The tax of each shipping consignment by its id; as the order tells it, where theirs do not add up to that."""
    told, order = whole.order.consignments.shipping, whole.order
    if not told:
        return {0: order.shipping_cost_tax} if order.shipping_cost_tax or order.shipping_cost_inc_tax else {}
    if len(told) == 1:
        return {told[0].id: order.shipping_cost_tax}
    taxes = [one.cost_tax for one in told]
    if total(taxes) != order.shipping_cost_tax:
        taxes = list(spread(order.shipping_cost_tax, [abs(tax) for tax in taxes], order.default_currency_code))
    return {one.id: tax for one, tax in zip(told, taxes, strict=True)}


def shipping(
    whole: wire.Whole,
    side: Side,
    off: tuple[Allowance, ...],
    taxed: Mapping[Place, tuple[Tax, ...]],
    destinations: Destinations,
) -> tuple[Shipping, ...]:
    """One for each address, with what it cost; ``off`` is shared by what each costs."""
    costs = _costs(whole, side)
    shared = [spread(one.amount, list(costs.values()), side.currency) for one in off]
    methods = {one.id: one.shipping_method for one in whole.order.consignments.shipping}
    return tuple(
        Shipping(
            ref=Ref(str(number)),
            title=methods.get(number, ""),
            code="",
            amount=amount,
            allowances=tuple(
                Allowance(name=one.name, amount=shares[at])
                for one, shares in zip(off, shared, strict=True)
                if shares[at]
            ),
            taxes=taxed.get(("shipping", number), ()),
            ship_to=destinations.of_consignment(number),
        )
        for at, (number, amount) in enumerate(costs.items())
    )


def _costs(whole: wire.Whole, side: Side) -> dict[int, Decimal]:
    """By consignment; the order's own figure where there is one address, or where theirs do not add up to it."""
    order = whole.order
    told = order.consignments.shipping
    of_order = side.amount(order.shipping_cost_ex_tax, order.shipping_cost_inc_tax)
    if not told:
        return {0: of_order} if of_order else {}
    costs = [side.amount(one.cost_ex_tax, one.cost_inc_tax) for one in told]
    if len(told) == 1 or total(costs) != of_order:
        costs = list(spread(of_order, [abs(cost) for cost in costs], side.currency))
    return {one.id: cost for one, cost in zip(told, costs, strict=True)}


def _address(given: wire.Address, email: str) -> Address:
    return Address(
        name=" ".join(filter(None, (given.first_name.strip(), given.last_name.strip()))),
        company=given.company,
        address1=given.street_1,
        address2=given.street_2,
        city=given.city,
        state=given.state,
        postcode=given.zip,
        country=given.country_iso2,
        phone=given.phone,
        email=given.email or email,
    )
