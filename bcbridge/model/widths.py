"""How many characters the ERP's fields take, in our words; the ERP's room fills it from its profile."""

from __future__ import annotations

from pydantic import PositiveInt

from bcbridge.model.record import Record


class Widths(Record):
    """Field widths in characters.

    Documented are division 3, season 5 and ship via 3 (bluecherry/NOTES.md 2.3, 2.4); the others are assumed, and an
    operator confirms them with the profile. Widths of a SKU's parts are not here: they come from the ERP itself.
    """

    reference: PositiveInt = 30
    name: PositiveInt = 30
    customer: PositiveInt = 12
    customer_group: PositiveInt = 9
    division: PositiveInt = 3
    department: PositiveInt = 6
    season: PositiveInt = 5
    order_type: PositiveInt = 3
    warehouse: PositiveInt = 6
    ship_via: PositiveInt = 3
    terms: PositiveInt = 8
    tax_code: PositiveInt = 10
    allowance: PositiveInt = 10
    charge: PositiveInt = 10
    address_name: PositiveInt = 50
    company: PositiveInt = 50
    address1: PositiveInt = 50
    address2: PositiveInt = 50
    city: PositiveInt = 30
    state: PositiveInt = 30
    postcode: PositiveInt = 12
    country: PositiveInt = 3
    phone: PositiveInt = 20
    email: PositiveInt = 60
    notes: PositiveInt = 250
