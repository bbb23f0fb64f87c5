"""`Draft`: a data set in the making. Columns get their roles; what cannot be an input is set aside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from scikan.core.dataset import Texts
from scikan.core.errors import ColumnError, SettingError, TableError
from scikan.core.names import quoted
from scikan.files.columns import Column, encode, is_missing, read_column, require_numbers
from scikan.files.rawtable import RawTable
from scikan.files.spreads import Spread, read_spreads


TIME_BLOCKS = 10
MOST_TOLD = 12


@dataclass(frozen=True)
class Roles:
    """Which column does what. `wanted` are the inputs asked for by name; None means all the others."""

    targets: tuple[str, ...]
    wanted: tuple[str, ...] | None
    ignore: tuple[str, ...]
    category: tuple[str, ...]
    sigma: str | None
    group: str | None
    time: str | None
    spreads: Mapping[str, Spread] = field(default_factory=dict)

    @property
    def stated(self) -> tuple[str, ...]:
        """Columns that hold the errors of inputs."""
        return tuple(dict.fromkeys(s.column for s in self.spreads.values() if s.column is not None))

    def inputs(self, raw: RawTable) -> tuple[str, ...]:
        if self.wanted is not None:
            return self.wanted
        taken = {*self.targets, *self.ignore, *self.stated, self.sigma, self.group}
        return tuple(name for name in raw.names if name not in taken)


@dataclass(frozen=True, eq=False)
class Draft:
    """A data set in the making: columns by name, rows still to be dropped or filled."""

    raw: RawTable
    rows: np.ndarray
    inputs: tuple[Column, ...]
    targets: tuple[Column, ...]
    sigma: Column | None = None
    stated: tuple[Column, ...] = ()
    groups: Column | None = None
    labels: tuple[Column, ...] = ()
    categories: Texts = ()
    notices: tuple[str, ...] = ()

    def tell(self, notice: str) -> "Draft":
        return replace(self, notices=(*self.notices, notice))

    def numbers(self) -> tuple[Column, ...]:
        rest = [column for column in (self.sigma, self.groups) if column is not None]
        return (*self.inputs, *self.targets, *self.stated, *rest)


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def find_roles(
    raw: RawTable,
    target: str | Sequence[str],
    inputs: str | Sequence[str] | None,
    ignore: str | Sequence[str],
    category: str | Sequence[str],
    sigma: str | None,
    group: str | None,
    time: str | None,
    input_sigma: Mapping[str, float | str],
) -> Roles:
    def all_of(given: str | Sequence[str], role: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(raw.resolve(name, role) for name in _names(given)))

    def one_of(given: str | None, role: str) -> str | None:
        return None if given is None else raw.resolve(given, role)

    roles = Roles(
        targets=all_of(target, "target"),
        wanted=None if inputs is None else all_of(inputs, "inputs"),
        ignore=all_of(ignore, "ignore"),
        category=all_of(category, "category"),
        sigma=one_of(sigma, "sigma"),
        group=one_of(group, "group"),
        time=one_of(time, "time"),
        spreads=read_spreads(raw, input_sigma),
    )
    if not roles.targets:
        raise SettingError("No target is named.", fix="name the column to explain: --target NAME (target=)")
    if group is not None and time is not None:
        raise SettingError("Rows are split by group or by time, not both.", fix="leave group or time out")
    chosen = {"an input": roles.wanted or (), "ignored": roles.ignore}
    chosen |= {
        "sigma": _names(roles.sigma or ()),
        "the error of an input": roles.stated,
        "the group": _names(roles.group or ()),
    }
    seen: dict[str, str] = dict.fromkeys(roles.targets, "the target")
    for role, columns in chosen.items():
        for name in columns:
            if name in seen:
                raise ColumnError(
                    f'Column "{name}" is both {seen[name]} and {role}.', fix="choose one of the two"
                )
            seen[name] = role
    inputs = roles.inputs(raw)
    if others := [name for name in roles.spreads if name not in inputs]:
        raise ColumnError(
            f'An error is given for "{others[0]}", which is no input.', fix=f"inputs are {quoted(inputs)}"
        )
    return roles


def first_draft(raw: RawTable, roles: Roles) -> Draft:
    """Return the columns in their roles; text inputs that were not asked for become labels."""

    def read(name: str) -> Column:
        return read_column(name, raw.column(name), raw.decimal)

    def numbers(name: str, role: str) -> Column:
        require_numbers(column := read(name), raw, role)
        return column

    targets = tuple(numbers(name, "target") for name in roles.targets)
    draft = Draft(raw, np.arange(raw.n_rows), (), targets, notices=raw.notices)
    for name in roles.inputs(raw):
        column = read(name)
        if name in roles.category:
            column, order = encode(column)
            code = ", ".join(f"{i} = {text}" for i, text in enumerate(order[:MOST_TOLD]))
            more = f", ... ({len(order)} in all)" if len(order) > MOST_TOLD else ""
            draft = draft.tell(f'"{name}" was encoded: {code}{more}.')
            draft = replace(draft, categories=(*draft.categories, (name, order)))
        elif column.kind == "text" and roles.wanted is None:
            draft = _set_aside_text(draft, column, roles)
            continue
        if column.kind != "empty" or roles.wanted is not None:
            require_numbers(column, raw, "input")
        draft = replace(draft, inputs=(*draft.inputs, column))
    if roles.sigma is not None:
        draft = replace(draft, sigma=_positive(numbers(roles.sigma, "sigma"), raw))
    stated = tuple(_positive(numbers(name, "error"), raw, allow_zero=True) for name in roles.stated)
    draft = replace(draft, stated=stated)
    if roles.group is not None:
        column = read(roles.group)
        draft = replace(draft, groups=encode(column)[0], labels=(*draft.labels, column))
    if roles.time is not None:
        draft = replace(draft, groups=_time_blocks(read(roles.time), raw))
        draft = draft.tell(f'Rows are split in blocks of time ("{roles.time}").')
    return draft


def _set_aside_text(draft: Draft, column: Column, roles: Roles) -> Draft:
    if column.name == roles.time:
        told = f'"{column.name}" holds dates, so it orders rows and is no input.'
        return replace(draft, labels=(*draft.labels, column)).tell(told)
    distinct = len(set(column.texts)) == len(column.texts)
    use = "" if distinct else f'; use it with --category "{column.name}" or --group "{column.name}"'
    told = f'"{column.name}" holds text ("{column.texts[0]:.40}"), so it names rows and is no input{use}.'
    return replace(draft, labels=(*draft.labels, column)).tell(told)


def _positive(column: Column, raw: RawTable, allow_zero: bool = False) -> Column:
    bad = np.flatnonzero(column.values < 0 if allow_zero else column.values <= 0)
    if bad.size:
        raise ColumnError(
            f'Column "{column.name}" (sigma) is {column.values[bad[0]]:g} in {raw.at(bad)}; a measurement '
            f"error is {'not negative' if allow_zero else 'positive'}.",
            fix="correct these cells, or leave the errors out",
        )
    return column


def _time_blocks(column: Column, raw: RawTable) -> Column:
    values = column.values
    if column.kind == "text":
        try:
            texts = ["NaT" if is_missing(text) else text.removesuffix("Z") for text in column.texts]
            stamps = np.array(texts, dtype="datetime64[us]")
        except ValueError as error:
            raise ColumnError(
                f'Column "{column.name}" (time) of {raw.where} cannot be read as dates: {error}.',
                fix="write ISO dates (2026-05-31 or 2026-05-31T12:00) or numbers",
            ) from error
        values = np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64).astype(np.float64))
    else:
        require_numbers(column, raw, "time")
    _, order = np.unique(values, return_inverse=True)
    n_distinct = int(order.max()) + 1
    blocks = (order * min(TIME_BLOCKS, n_distinct) // n_distinct).astype(np.float64)
    blocks[np.isnan(values)] = np.nan
    return Column(column.name, blocks, np.isnan(blocks), (), column.cells)


def without_constants(draft: Draft, roles: Roles) -> Draft:
    """Return the draft without inputs that never vary; a target that never varies is an error."""
    for column in draft.targets:
        present = column.values[~column.missing]
        if present.size > 1 and np.all(present == present[0]):
            raise ColumnError(
                f'The target "{column.name}" is constant ({present[0]:g} in all {present.size} rows), '
                "so there is nothing to explain.",
                fix="choose another target, or add rows in which it varies",
            )
    kept = []
    for column in draft.inputs:
        present = column.values[~column.missing]
        if not present.size:
            draft = draft.tell(f'"{column.name}" is empty; it was set aside.')
        elif len(draft.rows) > 1 and np.all(present == present[0]):
            draft = draft.tell(
                f'"{column.name}" is constant ({present[0]:g} in all {present.size} rows), so it cannot '
                "explain anything; it was set aside."
            )
        else:
            kept.append(column)
    if not kept:
        raise TableError(
            f"{draft.raw.where} has no input left to explain {quoted(roles.targets)}. "
            + " ".join(draft.notices),
            fix="add a column of numbers that vary, or encode text with --category NAME",
        )
    return replace(draft, inputs=tuple(kept))
