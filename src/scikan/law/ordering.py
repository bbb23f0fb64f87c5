"""One order for factors that commute: as the table's columns stand, numbers first."""

from collections.abc import Sequence

from scikan.core.expr import Expr, Mul, map_children, symbols


def in_order(expr: Expr, names: Sequence[str]) -> Expr:
    """Return the expression with the factors of every product sorted by their first column.

    Two searches that find one law then print it alike. Factors without a column stay in front.
    """
    rank = {name: place for place, name in enumerate(names)}

    def first_column(factor: Expr) -> int:
        return min((rank.get(name, len(rank)) for name in symbols(factor)), default=-1)

    def ordered(tree: Expr) -> Expr:
        tree = map_children(tree, ordered)
        return Mul(tuple(sorted(tree.args, key=first_column))) if isinstance(tree, Mul) else tree

    return ordered(expr)
