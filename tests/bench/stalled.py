"""A child: one piece of stock work, and how long it kept others from the store and from the loop.

``python -m tests.bench.stalled STORE SKUS DEMAND recompute|pull|shelf``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvloop

from tests.bench.assortment import Assortment, settle
from tests.bench.children import tell
from tests.bench.recount import WORK, Watched, watched


async def main(path: Path, of: Assortment, what: str) -> None:
    async with Watched(path).opened() as store:
        assert isinstance(store, Watched)
        work = await WORK[what](store, of)
        settle()
        async with watched(store) as watch:
            await work()
        tell(
            {
                "seconds": watch.seconds,
                "units": len(watch.held),
                "held_ms": watch.held[-1],
                "held_p99_ms": watch.held[int(len(watch.held) * 0.99)],
                "stall_ms": max(watch.late, default=0.0),
            }
        )


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), Assortment(int(sys.argv[2]), int(sys.argv[3])), sys.argv[4]))
