"""Names of columns and their units: how they are checked, numbered and guessed when misspelt."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from scikan.core.errors import ColumnError


Number = float | int


class Units(Mapping[str, str]):
    """Immutable mapping from column name to unit, as the table's author wrote it ("kg", "m/s")."""

    def __init__(self, pairs: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = dict(pairs)

    def __getitem__(self, name: str) -> str:
        return self._pairs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __hash__(self) -> int:
        return hash(frozenset(self._pairs.items()))

    def __repr__(self) -> str:
        return f"Units({self._pairs})"


def check_names(names: Iterable[str]) -> None:
    """Check that every column has a name and no two have the same.

    Raises:
        ColumnError: a name is empty, no text, or doubled.
    """
    seen: set[str] = set()
    for at, name in enumerate(names, start=1):
        if not isinstance(name, str) or not name.strip():
            raise ColumnError(f"Column {at} has no name (found {name!r}).", fix="give each column a name")
        if name in seen:
            raise ColumnError(f'The name "{name}" is given to two columns.', fix="rename one of them")
        seen.add(name)


def numbered_names(letter: str, count: int) -> tuple[str, ...]:
    """Return x1, x2, ... for inputs; a single target is plain y."""
    if count == 1 and letter == "y":
        return (letter,)
    return tuple(f"{letter}{i + 1}" for i in range(count))


def own_names(table: Any) -> tuple[str, ...] | None:
    """Return the column names that a DataFrame or Series carries, None for what has none."""
    if not hasattr(table, "shape"):
        return None
    if hasattr(table, "columns"):
        return tuple(str(name) for name in table.columns)
    name = getattr(table, "name", None)
    return (name,) if isinstance(name, str) else None


def quoted(names: Iterable[str], most: int = 12) -> str:
    """Return names in double quotes, separated by commas, the tail of a long list counted instead."""
    listed = [f'"{name}"' for name in names]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a remedy for an unknown name: the nearest known one, or the list of all."""
    choices = list(known)
    folded = {choice.casefold(): choice for choice in reversed(choices)}
    if near := get_close_matches(name.casefold(), folded, n=1, cutoff=0.6):
        return f'did you mean "{folded[near[0]]}"?'
    return f"choose one of {quoted(choices)}" if choices else "there is no column to choose from"
