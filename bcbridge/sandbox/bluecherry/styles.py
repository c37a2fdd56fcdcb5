"""The ERP's people at work on the style master: a style switched on or off, repriced, or given a new SKU."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from typing import Any

from bcbridge.sandbox.bluecherry.books import Row, next_pkey, put

STYLE_KEYS = {"style", "division", "active_ok", "color_code", "retail_price", "skus"}

_FIND = "SELECT header, children FROM styles WHERE json_extract(header, '$.style') = ?"


def alter_style(connection: sqlite3.Connection, asked: Row, *, stamp: str) -> Row:
    """Changes or makes ``style``; its ``last_mod`` moves. Returns the header.

    ``{"style": "00401", "active_ok": "Y", "retail_price": "30.00", "division": "WOM",
    "skus": [{"upc": ..., "color_code": ..., "size_desc": ..., "lbl_code": "", "dimension": ""}]}``; all but
    ``style`` may be left out. With ``color_code`` that colour alone is switched on or off.
    ValueError where ``active_ok`` is neither Y nor N.
    """
    header, details = _found(connection, asked, stamp)
    if asked.get("active_ok", "Y") not in ("Y", "N"):
        raise ValueError("active_ok is Y or N")
    header["last_mod"] = stamp
    if "color_code" not in asked:
        header["active_ok"] = asked.get("active_ok", header["active_ok"])
    for sku in asked.get("skus", []):
        _add_sku(connection, header, details, sku)
    for detail in details:
        if asked.get("color_code", detail["color_code"]) == detail["color_code"]:
            _switch(connection, header, detail, str(asked.get("active_ok", detail["active_ok"])))
        if "retail_price" in asked:
            detail["retail_price"] = Decimal(str(asked["retail_price"]))
    put(connection, "styles", header, {"styledetail": {"rows": details}})
    return header


def _switch(connection: sqlite3.Connection, header: Row, detail: Row, active_ok: str) -> None:
    detail["active_ok"] = active_ok
    statement = "UPDATE skus SET active_ok = ? WHERE style = ? AND color_code = ?"
    connection.execute(statement, (active_ok, header["style"], detail["color_code"]))


def _found(connection: sqlite3.Connection, asked: Row, stamp: str) -> tuple[Row, list[Row]]:
    found = connection.execute(_FIND, (asked["style"],)).fetchone()
    if found is not None:
        return _parsed(found[0]), _parsed(found[1])["styledetail"]["rows"]
    new = {"pkey": next_pkey(connection, "styles", 10_001), "style": asked["style"], "style_name": asked["style"]}
    return {**new, "style_desc": "", "active_ok": "Y", "last_mod": stamp}, []


def _parsed(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def _add_sku(connection: sqlite3.Connection, header: Row, details: list[Row], sku: Row) -> None:
    detail = _detail_of(header, details, sku)
    size = {name: sku.get(name, "") for name in ("upc", "ean", "color_code", "lbl_code", "dimension", "size_desc")}
    detail["stylecolorsizes"]["rows-i"].append({"fkey": detail["pkey"], **size})
    connection.execute(
        "INSERT INTO skus VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'Y')",
        (sku["upc"], header["pkey"], detail["division"], header["style"], sku["color_code"], size["lbl_code"],
         size["dimension"], sku["size_desc"]),
    )  # fmt: skip


def _detail_of(header: Row, details: list[Row], sku: Row) -> Row:
    """The style's row of that colour, made where there is none."""
    for detail in details:
        if detail["color_code"] == sku["color_code"]:
            return detail
    made = {
        "pkey": header["pkey"] * 100 + len(details) + 1,
        "fkey": header["pkey"],
        "division": details[0]["division"] if details else sku.get("division", "WOM"),
        "season": details[0]["season"] if details else "CORE",
        "color_code": sku["color_code"],
        "color_name": sku["color_code"],
        "retail_price": details[0]["retail_price"] if details else Decimal("0.00"),
        "catg_dest1": "WEB",
        "catg_dest2": "WHS",
        "active_ok": header["active_ok"],
        "stylecolorsizes": {"rows-i": []},
    }
    details.append(made)
    return made
