#!/usr/bin/env python3
"""A long answer as Parquet files of a million rows each; called again, on after the last whole one.

    pip install pyarrow
    take-out-parts.py 'readings?from=2026-03-01&to=2026-04-01&kind=printer' march

Give times or dates, not words, so that it is the same period each time.
"""
import itertools
import os
import pathlib
import shutil
import sys
import urllib.parse
import urllib.request

import pyarrow.parquet

ROWS = int(os.environ.get("ROWS", 1_000_000))

# The columns that name a row.
NAMED_BY = {
    "readings": ["device", "time"],
    "consumption": ["group", "start"],
    "aggregate": ["group", "start"],
    "audit": ["seq"],
}


def take_out(question: str, folder: pathlib.Path) -> None:
    gateway = os.environ.get("WATTLINE", "http://127.0.0.1:8080")
    path, _, query = question.partition("?")
    folder.mkdir(exist_ok=True)
    place = ""
    for number in itertools.count(1):
        file = folder / f"part-{number:04}.parquet"
        if not file.exists():
            download(f"{gateway}/api/v1/{path}?{query}&format=parquet&limit={ROWS}{place}", file)
        part = pyarrow.parquet.read_table(file, columns=NAMED_BY[path])
        if part.num_rows == 0:  # the one after the last row: a row may have several lines, so their number says nothing
            return
        last = part.slice(part.num_rows - 1).to_pylist()[0]
        place = "".join(f"&after_{column}={as_parameter(last[column])}" for column in NAMED_BY[path])


def as_parameter(value) -> str:
    return urllib.parse.quote(value.isoformat() if hasattr(value, "isoformat") else str(value), safe="")


def download(url: str, file: pathlib.Path) -> None:
    """Leaves the whole file or none: an answer that breaks off is an error here."""
    request = urllib.request.Request(url, headers={"Authorization": "Bearer " + os.environ["WATTLINE_TOKEN"]})
    unfinished = file.with_suffix(".unfinished")
    with urllib.request.urlopen(request, timeout=60) as answer, open(unfinished, "wb") as out:
        shutil.copyfileobj(answer, out)
    unfinished.rename(file)


if __name__ == "__main__":
    take_out(sys.argv[1], pathlib.Path(sys.argv[2]))
