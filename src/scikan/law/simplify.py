"""Laws in their natural form, by rules of our own on the tree.

Parts are simplified before the whole. Like terms and like factors are collected, numbers and constants
folded, identities of functions applied; forms of equal value (multiplied out, common factors pulled
out, fractions brought together) replace the tree where they have fewer nodes. Every rule keeps the
value wherever the tree had one; a form may be defined where the old one was not (sqrt(x)*sqrt(x) is x).
Use it on constants that have been fitted: two constants of exactly equal value count as one.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from scikan.core.expr import (
    MINUS_ONE,
    ONE,
    Add,
    Call,
    Constant,
    Expr,
    Mul,
    Number,
    Pow,
    add,
    as_float,
    call,
    children,
    depth,
    exact,
    map_children,
    multiply,
    power,
    split_sign,
)
from scikan.law.call_rules import call_rules
from scikan.law.folding import (
    cost,
    exact_root,
    folded,
    is_fitted,
    is_free,
    is_nonnegative,
    is_plain,
    key,
    merged,
    split_coefficient,
)
from scikan.law.moving import moved_inside, one_angle, turned_logarithm
from scikan.law.polynomials import expanded, quotient, together
from scikan.law.scaling import absorbed, normalised, pulled


_FUEL, _TRIAL_FUEL = 400, 60
_DEEPEST = 60
_LARGEST, _LONGEST_TRIAL = 120, 45


def simplify(expr: Expr, positive: Iterable[str] = (), trials: bool = True) -> Expr:
    """Return a law of the same value that is no longer, usually in the form a person would write.

    Args:
        expr: any tree; one that is very deep or long is returned as it is.
        positive: columns known to be positive, so that sqrt(x**2) is x.
        trials: whether forms are tried that show their worth only after more steps; a search of thousands does
            without, for they take ten times as long.

    Returns:
        the simplified tree. Its value agrees to about 1e-12 wherever `expr` has one. Only the sum of
        velocities, tanh(arctanh(x) + arctanh(y)), is written with more nodes than before.
    """
    if depth(expr) > _DEEPEST or cost(expr)[0] > _LARGEST:
        return expr
    rules = _Rules(frozenset(positive), trying=not trials)
    current = expr
    for _ in range(8):
        found = rules.run(current)
        if found == current:
            break
        current = found
    is_longer = cost(current)[:2] > cost(expr)[:2] and not _has_velocities(expr)
    return expr if is_longer else current


natural = simplify


def _has_velocities(expr: Expr) -> bool:
    here = isinstance(expr, Call) and expr.function.name == "arctanh"
    return here or any(map(_has_velocities, children(expr)))


@dataclass
class _Rules:
    """One simplification: what is known of the columns, what was done already, how much may still be done."""

    positive: frozenset[str]
    fuel: int = _FUEL
    known: dict[Expr, Expr] = field(default_factory=dict)
    trying: bool = False

    def run(self, expr: Expr) -> Expr:
        if not children(expr):
            return expr
        if expr in self.known:
            return self.known[expr]
        current = map_children(expr, self.run)
        while self.fuel > 0 and children(current):
            self.fuel -= 1
            changed = self.step(current)
            if changed == current:
                break
            current = map_children(changed, self.run)
        self.known[expr] = self.known[current] = current
        return current

    def step(self, expr: Expr) -> Expr:
        expr = folded(expr)
        if isinstance(expr, Add):
            collected = _collected_terms(expr, self)
            return collected if collected != expr else _shortest(expr, self._forms_of_sum(expr))
        if isinstance(expr, Mul):
            collected = _collected_factors(expr, self)
            return collected if collected != expr else _shortest(expr, self._forms_of_product(expr))
        if isinstance(expr, Pow):
            changed = _power_rules(expr, self.positive)
            return changed if changed != expr else _shortest(expr, self._forms_of_fraction(expr))
        return call_rules(expr, self.positive) if isinstance(expr, Call) else expr

    def _forms_of_sum(self, expr: Add) -> list[Expr]:
        forms = [_common_factor(expr), _collected(expanded(expr), self)]
        for of in ("sin", "cos"):
            turned = one_angle(expr, of)
            if turned != expr:
                forms += self._settled([expanded(turned)])
        return forms + self._forms_of_fraction(expr) + self._numbers_in_fractions(expr)

    def _numbers_in_fractions(self, expr: Add) -> list[Expr]:
        """Return 1/(1 + u) + x for 1 - u/(1 + u) + x: a number brought together with one fraction of a longer sum."""
        numbers = [term for term in expr.args if is_free(term)]
        others = [term for term in expr.args if not is_free(term)]
        if not numbers or len(others) < 2:
            return []
        pairs = [add([*numbers, term]) for term in others]
        whole = [_shortest(pair, self._forms_of_fraction(pair)) for pair in pairs]
        return [
            add([new, *(t for t in others if t is not term)])
            for term, pair, new in zip(others, pairs, whole, strict=True)
            if new != pair
        ]

    def _settled(self, forms: Iterable[Expr]) -> list[Expr]:
        """Return forms that show their worth only when their parts are simplified; none inside another such one."""
        if self.trying:
            return []
        return [
            _Rules(self.positive, _TRIAL_FUEL, trying=True).run(form)
            for form in forms
            if cost(form)[0] <= _LONGEST_TRIAL
        ]

    def _forms_of_product(self, expr: Mul) -> list[Expr]:
        unit = normalised(expr)
        forms = [absorbed(expr), absorbed(unit) if isinstance(unit, Mul) else unit, pulled(expr)]
        forms += [
            _joined_roots(expr),
            _joined_ratio(expr),
            _collected(expanded(expr), self),
            turned_logarithm(expr),
        ]
        # Of equal length the form with the factor outside is the one that a person writes.
        whole = [expr, *self._settled(dict.fromkeys(one_angle(expr, of) for of in ("sin", "cos")))]
        moved = [
            f for w in whole if isinstance(w, Mul) for f in self._settled(moved_inside(w, self.positive))
        ]
        forms += [form for form in moved if cost(form)[0] < cost(expr)[0]]
        return forms + self._forms_of_fraction(expr)

    def _forms_of_fraction(self, expr: Expr) -> list[Expr]:
        above, below = together(expr)
        if below == ONE:
            return []
        above, below = _collected(above, self), _collected(below, self)
        forms = [quotient(above, below)]
        if isinstance(above, Add):
            forms.append(quotient(_common_factor(above), below))
        wide = _collected(expanded(below), self)
        if wide != below:
            forms.append(quotient(above, wide))
        return [_collected(form, self) for form in forms]


def _collected(expr: Expr, rules: _Rules) -> Expr:
    if isinstance(expr, Add):
        terms = add(_collected_factors(t, rules) if isinstance(t, Mul) else t for t in expr.args)
        return _collected_terms(terms, rules) if isinstance(terms, Add) else terms
    return _collected_factors(expr, rules) if isinstance(expr, Mul) else expr


def _shortest(expr: Expr, forms: list[Expr]) -> Expr:
    best = min(forms, key=cost, default=expr)
    return best if cost(best) < cost(expr) else expr


def _collected_terms(expr: Add, rules: _Rules) -> Expr:
    """2 x + 3 x is 5 x; numbers and constants are added up."""
    free = [term for term in expr.args if is_free(term)]
    if len(free) > 1 and any(map(is_fitted, free)):
        rest = [term for term in expr.args if not is_free(term)]
        return add([*rest, *merged(free, product=False)])
    groups: dict[Hashable, tuple[Expr, list[Expr]]] = {}
    for term in expr.args:
        coefficient, body = split_coefficient(term)
        groups.setdefault(key(body), (body, []))[1].append(coefficient)
    terms = []
    for body, coefficients in groups.values():
        total = coefficients[0]
        if len(coefficients) > 1:
            total = add(merged(coefficients, product=False))
        terms.append(multiply((total, body)))
    return add(terms)


def _collected_factors(expr: Mul, rules: _Rules) -> Expr:
    """x*x is x**2, exp(u) exp(v) is exp(u + v); numbers and constants are multiplied."""
    free = [f for f in expr.args if is_free(f)]
    # Next to a fitted constant every fixed number is absorbed; else only plain numbers are multiplied.
    absorbs = is_free if any(map(is_fitted, free)) else is_plain
    numeric = merged([f for f in expr.args if absorbs(f)], product=True)
    others = [f for f in expr.args if not absorbs(f)]
    groups: dict[Hashable, tuple[Expr, list[Expr]]] = {}
    for factor in others:
        base, exponent = (factor.base, factor.exponent) if isinstance(factor, Pow) else (factor, ONE)
        whole = exact(exponent)
        if isinstance(base, Add) and key(base) not in groups and whole is not None and whole.denominator == 1:
            opposite = add(-term for term in base.args)
            if key(opposite) in groups:
                # (a - b) next to (b - a): one of them, with a sign.
                numeric = [*numeric, power(MINUS_ONE, exponent)]
                base = opposite
        groups.setdefault(key(base), (base, []))[1].append(exponent)
    factors = [
        power(base, exponents[0] if len(exponents) == 1 else rules.run(add(exponents)))
        for base, exponents in groups.values()
    ]
    exponentials = [f for f in factors if _exponential(f) is not None]
    if len(exponentials) > 1:
        inner = add(part for f in exponentials if (part := _exponential(f)) is not None)
        factors = [f for f in factors if f not in exponentials] + [call("exp", rules.run(inner))]
    return multiply([*numeric, *factors])


def _exponential(factor: Expr) -> Expr | None:
    """Return u if the factor is exp(u) or a fixed power of it."""
    if isinstance(factor, Pow) and isinstance(factor.exponent, Number):
        inner = _exponential(factor.base)
        return None if inner is None else multiply((factor.exponent, inner))
    return factor.argument if isinstance(factor, Call) and factor.function.name == "exp" else None


def _power_rules(expr: Pow, positive: frozenset[str]) -> Expr:
    base, exponent = expr.base, expr.exponent
    e, value = exact(exponent), exact(base)
    if value is not None and e is not None:
        root = exact_root(value, e)
        return expr if root is None else Number(root)
    if isinstance(base, Number) and not base.name and isinstance(base.value, float) and e is not None:
        return Number(as_float(base) ** float(e)) if base.value > 0 and abs(e) < 100 else expr
    if isinstance(base, Pow):
        return _power_of_power(base, exponent, positive)
    inner = _exponential(base)
    if inner is not None and (e is None or e != -1):
        return call("exp", multiply((exponent, inner)))
    if isinstance(base, Mul):
        return _power_of_product(base, exponent, positive)
    if isinstance(base, Call) and base.function.name == "abs" and e is not None and e % 2 == 0:
        return power(base.argument, exponent)
    return expr


def _power_of_power(base: Pow, exponent: Expr, positive: frozenset[str]) -> Expr:
    """(u**a)**b is u**(a b) if that keeps the value: see each case."""
    u, a, b = base.base, base.exponent, exact(exponent)
    joined = power(u, multiply((a, exponent)))
    if (b is not None and b.denominator == 1) or is_nonnegative(u, positive):
        return joined
    inner = exact(a)
    if isinstance(a, Constant) and not float(a.value).is_integer():
        return joined
    if inner is None:
        return Pow(base, exponent)
    # A broken a needs u >= 0 already; an odd a has the sign of u, so that both forms fail for u < 0.
    if inner.denominator != 1 or inner.numerator % 2 == 1 or (b is not None and (inner * b) % 2 == 0):
        return joined
    return call("abs", u) if b is not None and inner * b == 1 else Pow(base, exponent)


def _power_of_product(base: Mul, exponent: Expr, positive: frozenset[str]) -> Expr:
    """(c u)**p is c**p u**p where p is whole, or c positive and c**p a number."""
    e = exact(exponent)
    if e is not None and e.denominator == 1:
        spread = multiply(
            _power_of_power(f, exponent, positive) if isinstance(f, Pow) else power(f, exponent)
            for f in base.args
        )
        return spread if cost(spread) <= cost(Pow(base, exponent)) else Pow(base, exponent)
    for factor in base.args:
        rest = multiply(f for f in base.args if f is not factor)
        if isinstance(factor, Constant) and factor.value > 0 and is_free(exponent):
            return multiply((folded(Pow(factor, exponent)), power(rest, exponent)))
        value = exact(factor)
        root = exact_root(value, e) if value is not None and e is not None else None
        if root is not None:
            return multiply((Number(root), power(rest, exponent)))
        if isinstance(factor, Pow) and e is not None:
            inner = exact(factor.exponent)
            if inner is not None and (inner * e).denominator == 1 and is_nonnegative(factor.base, positive):
                out = multiply((power(factor.base, Number(inner * e)), power(rest, exponent)))
                if cost(out) <= cost(Pow(base, exponent)):
                    return out
    # (1/u)**p is u**-p for every p: where one is undefined the other is.
    below = [isinstance(f, Pow) and (n := exact(f.exponent)) is not None and n < 0 for f in base.args]
    if all(below):
        return power(multiply(power(f, MINUS_ONE) for f in base.args), multiply((MINUS_ONE, exponent)))
    return Pow(base, exponent)


def _common_factor(expr: Expr) -> Expr:
    """a x + b x is (a + b) x; the factor that stands in most terms is pulled out of those."""
    if not isinstance(expr, Add):
        return expr
    counts: dict[Expr, list[int]] = {}
    for i, term in enumerate(expr.args):
        for factor in _parts(term):
            counts.setdefault(factor, []).append(i)
    forms = []
    for factor, places in counts.items():
        if len(places) < 2 or factor in (ONE, MINUS_ONE):
            continue
        inside = add(_cancelled(expr.args[i], factor) for i in places)
        outside = [term for i, term in enumerate(expr.args) if i not in places]
        forms.append(add([multiply((factor, inside)), *outside]))
    return min(forms, key=cost, default=expr)


def _parts(term: Expr) -> list[Expr]:
    """Return the factors that could be pulled out of a term: x and x**2 of x**2 y, the number of 2 x."""
    # A dictionary keeps the order, so that a law does not depend on the hashes of its names.
    parts: dict[Expr, None] = {}
    body = split_sign(term)[1]
    for factor in body.args if isinstance(body, Mul) else (body,):
        if isinstance(factor, Pow) and isinstance(factor.exponent, Number):
            e = exact(factor.exponent)
            if e is not None and e.denominator == 1 and e > 1:
                parts[factor.base] = None
        if not isinstance(factor, Constant):
            parts[factor] = None
    return list(parts)


def _cancelled(term: Expr, factor: Expr) -> Expr:
    factors = list(term.args) if isinstance(term, Mul) else [term]
    value = exact(factor)
    if value is not None:
        return multiply((Number(1 / value), *factors))
    for i, f in enumerate(factors):
        if f == factor:
            return multiply([*factors[:i], *factors[i + 1 :]])
        if isinstance(f, Pow) and f.base == factor:
            return multiply([*factors[:i], power(factor, f.exponent - 1), *factors[i + 1 :]])
    return multiply((*factors, power(factor, MINUS_ONE)))


def _joined_ratio(expr: Mul) -> Expr:
    """x**2/y**2 is (x/y)**2, of whole powers; products alone stay as they are."""
    for n in (2, 3, 4):
        powers = [f for f in expr.args if isinstance(f, Pow) and exact(f.exponent) in (n, -n)]
        if len(powers) > 1 and len({exact(f.exponent) for f in powers if isinstance(f, Pow)}) == 2:
            inside = multiply(
                f.base if exact(f.exponent) == n else power(f.base, MINUS_ONE)
                for f in powers
                if isinstance(f, Pow)
            )
            return multiply([*(f for f in expr.args if f not in powers), Pow(inside, Number(n))])
    return expr


def _joined_roots(expr: Mul) -> Expr:
    """sqrt(x) sqrt(y) is sqrt(x y), and sqrt(x)/sqrt(y) is sqrt(x/y)."""
    half = Fraction(1, 2)
    roots = [f for f in expr.args if isinstance(f, Pow) and exact(f.exponent) in (half, -half)]
    if len(roots) < 2:
        return expr
    outer = half if any(exact(f.exponent) == half for f in roots) else -half
    inside = multiply(f.base if exact(f.exponent) == outer else power(f.base, MINUS_ONE) for f in roots)
    return multiply([*(f for f in expr.args if f not in roots), power(inside, Number(outer))])
