"""The season: what the simulated brand makes and how both of its systems name things.

Wholly determined by this file; nothing is drawn by chance. The ERP names a SKU by its parts
(contracts/bluecherry/NOTES.md 2.1), the shop by its UPC alone: a variant's ``sku`` and ``barcode`` are the
UPC, a string with its leading zeros. Both servers read the brand's world from here and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

ALPHA = ("XS", "S", "M", "L", "XL")
WAIST = ("28", "30", "32", "34", "36", "38")
ONE_SIZE = ("OS",)

WEB = "WEB"
"""Catalogue destination of what the shop sells (``catg_dest1``)."""

WHOLESALE = "WHS"
"""Catalogue destination of what is sold to other shops (``catg_dest2``)."""


@dataclass(frozen=True)
class Colour:
    code: str
    """At most five characters."""
    name: str


@dataclass(frozen=True)
class Style:
    """One style: a grid of colours and sizes under one number at one list price (in USD)."""

    number: str
    name: str
    division: str
    season: str
    group: str
    """Merchandise group: what kind of garment it is (``Tops``)."""
    colours: tuple[Colour, ...]
    sizes: tuple[str, ...]
    price: Decimal
    label: str = ""
    dimension: str = ""
    active: bool = True
    web: bool = True
    """Whether the shop sells it; the others are wholesale alone."""

    @property
    def cost(self) -> Decimal:
        return (self.price * Decimal("0.32")).quantize(Decimal("0.01"))


@dataclass(frozen=True)
class Sku:
    """One cell of a style's grid, with the one code that both systems share."""

    style: Style
    colour: Colour
    size: str
    upc: str
    """UPC-A: twelve digits, the last one checks the others."""

    @property
    def ean(self) -> str:
        return "0" + self.upc


@dataclass(frozen=True)
class Warehouse:
    code: str
    """The ERP's location code."""
    name: str
    location: str = ""
    """The shop's name of the same place; empty where the shop knows none."""
    kind: str = "W"
    """``loc_type``: W is a warehouse; the rest is no real stock (NOTES 2.4)."""


@dataclass(frozen=True)
class Shipper:
    code: str
    """At most three characters (NOTES 2.4)."""
    name: str


@dataclass(frozen=True)
class Customer:
    code: str
    name: str
    currency: str = "USD"
    house: bool = False
    """A house account: one per currency, for everything a shop sells to the public."""


@dataclass(frozen=True)
class DiscountCode:
    """A code a shopper types: so many per cent off, or so much."""

    code: str
    percent: Decimal | None = None
    amount: Decimal | None = None


@dataclass(frozen=True)
class Division:
    code: str
    name: str


DIVISIONS = (Division("WOM", "Womenswear"), Division("MEN", "Menswear"))

SEASONS = ("FW26", "SS27", "CORE")

WAREHOUSES = (
    Warehouse("NJ1", "New Jersey distribution", location="New Jersey DC"),
    Warehouse("CA1", "California distribution", location="California DC"),
    Warehouse("POE", "Port of entry", kind="P"),
    Warehouse("FOB", "Free on board, at the vendor", kind="F"),
    Warehouse("QRN", "Quarantine of returns", kind="Q"),
)

SHIPPERS = (
    Shipper("UPG", "UPS Ground"),
    Shipper("UP2", "UPS 2nd Day Air"),
    Shipper("FXO", "FedEx Overnight"),
    Shipper("USP", "USPS Priority"),
)

SHIPPING_TITLES = ("Standard", "Express", "Overnight", "Economy")
"""What the shop calls its ways of shipping."""

DISCOUNT_CODES = (
    DiscountCode("WELCOME10", percent=Decimal(10)),
    DiscountCode("SUMMER15", percent=Decimal(15)),
    DiscountCode("VIP20", percent=Decimal(20)),
    DiscountCode("TAKE5", amount=Decimal("5.00")),
)

AUTOMATIC_DISCOUNT = "Bundle & Save"

GATEWAYS = ("shopify_payments", "paypal", "gift_card", "shopify_store_credit", "manual")

TAX_TITLES = ("NJ State Tax", "CA State Tax", "NY State Tax", "VAT")

