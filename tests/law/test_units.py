"""Units of constants, formulas that make no sense, and dimensionless groups."""

import numpy as np
import pytest

import scikan as kn
from scikan.core.nodes import Constant


LAWS = [
    ("k*x", {"x": "m", "y": "N"}, {"k": "kg s^-2"}),
    ("g*t**2/2", {"t": "s", "y": "m"}, {"g": "m s^-2"}),
    ("G*m1*m2/r**2", {"m1": "kg", "m2": "kg", "r": "m", "y": "N"}, {"G": "m^3 kg^-1 s^-2"}),
    ("R*T*n/V", {"n": "mol", "T": "K", "V": "m^3", "y": "Pa"}, {"R": "kg m^2 K^-1 s^-2 mol^-1"}),
    ("v0*exp(-t/tau)", {"t": "s", "y": "m/s"}, {"v0": "m s^-1", "tau": "s"}),
    ("A*sin(w*t + p)", {"t": "s", "y": "m"}, {"A": "m", "w": "s^-1", "p": "1"}),
    ("c*sqrt(l)", {"l": "m", "y": "s"}, {"c": "s m^(-1/2)"}),
    ("m/sqrt(1 - v**2/c**2)", {"m": "kg", "v": "m/s", "y": "kg"}, {"c": "m s^-1"}),
    ("s*S/(K + S)", {"S": "mol/l", "y": "mol/l/s"}, {"s": "1000 mol m^-3 s^-1", "K": "1000 mol m^-3"}),
    ("a*x + b", {"x": "km", "y": "m"}, {"a": "0.001 1", "b": "m"}),
]


def law(formula, names, constants):
    """A law in which the named constants are numbers of a fit."""
    tree = kn.parse(formula, names=[*names, *constants])
    numbers = {name: 1.2345 + 0.1 * n for n, name in enumerate(constants)}
    from scikan.core.expr import substitute

    return kn.Law(
        (substitute(tree, {n: Constant(v) for n, v in numbers.items()}),), ("y",), tuple(names)
    ), numbers


def same_unit(told, wanted):
    return sorted(told.split()) == sorted(wanted.split())


@pytest.mark.parametrize(("formula", "units", "constants"), LAWS, ids=[x[0] for x in LAWS])
def test_constants_have_units(formula, units, constants):
    names = [n for n in units if n != "y"]
    given, numbers = law(formula, names, constants)
    found = kn.constant_units(given, units)
    for name, value in numbers.items():
        # 1/tau and 1/c^2 may be held as one constant: then the value is another and the unit its power.
        if value in found:
            assert same_unit(str(found[value]), constants[name]), (name, str(found[value]))
    assert found


def test_a_recognised_number_carries_a_unit_where_one_is_missing():
    given = kn.Law((kn.parse("981*t**2/200", names=["t"]),), ("y",), ("t",))
    (unit,) = kn.constant_units(given, {"t": "s", "y": "m"}).values()
    assert str(unit) in ("m s^-2",)


@pytest.mark.parametrize(
    ("formula", "told"),
    [("x + t", "t"), ("exp(x)", "pure number"), ("x*t + x", "x"), ("x**2", "target")],
)
def test_wrong_units_name_the_term(formula, told):
    given = kn.Law((kn.parse(formula, names=["x", "t"]),), ("y",), ("x", "t"))
    with pytest.raises(kn.UnitError, match=told):
        kn.constant_units(given, {"x": "m", "t": "s", "y": "m"})


def test_texts_that_are_no_units():
    with pytest.raises(kn.UnitError, match="no unit"):
        kn.parse_unit("furlongs_of_doom")
    with pytest.raises(kn.UnitError, match="zero"):
        kn.parse_unit("degC")
    assert str(kn.parse_unit("")) == "1"
    for short, long in (("m/s2", "m/s^2"), ("kg m-3", "kg/m^3"), ("W/m2/K4", "W/m^2/K^4"), ("m^2", "m**2")):
        assert kn.parse_unit(short) == kn.parse_unit(long)
    assert kn.parse_unit("km/h").factor == pytest.approx(1 / 3.6)


def test_groups_of_columns_without_a_unit():
    assert kn.dimensionless_groups({"v": "m/s", "c": "km/s", "L": "m"}) == ("v/c",)
    pipe = {"density": "kg/m^3", "speed": "m/s", "width": "m", "viscosity": "Pa s", "share": ""}
    (group,) = kn.dimensionless_groups(pipe)
    values = {"density": 2.0, "speed": 3.0, "width": 5.0, "viscosity": 7.0}
    number = float(np.asarray(kn.evaluate(kn.parse(group, names=list(values)), values)))
    assert number in (pytest.approx(30 / 7), pytest.approx(7 / 30))
    augmented = kn.Augment(tuple(values), (f"reynolds = {group}",))
    assert augmented(np.array([list(values.values())])).shape == (1, 5)
    with pytest.raises(kn.UnitError, match="has no unit"):
        kn.dimensionless_groups(pipe, ["wdth"])
