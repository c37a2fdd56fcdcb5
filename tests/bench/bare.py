"""A child: what the ERP allows, by the product's own client with nothing else to do.

``python -m tests.bench.bare CONFIG COUNT``: posts the body of an order that the bridge booked, COUNT times, each under
a reference of nobody, as many at once as the settings allow. Says how many a second.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import cast

import anyio

from bcbridge import config
from bcbridge.connectors.base import Erp, Tools
from bcbridge.connectors.kinds import KINDS
from bcbridge.model.answers import Accepted
from bcbridge.model.ids import ConnectorName
from tests.bench.children import tell

ERP = "bluecherry"


def utc_now() -> datetime:
    return datetime.now(UTC)


def booked(store: Path) -> tuple[str, bytes]:
    """A reference and its body, as the bridge wrote them."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        row = connection.execute("SELECT reference, body FROM outbox WHERE state IN ('accepted', 'posted')").fetchone()
    return str(row[0]), bytes(row[1])


async def main(path: Path, count: int) -> None:
    settings = config.load(path)
    connection = settings.connections[ERP]
    tools = Tools(now=utc_now, secret=settings.secrets)
    erp = cast(Erp, KINDS[connection.kind].build(ConnectorName(ERP), connection.room, tools))
    reference, body = booked(settings.store.path)
    try:
        await erp.ping()
        began = perf_counter()
        for number in range(count):
            nobodys = f"N{number:0{len(reference) - 1}d}"
            answer = await erp.sales_orders.put(body.replace(reference.encode(), nobodys.encode()))
            assert isinstance(answer, Accepted), answer
        tell({"per_second": count / (perf_counter() - began)})
    finally:
        await erp.aclose()


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), int(sys.argv[2]), backend_options={"use_uvloop": True})