HOUSE_ACCOUNTS = (
    Customer("SHOPUSD", "Online shop, US dollar", "USD", house=True),
    Customer("SHOPEUR", "Online shop, euro", "EUR", house=True),
    Customer("SHOPGBP", "Online shop, pound sterling", "GBP", house=True),
)

WHOLESALE_CUSTOMERS = (
    Customer("NORDST", "Nordwind Department Stores"),
    Customer("BLOOM", "Bloomfield & Daughters"),
    Customer("HARBOR", "Harbor Street Outfitters"),
    Customer("MAISON", "Maison Verte", "EUR"),
    Customer("KINGS", "Kingsway Clothiers", "GBP"),
    Customer("ALPINE", "Alpine General Store"),
    Customer("CORNER", "The Corner Shop Collective"),
    Customer("LAKESD", "Lakeside Boutiques"),
)

CUSTOMERS = HOUSE_ACCOUNTS + WHOLESALE_CUSTOMERS

BLK = Colour("BLK", "Black")
WHT = Colour("WHT", "White")
NVY = Colour("NVY", "Navy")
IVO = Colour("IVORY", "Ivory")
OLV = Colour("OLV", "Olive")
RST = Colour("RUST", "Rust")
GRY = Colour("HGRY", "Heather Grey")
IND = Colour("IND", "Indigo")
RED = Colour("001", "Poppy Red")
SND = Colour("SAND", "Sand")


def _style(
    number: str,
    name: str,
    division: str,
    season: str,
    group: str,
    price: str,
    sizes: tuple[str, ...],
    *colours: Colour,
    label: str = "",
    active: bool = True,
    web: bool = True,
) -> Style:
    return Style(number, name, division, season, group, colours, sizes, Decimal(price), label, "", active, web)


STYLES = (
    _style("00417", "Ribbed Tank", "WOM", "CORE", "Tops", "28.00", ALPHA, BLK, WHT, NVY),
    _style("00418", "Boxy Tee", "WOM", "CORE", "Tops", "34.00", ALPHA, BLK, WHT, GRY, RED),
    _style("00512", "Silk Camisole", "WOM", "SS27", "Tops", "78.00", ALPHA, IVO, BLK, label="MAIN"),
    _style("00530", "Linen Shirt", "WOM", "SS27", "Shirts", "98.00", ALPHA, WHT, SND, OLV),
    _style("00533", "Poplin Shirt", "WOM", "FW26", "Shirts", "88.00", ALPHA, WHT, NVY),
    _style("01207", "Wrap Dress", "WOM", "SS27", "Dresses", "148.00", ALPHA, BLK, RST, OLV, label="MAIN"),
    _style("01210", "Slip Dress", "WOM", "SS27", "Dresses", "168.00", ALPHA, IVO, BLK),
    _style("01215", "Knit Midi Dress", "WOM", "FW26", "Dresses", "158.00", ALPHA, GRY, NVY),
    _style("02044", "Pleated Skirt", "WOM", "FW26", "Skirts", "96.00", ALPHA, BLK, RST),
    _style("02101", "High-Rise Jean", "WOM", "CORE", "Denim", "128.00", WAIST, IND, BLK, label="MAIN"),
    _style("02108", "Wide-Leg Trouser", "WOM", "FW26", "Bottoms", "138.00", WAIST, BLK, SND, NVY),
    _style("03300", "Cashmere Crew", "WOM", "FW26", "Knitwear", "198.00", ALPHA, GRY, IVO, RST),
    _style("03312", "Merino Cardigan", "WOM", "FW26", "Knitwear", "148.00", ALPHA, NVY, OLV),
    _style("04001", "Trench Coat", "WOM", "FW26", "Outerwear", "328.00", ALPHA, SND, BLK, label="MAIN"),
    _style("08010", "Silk Scarf", "WOM", "SS27", "Accessories", "68.00", ONE_SIZE, RST, NVY, IVO),
    _style("08022", "Leather Belt", "WOM", "CORE", "Accessories", "58.00", ALPHA, BLK, SND),
    _style("08040", "Canvas Tote", "WOM", "CORE", "Accessories", "45.50", ONE_SIZE, WHT, BLK),
    _style("05020", "Showroom Blazer", "WOM", "FW26", "Outerwear", "248.00", ALPHA, BLK, web=False),
    _style("00401", "Archive Tee", "WOM", "CORE", "Tops", "30.00", ALPHA, WHT, active=False),
    _style("60100", "Heavyweight Tee", "MEN", "CORE", "Tops", "38.00", ALPHA, BLK, WHT, NVY, OLV),
    _style("60104", "Pocket Henley", "MEN", "CORE", "Tops", "48.00", ALPHA, GRY, NVY),
    _style("61020", "Oxford Shirt", "MEN", "CORE", "Shirts", "89.95", ALPHA, WHT, IND),
    _style("61033", "Camp Collar Shirt", "MEN", "SS27", "Shirts", "79.95", ALPHA, RST, OLV),
    _style("62150", "Slim Chino", "MEN", "CORE", "Bottoms", "98.00", WAIST, SND, NVY, OLV, label="MAIN"),
    _style("62160", "Selvedge Jean", "MEN", "FW26", "Denim", "168.00", WAIST, IND),
    _style("63005", "Lambswool Sweater", "MEN", "FW26", "Knitwear", "128.00", ALPHA, GRY, RST),
    _style("64010", "Waxed Jacket", "MEN", "FW26", "Outerwear", "298.00", ALPHA, OLV, BLK),
    _style("68003", "Wool Beanie", "MEN", "FW26", "Accessories", "32.50", ONE_SIZE, BLK, RED, GRY),
    _style("65010", "Contract Polo", "MEN", "CORE", "Tops", "52.00", ALPHA, NVY, web=False),
    _style("60090", "Archive Sweatshirt", "MEN", "CORE", "Tops", "64.00", ALPHA, GRY, active=False),
)

