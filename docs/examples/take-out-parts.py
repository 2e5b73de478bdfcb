#!/usr/bin/env python3
"""Readings as Parquet files of a million rows each; called again, on after the last whole one.

    pip install pyarrow
    take-out-parts.py 'from=2026-03-01&to=2026-04-01&kind=printer' march

Give times or dates, not words, so that it is the same period each time.
"""
import os
import pathlib
import shutil
import sys
import urllib.parse
import urllib.request

import pyarrow.parquet

ROWS = int(os.environ.get("ROWS", 1_000_000))


def take_out(query: str, folder: pathlib.Path) -> None:
    gateway = os.environ.get("WATTLINE", "http://127.0.0.1:8080")
    url = f"{gateway}/api/v1/readings?format=parquet&limit={ROWS}&{query}"
    folder.mkdir(exist_ok=True)
    place, rows, number = "", ROWS, 0
    while rows == ROWS:
        number += 1
        file = folder / f"part-{number:04}.parquet"
        if not file.exists():
            download(url + place, file)
        part = pyarrow.parquet.read_table(file, columns=["device", "time"])
        rows = part.num_rows
        if rows > 0:
            last = part.slice(rows - 1).to_pylist()[0]
            place = "&" + urllib.parse.urlencode({"after_device": last["device"], "after_time": last["time"].isoformat()})


def download(url: str, file: pathlib.Path) -> None:
    """Leaves the whole file or none: an answer that breaks off is an error here."""
    request = urllib.request.Request(url, headers={"Authorization": "Bearer " + os.environ["WATTLINE_TOKEN"]})
    unfinished = file.with_suffix(".unfinished")
    with urllib.request.urlopen(request, timeout=60) as answer, open(unfinished, "wb") as out:
        shutil.copyfileobj(answer, out)
    unfinished.rename(file)


if __name__ == "__main__":
    take_out(sys.argv[1], pathlib.Path(sys.argv[2]))
