"""A piece of work and how it ended: the words between the engine, which knows jobs, and the flows, which do them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

SETTLED = timedelta(seconds=2)
"""Stamps may be whole seconds: after this long one can no longer hide a second change under it."""


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job; ``attempts`` includes this one."""

    id: int
    flow: str
    connector: str
    ref: str
    ordering_key: str
    priority: int
    wanted: datetime | None
    enqueued: datetime
    attempts: int
    deaths: int


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing more to do until told again."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Again:
    """Look again after a while. ``burn``: this attempt counts as one that failed. ``anew``: fetch it again then,
    whatever we hold by now."""

    after: timedelta
    reason: str
    burn: bool = False
    anew: bool = False


Verdict = Done | Again


class Settle(Protocol):
    """Says how a job ended. Written down while the flow goes on: until then the job counts as running."""

    async def __call__(self, job: Job, verdict: Verdict) -> None: ...


class Handler(Protocol):
    """A flow's work: each job of the batch is settled as soon as it is finished. What it raises befalls the rest."""

    async def handle(self, jobs: Sequence[Job], settle: Settle) -> None: ...
