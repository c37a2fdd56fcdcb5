"""Names of things. Strings that must not be swapped are types."""

from __future__ import annotations

import shlex
from typing import NewType

from bcbridge.model.record import Record

ConnectorName = NewType("ConnectorName", str)
"""One configured instance of one system, as named in config.toml: ``shopify_us``."""

Noun = NewType("Noun", str)
"""What kind of record: ``orders``, ``styles``, ``locations``, ``ship_vias``."""

Ref = NewType("Ref", str)
"""How one system names a record, opaque to us: ``gid://shopify/Order/5``."""

Reference = NewType("Reference", str)
"""The key we make for a document of ours, A-Z and 0-9: connection code, the channel's id, part, generation."""

Upc = NewType("Upc", str)
"""UPC/EAN as a whole string with its leading zeros; the join between channel and ERP."""


class SkuParts(Record):
    """BlueCherry's composite SKU (contracts/bluecherry/NOTES.md 2.1), parts kept apart."""

    division: str
    style: str
    color_code: str
    lbl_code: str = ""
    dimension: str = ""
    size_desc: str


def order_argument(channel: str, name: str) -> str:
    """How a command line names an order, whatever other shops call theirs; quoted for a shell: ``'shop_us:#12'``."""
    return shlex.quote(f"{channel}:{name}")
