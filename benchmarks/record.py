"""Records that grow row by row: what is there is read, what is new is on the disk before the next run begins."""

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path


def done(path: Path) -> list[dict[str, str]]:
    """Return the rows of a record; none if it does not exist yet."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def append(path: Path, fields: Sequence[str], row: Mapping[str, object]) -> None:
    """Add a row to a record; an interrupted run goes on after the last whole one."""
    is_new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fields)
        if is_new:
            writer.writeheader()
        writer.writerow(row)
        file.flush()
        os.fsync(file.fileno())
