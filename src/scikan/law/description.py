"""Description length: how many bits a table takes when it is told as a law and what the law leaves over.

Of two laws the one with fewer bits is preferred: a node of structure must pay for itself by a smaller
residual. Bits are logarithms to base 2, nodes are those of the natural written form.
"""

import math
from fractions import Fraction

from scikan.core.errors import SettingError
from scikan.core.expr import Constant, Expr, Number, as_float, written_nodes


OPERATOR_BITS = 3.3
POWER_BITS = 5.3
ODD_NUMBER_BITS = 6.0

# A relative mean square of 1e-18 is exact: in float64 nothing smaller can be told from rounding.
_EXACT = 1e-18
_COMMON_EXPONENT = 4


def structure_bits(expr: Expr, n_rows: int, n_columns: int) -> float:
    """Return the bits of the law itself.

    An operator or function costs 3.3, a power 5.3 (its exponent included, if that is a multiple of 1/2
    up to 4), a column 2 + log2(n_columns), a fitted constant 4 + log2(n_rows)/2 (as precisely as so many
    rows determine it), a fixed number v 3 + log2(1 + |v|), or 6 if it is no integer.

    Raises:
        SettingError: there are no rows.
    """
    if n_rows < 1:
        raise SettingError(
            f"A description length for {n_rows} rows.", fix="Give the number of rows of the table."
        )
    constant = 4.0 + 0.5 * math.log2(n_rows)
    column = 2.0 + math.log2(max(n_columns, 1))
    bits = 0.0
    for kind, node in written_nodes(expr):
        if kind == "operator":
            bits += OPERATOR_BITS
        elif kind == "power":
            bits += POWER_BITS
        elif kind == "exponent" and isinstance(node, Number) and _is_common(node):
            continue
        elif isinstance(node, Number):
            bits += number_bits(node)
        else:
            bits += constant if isinstance(node, Constant) else column
    return bits


def number_bits(number: Number) -> float:
    """Return the bits of a fixed number."""
    value = as_float(number)
    return 3.0 + math.log2(1.0 + abs(value)) if value.is_integer() else ODD_NUMBER_BITS


def _is_common(exponent: Number) -> bool:
    value = exponent.value
    return isinstance(value, Fraction) and (2 * value).denominator == 1 and abs(value) <= _COMMON_EXPONENT


def description_length(expr: Expr, mean_square: float, variance: float, n_rows: int, n_columns: int) -> float:
    """Return the bits of the table told by the law: $N/2 \\log_2(MSE/var(y) + 10^{-18})$ + structure.

    Args:
        expr: the law.
        mean_square: mean square of its residuals; NaN or infinite gives infinity.
        variance: variance of the target, in the same (weighted) measure.
        n_rows: N.
        n_columns: columns among which the law could choose.

    Raises:
        SettingError: the variance is not positive, or there are no rows.
    """
    if not variance > 0:
        raise SettingError(f"The variance of the target is {variance}.", fix="A constant target has no law.")
    structure = structure_bits(expr, n_rows, n_columns)
    if not math.isfinite(mean_square):
        return math.inf
    return 0.5 * n_rows * math.log2(mean_square / variance + _EXACT) + structure
