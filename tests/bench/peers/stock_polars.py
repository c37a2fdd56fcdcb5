"""A peer: polars. ``SKUS DEMAND time|memory [FILE]``.

Figures, open demand and what every channel shows are frames that stay in memory. The rows of all pages are made into
one frame, column by column; everything behind it is lazy, over the rows that moved. What it does not do: nothing of it
outlives the process, unless FILE is given: then figures and targets that moved are written to files of their own (IPC)
before they are told. It has no packs, no rules for single SKUs, no second warehouse, and cannot say afterwards why a
number was what it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from time import perf_counter

import polars as pl

from tests.bench.assortment import (
    BUFFERS,
    BUILD,
    CHANNELS,
    PARENT,
    PLENTY,
    Asked,
    Assortment,
    Row,
    asked,
    calls,
    peak_mib,
    published,
    say,
    settle,
)

NEVER = 2**40
"""When what is not booked was booked."""
SHOWN = [f"e{channel}" for channel in range(len(CHANNELS))]


class Book:
    def __init__(self, of: Assortment, file: str) -> None:
        upcs, explained = of.upcs(), of.explained()
        shown = {name: [told[at] for told in explained] for at, name in enumerate(SHOWN)}
        held = {"sku": upcs, "ots": of.before(), "as_of": [said - BUILD for said in of.stamps(after=False)]}
        self.figures = pl.DataFrame(held)
        self.shown = pl.DataFrame({"sku": upcs, **shown, "parent": [at // PARENT for at in range(of.skus)]})
        rows = list(of.rows())
        self.demand = pl.DataFrame(
            {
                "sku": [upcs[row.sku] for row in rows],
                "pieces": [row.pieces for row in rows],
                "posted_by": [NEVER if row.posted_by is None else row.posted_by for row in rows],
            }
        )
        self.file = file

    def pull(self, read: Iterable[Sequence[Row]]) -> pl.DataFrame:
        """Figures that moved, or whose booked pieces wait for a later one; kept."""
        columns = zip(*chain.from_iterable(read), strict=True)
        page = pl.DataFrame(dict(zip(("sku", "ots", "stamp"), columns, strict=True)))
        waiting = self.demand.lazy().filter(pl.col("posted_by") < NEVER).select("sku").unique()
        both = self.figures.lazy().join(page.lazy(), on="sku", how="left", suffix="_now", maintain_order="left")
        touched = (
            both.with_columns(pl.col("ots_now").fill_null(0))
            .filter((pl.col("ots_now") != pl.col("ots")) | pl.col("sku").is_in(waiting.collect()["sku"].implode()))
            .select("sku", ots="ots_now", as_of=pl.coalesce(pl.col("stamp") - BUILD, pl.col("as_of")))
            .collect()
        )
        self.figures = self.figures.update(touched, on="sku", how="left")
        return touched

    def due(self, touched: pl.DataFrame) -> list[list[tuple[int, int, str, int, int]]]:
        """Each channel's rows, the most urgent first."""
        counted = (
            self.demand.lazy()
            .join(touched.lazy(), on="sku")
            .filter(pl.col("posted_by") >= pl.col("as_of"))
            .group_by("sku")
            .agg(n=pl.col("pieces").sum())
        )
        numbers = (
            touched.lazy()
            .join(counted, on="sku", how="left")
            .join(self.shown.lazy(), on="sku")
            .with_columns(free=pl.col("ots") - pl.col("n").fill_null(0))
        )
        channels = [
            numbers.with_columns(target=pl.max_horizontal(pl.lit(0), pl.col("free") - buffer))
            .filter(pl.col("target") != pl.col(told))
            .with_columns(
                urgency=pl.when(pl.col("target") > pl.col(told))
                .then(2)
                .otherwise(pl.when(pl.col("target") <= PLENTY).then(0).otherwise(1))
            )
            .sort("urgency", "target", "sku")
            .select("urgency", "target", "sku", told, "parent")
            for buffer, told in zip(BUFFERS, SHOWN, strict=True)
        ]
        due = pl.collect_all(channels)
        if self.file:
            self._keep(touched, due)
        return [rows.rows() for rows in due]

    def _keep(self, touched: pl.DataFrame, due: Sequence[pl.DataFrame]) -> None:
        for number, frame in enumerate((touched, *due)):
            with Path(f"{self.file}-{number}").open("wb") as file:
                frame.write_ipc(file)
                file.flush()
                os.fsync(file.fileno())

    def batches(self, touched: pl.DataFrame) -> dict[str, list[list[tuple[str, int]]]]:
        rows = self.due(touched)
        return {name: calls(channel, rows[channel]) for channel, name in enumerate(CHANNELS)}

    def sell(self, upcs: Sequence[str]) -> None:
        more = pl.DataFrame({"sku": upcs, "pieces": [1] * len(upcs), "posted_by": [NEVER] * len(upcs)})
        self.demand = pl.concat([self.demand, more])


def main(how: Asked) -> None:
    of = how.of
    book, upcs = Book(of, how.file), of.upcs()
    touched = [upcs[number] for number in of.touched()]
    read = published(of, lazily=how.lazily)
    del upcs
    settle()
    began = perf_counter()
    told = book.batches(book.pull(read))
    seconds, peak = perf_counter() - began, peak_mib()
    book.sell(touched)
    began = perf_counter()
    again = book.batches(book.figures.filter(pl.col("sku").is_in(touched)))
    say(told, again, seconds=seconds, touch=perf_counter() - began, peak_mib=peak)


if __name__ == "__main__":
    main(asked())
