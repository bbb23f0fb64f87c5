"""Several targets in one answer: each is explained by itself, and what was found becomes one law and one network.

All targets are judged by the same rows, since the protocol draws them from the table and the key alone. The inputs
are the table's inputs: no target is explained by another one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

from scikan.core.dataset import Dataset
from scikan.core.errors import CompileError
from scikan.core.expr import Expr
from scikan.core.kan import KAN
from scikan.core.names import Units
from scikan.discovery.discover import Config, Discovery, discover
from scikan.discovery.judging import Verdict
from scikan.discovery.proposals import Proposal
from scikan.law.record import Law, joined
from scikan.symbolic.kanpiler import kanpiler


@dataclass(frozen=True, eq=False)
class Discoveries:
    """The answers for several targets: `found["x"]` or `found[0]` is the `Discovery` of one.

    Args:
        answers: one for each target, in the order of the table.
        law: the formulas of the targets that have one, as one law; None if none has.
        model: this law as one network with an output for each of its targets; None without a law, or where the
            formulas cannot be compiled together (each answer has its own network).
    """

    answers: tuple[Discovery, ...]
    law: Law | None
    model: KAN | None

    @property
    def targets(self) -> tuple[str, ...]:
        """Their names, in the order of `answers`."""
        return tuple(answer.held_out.data.targets[0] for answer in self.answers)

    @property
    def verdict(self) -> Verdict:
        """ "law" if every target has one, "none" if none has a formula, else "approximation"."""
        return joint_verdict([answer.verdict for answer in self.answers])

    def __getitem__(self, target: str | int) -> Discovery:
        """Return the answer for one target, by its name or number."""
        if isinstance(target, str):
            if target not in self.targets:
                raise KeyError(f"No target {target!r}; there are {list(self.targets)}.")
            target = self.targets.index(target)
        return self.answers[target]

    def __len__(self) -> int:
        return len(self.answers)

    def __iter__(self) -> Iterator[Discovery]:
        return iter(self.answers)


def discover_each(
    data: Dataset,
    config: Config = Config(),
    report: Callable[[str], None] = lambda line: None,
    keep: Callable[[str, Proposal], None] = lambda target, best: None,
) -> Discoveries:
    """Return the law of each target of a table, and all of them as one law and one network.

    Args:
        data: one or more targets. A row is used for all of them or, where a target is missing, for none. One `sigma`
            weighs the rows for every target; only its ratios between rows count.
        config: settings; `seconds` is divided evenly among the targets, so that each answer is what `discover` gives
            on that target alone in its share of the time.
        report: called with one line of text as each target begins and each of its stages ends.
        keep: called with the target's name and its best formula so far as each stage ends.

    Raises:
        SettingError: if the table has fewer rows than a discovery needs.

    Example:
        found = discover_each(read_table("orbit.csv", target=["x", "y"]))
        found.verdict, found["x"].scores["law"], found.law
    """
    return together(tuple(one_by_one(data, config, report, keep)))


def one_by_one(
    data: Dataset,
    config: Config = Config(),
    report: Callable[[str], None] = lambda line: None,
    keep: Callable[[str, Proposal], None] = lambda target, best: None,
    known: Mapping[str, Sequence[Expr]] = MappingProxyType({}),
) -> Iterator[Discovery]:
    """Yield each target's answer as soon as it is there; arguments and errors as in `discover_each`.

    `known` are formulas to begin with, by target.
    """
    share = replace(config, seconds=config.seconds / data.n_outputs)
    for notice in _shared(data):
        report(f"note: {notice}")
    for n, target in enumerate(data.targets, start=1):
        report(f"target {n} of {data.n_outputs}: {target}")
        yield discover(of_target(data, target), share, report, partial(keep, target), known.get(target, ()))


def together(answers: Sequence[Discovery]) -> Discoveries:
    """Return answers over the same columns with their formulas as one law and one network.

    `together((choose(found["x"], 2), found["y"]))` takes another formula for one of the targets.
    """
    laws = [answer.law for answer in answers if answer.law is not None]
    if not laws:
        return Discoveries(tuple(answers), None, None)
    law = joined(laws)
    try:
        model = kanpiler(law.expressions, law.names, domain=law.domain, targets=law.targets)
    except CompileError:
        model = None
    return Discoveries(tuple(answers), law, model)


def joint_verdict(verdicts: Sequence[str]) -> Verdict:
    """Return the verdict on several targets: "law" or "none" if it is that of every one, else "approximation"."""
    for same in ("law", "none"):
        if all(verdict == same for verdict in verdicts):
            return same  # type: ignore[return-value]
    return "approximation"


def of_target(data: Dataset, target: str) -> Dataset:
    """Return the table with this target alone; the others are left out, and are no inputs."""
    if data.n_outputs == 1:
        return data
    kept = {*data.names, target}
    return replace(
        data,
        y=data.y[:, [data.targets.index(target)]],
        targets=(target,),
        units=Units({name: unit for name, unit in data.units.items() if name in kept}),
        notices=(*data.notices, *_shared(data)),
    )


def _shared(data: Dataset) -> tuple[str, ...]:
    """Return a notice if targets share what was measured for one."""
    if data.n_outputs == 1 or data.sigma is None:
        return ()
    return (
        f"One sigma weighs the rows for all {data.n_outputs} targets; only its ratios between rows count.",
    )