_COMPANY = {"WOM": "040123", "MEN": "850044"}
"""GS1 company prefixes by division: one begins with a zero, which must survive."""


def check_digit(digits: str) -> str:
    """The last digit of a UPC-A whose first eleven are given: odd places thrice, even places once."""
    weighed = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits))
    return str(-weighed % 10)


def _upc(division: str, item: int) -> str:
    digits = f"{_COMPANY[division]}{item:05d}"
    return digits + check_digit(digits)


def _grid() -> Iterator[Sku]:
    item = 0
    for style in STYLES:
        for colour in style.colours:
            for size in style.sizes:
                item += 1
                yield Sku(style, colour, size, _upc(style.division, item))


SKUS: tuple[Sku, ...] = tuple(_grid())

ECHO = Sku(_style("99990", "Echo Count", "WOM", "CORE", "Dummies", "1.00", ONE_SIZE, BLK, web=False), BLK, "OS",
           _upc("WOM", 99_990))  # fmt: skip
"""A SKU that stands in the ERP alone and that nobody sells: its count may be set, to see when a figure was taken."""

SKU_BY_UPC = {sku.upc: sku for sku in SKUS}

WEB_SKUS = tuple(sku for sku in SKUS if sku.style.web and sku.style.active)
"""What the shop may sell without trouble."""

EXTRA_PER_STYLE = 100
_EXTRA_COLOURS = tuple(Colour(f"X{at:02d}", f"Shade {at + 1}") for at in range(20))


def extra_skus(count: int) -> Iterator[Sku]:
    """Goods besides the season's, for a shop as large as somebody wishes: nobody buys them unless told to."""
    for at in range(count):
        number = at // EXTRA_PER_STYLE
        style = Style(
            f"9{number:05d}", f"Basic {number + 1}", "WOM", "CORE", "Tops", _EXTRA_COLOURS, ALPHA, Decimal("20.00")
        )
        colour, size = divmod(at % EXTRA_PER_STYLE, len(ALPHA))
        digits = f"06{at:09d}"
        yield Sku(style, _EXTRA_COLOURS[colour], ALPHA[size], digits + check_digit(digits))


INACTIVE_SKUS = tuple(sku for sku in SKUS if not sku.style.active)
"""What the ERP no longer lets be ordered."""
