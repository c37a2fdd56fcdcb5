"""Where it goes and who pays: complete enough to arrive, and no longer than the ERP's fields."""

from __future__ import annotations

from dataclasses import dataclass

from bcbridge.flows.orders.desk import Desk, Findings
from bcbridge.flows.orders.fit import fit, too_long
from bcbridge.flows.orders.places import places_of
from bcbridge.flows.orders.states import state_code
from bcbridge.flows.orders.upcs import subject
from bcbridge.model.order import Address, LineKind, Order


def _countries(codes: str) -> frozenset[str]:
    return frozenset(codes.split())


_NO_POSTCODE = _countries(
    "AE AG AO AW BF BI BJ BO BS BW BZ CD CF CG CI CM DJ DM FJ GA GD GH GM GQ GY HK JM KI KM "
    "KN KP LC ML MO MR MW NR PA QA RW SB SC SL SO SR ST SY TD TG TK TO TV UG VU YE ZW"
)
"""Countries whose addresses may do without a postcode."""
_STATES = _countries("US CA AU BR MX IN")
"""Countries in which an address without its state does not arrive."""

_FIELDS = ("company", "address2", "city", "state", "postcode", "country", "phone", "email")


@dataclass(frozen=True, slots=True)
class Addresses:
    ship_to: tuple[Address, ...]
    """By the number of the place (places.py)."""
    bill_to: Address


def find_addresses(order: Order, desk: Desk, findings: Findings) -> Addresses:
    """All addresses as the ERP takes them. Without goods to ship, the other one stands in, or an empty one."""
    going = places_of(order).orders()
    bill_to = order.bill_to or going[0].ship_to
    return Addresses(
        ship_to=tuple(_ship_to(one, _name(one, len(going)), desk, findings) for one in going),
        bill_to=_fitted(bill_to or Address(), "bill-to", desk, findings),
    )


def _name(going: Order, of: int) -> str:
    """How a problem names the address: among several, by the first line that goes there."""
    goods = (line for line in going.lines if line.kind is LineKind.GOODS)
    return "ship-to" if of == 1 else f"ship-to of {subject(next(goods))}"


def _ship_to(order: Order, of: str, desk: Desk, findings: Findings) -> Address:
    if _ships(order):
        _check_complete(order.ship_to or Address(), of, findings)
    return _fitted(order.ship_to or order.bill_to or Address(), of, desk, findings)


def _ships(order: Order) -> bool:
    """Whether a parcel leaves; what is sold over the counter carries no address of its own."""
    shipped = (line for line in order.lines if line.kind is LineKind.GOODS and line.quantity)
    return any(line.requires_shipping for line in shipped) and (order.source != "pos" or order.ship_to is not None)


def _check_complete(address: Address, of: str, findings: Findings) -> None:
    missing = [part for part in _needed(address) if not getattr(address, part).strip()]
    if missing and not (missing == ["name"] and address.company.strip()):
        findings.block("address_incomplete", of, f"without {', '.join(missing)}")


def _needed(address: Address) -> list[str]:
    country = address.country.upper()
    parts = ["name", "address1", "city", "country"]
    if country not in _NO_POSTCODE:
        parts.append("postcode")
    if country in _STATES:
        parts.append("state")
    return parts


def _fitted(address: Address, of: str, desk: Desk, findings: Findings) -> Address:
    address1, address2 = _split(address, of, desk, findings)
    values = {field: getattr(address, field) for field in _FIELDS} | {"address2": address2}
    values["state"] = state_code(address.state, address.country)
    fitted = {field: fit(text, field, f"{of} {field}", desk, findings) for field, text in values.items()}
    name = fit(address.name, "address_name", f"{of} name", desk, findings)
    return Address(name=name, address1=address1, **fitted)


def _split(address: Address, of: str, desk: Desk, findings: Findings) -> tuple[str, str]:
    """The street over two lines at a space, where that is the policy; a first word too long cannot be split."""
    width = desk.widths.address1
    if len(address.address1) <= width or desk.settings.over_width.address1 != "split":
        return fit(address.address1, "address1", f"{of} address1", desk, findings), address.address2
    at = address.address1.rfind(" ", 0, width + 1)
    if at <= 0:
        findings.block("over_width", f"{of} address1", f"a word longer than {width} characters cannot be split")
        return address.address1, address.address2
    findings.note("over_width", f"{of} address1", f"{too_long(address.address1, width)}; the rest went to address2")
    rest = " ".join(filter(None, (address.address1[at:].strip(), address.address2)))
    return address.address1[:at].rstrip(), rest
