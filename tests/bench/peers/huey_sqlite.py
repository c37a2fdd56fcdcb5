"""A peer, in its own environment: huey on SQLite, each step synced to disk. ``FILE JOBS``.

Its job is deleted when it is taken, before it is done: one that dies with the process is lost.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter

from huey import SqliteHuey


def main(path: str, jobs: int) -> None:
    huey = SqliteHuey(filename=path, fsync=True, results=False)
    nothing = huey.task()(lambda number: None)
    began = perf_counter()
    for number in range(jobs):
        nothing(number)
    enqueued = perf_counter()
    for _ in range(jobs):  # what its consumer does, without the consumer's threads: faster than with them
        huey.execute(huey.dequeue())
    done = perf_counter()
    told = {"enqueued": jobs / (enqueued - began), "done": jobs / (done - enqueued), "both": jobs / (done - began)}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
