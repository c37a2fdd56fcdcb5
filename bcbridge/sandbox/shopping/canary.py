"""Customers made of canaries: every field that says who somebody is holds a token that occurs nowhere else.

Whoever keeps personal data in one place can be searched for them everywhere else. All tokens of letters share one
mark, all of digits another; after it comes which order and which field, so that a find names its leak.
"""

from __future__ import annotations

from dataclasses import replace

from bcbridge.sandbox.shopping.cart import JSON, Cart

MARK = "qzwren7v"
"""In every token of letters. Lower case, as a client may make them lower case itself."""
DIGITS = "9081726354"
"""In every telephone number."""
ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
DELIVERED_TO = ("firstName", "lastName", "company", "address1", "address2", "city", "zip")


def disguised(cart: Cart, *, seed: int, index: int) -> Cart:
    """The cart with a canary in each field of its customer; what was left out on purpose stays left out."""
    order = f"{base36(index)}s{base36(seed)}"
    shipping = disguised_address(cart.shipping_address, index, f"a{order}")
    first, *others = cart.lines
    engraved = replace(first, properties={**first.properties, "engraving": token("engraving", order)})
    return replace(
        cart,
        lines=(engraved, *others),
        shipping_address=shipping,
        billing_address=disguised_address(cart.billing_address, index, f"b{order}"),
        customer=cart.customer and {name: token(name, order) for name in ("firstName", "lastName")},
        email=f"{token('mail', order)}@example.com",
        note=token("note", order),
        attributes={**cart.attributes, "message": token("message", order)},
    )


def disguised_address(address: JSON | None, index: int, order: str) -> JSON | None:
    if address is None:
        return None
    known = {name: token(name, order) for name in DELIVERED_TO if address.get(name) or name not in ("city", "zip")}
    post_code = {"zip": MARK + base36(index)} if address.get("zip") else {}  # the narrowest field of an ERP
    return {**address, **known, **post_code, "phone": f"+{DIGITS}{index}"}


def token(field: str, order: str) -> str:
    return f"{MARK}{field.lower()}{order}"


def base36(number: int) -> str:
    digits = ""
    while number:
        number, place = divmod(number, len(ALPHABET))
        digits = ALPHABET[place] + digits
    return digits or "0"
