"""Laws of fields and of noisy trajectories: the right number, the right formulas, and none where there are none."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from systems import OTHERS, TABLE, System, box, trajectories

import scikan as kn
from scikan.core.errors import KanError
from scikan.core.expr import evaluate
from scikan.physics.naming import summands
from scikan.physics.templates import sums_of_powers
from scikan.physics.writing import told_digits


ALL = {**TABLE, **OTHERS}
QUICK = (
    "oscillator",
    "pendulum",
    "Lotka-Volterra",
    "isotropic oscillator",
    "damped oscillator",
    "van der Pol",
    "Lorenz",
    "Euler top",
    "epidemic SIR",
)


def laws_of(name, seed=0, rows=2000):
    system = ALL[name]
    samples = system.sample(np.random.default_rng(seed), rows)
    return kn.conserved_quantities(system.field, samples, names=system.names, seed=seed)


@pytest.mark.parametrize("name", QUICK)
def test_the_count_is_right_and_the_laws_hold_to_rounding(name):
    found = laws_of(name)
    assert found.count == len(found.laws) == ALL[name].count
    assert all(law.residual**2 < 1e-20 for law in found.laws)
    assert found.verdict == ("laws" if found.count else found.verdict)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in ALL if n not in QUICK])
def test_the_count_is_right_for_all_other_systems(name):
    found = laws_of(name, seed=1)
    assert found.count == ALL[name].count
    assert all(law.expression is not None and law.residual**2 < 1e-20 for law in found.laws)


def test_the_pendulum_is_named_and_compiled():
    system = TABLE["pendulum"]
    samples = system.sample(np.random.default_rng(0), 1000)
    (law,) = kn.conserved_quantities(system.field, samples, names=("q", "p")).laws
    assert str(law) == "p**2 - 2*cos(q)"
    assert np.isclose(law.scale, np.std(law(samples)))
    assert np.allclose(law.kan(samples)[:, 0], law(samples) / law.scale)


def test_velocities_do_instead_of_a_field_and_numpy_instead_of_jax():
    samples = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    velocities = np.stack([samples[:, 1], -samples[:, 0]], axis=1)
    assert str(kn.conserved_quantities(velocities, samples).laws[0]) == "z1**2 + z2**2"
    found = kn.conserved_quantities(lambda z: np.asarray([float(z[1]), -float(z[0])]), samples)
    assert found.count == 1


def test_what_is_constant_on_a_box_away_from_rest_is_no_law():
    found = laws_of("damped, away from rest")
    assert found.count == 0
    assert found.verdict in ("local", "approximate")


def test_products_of_laws_are_not_counted():
    found = laws_of("frequencies 1:2")
    assert found.count == 3
    dependent = [entry for entry in found.residuals if entry.laws > 0]
    assert dependent


def test_the_record_prints_its_laws_and_its_class():
    text = str(laws_of("oscillator"))
    assert "1 conserved quantity" in text and "q**2 + p**2" in text and "polynomials of degree 2" in text


@pytest.mark.parametrize(
    "name, noise",
    [
        ("oscillator", 1e-2),
        pytest.param("Lotka-Volterra", 1e-2, marks=pytest.mark.slow),
        pytest.param("isotropic oscillator", 1e-3, marks=pytest.mark.slow),
    ],
)
def test_laws_are_read_off_noisy_trajectories(name, noise):
    states, labels, times = trajectories(TABLE[name], 0, noise)
    found = kn.conserved_along(states, labels, time=times, names=TABLE[name].names)
    assert found.count == TABLE[name].count


def test_noisy_formulas_are_snapped():
    states, labels, _ = trajectories(TABLE["pendulum"], 1, 1e-2)
    assert str(kn.conserved_along(states, labels, names=("q", "p")).laws[0]) == "p**2 - 2*cos(q)"


@pytest.mark.parametrize("name, law", [("pendulum", "p**2 - 2*cos(q)"), ("Duffing", "p**2 - q**2 + q**4/2")])
def test_a_polynomial_near_enough_to_hide_behind_the_errors_is_no_law(name, law):
    # On few slow trajectories a polynomial of degree 4 is a cosine within the errors, and the other way round.
    rng = np.random.default_rng(0)
    system = ALL[name]
    states, labels = [], []
    for n in range(20):
        start = rng.uniform([-2.0, -1.0], [2.0, 1.0])
        motion = solve_ivp(
            lambda t, z: np.asarray(system.field(z)),
            (0, 8),
            start,
            t_eval=np.linspace(0, 8, 60),
            rtol=1e-9,
            atol=1e-9,
        )
        states.append(motion.y.T + 1e-3 * rng.normal(size=(60, 2)))
        labels += [n] * 60
    found = kn.conserved_along(np.concatenate(states), np.asarray(labels), names=("q", "p"))
    assert [str(entry) for entry in found.laws] == [law]


def test_a_positive_quantity_has_a_logarithm_though_errors_carry_it_below_zero():
    field = lambda z: jnp.stack([z[0] * (1.1 - 0.4 * z[1]), z[1] * (0.1 * z[0] - 0.4)])
    system = System(field, ("prey", "hunters"), box(0.5, 10, 2), 1)
    states, labels, times = trajectories(system, 0, 1e-2)
    assert states.min() < 0
    (law,) = kn.conserved_along(states, labels, time=times, names=system.names).laws
    wanted = {"log(prey)", "log(hunters)", "prey", "hunters"}
    assert {str(part) for _, part in summands(law.expression)} == wanted
    weights = {str(part): weight for weight, part in summands(law.expression)}
    assert weights["log(prey)"] / weights["prey"] == pytest.approx(-4.0, rel=0.05)
    assert weights["log(hunters)"] / weights["hunters"] == pytest.approx(-2.75, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_five_laws_of_three_bodies_are_read_off_noisy_trajectories(seed):
    states, labels, times = trajectories(TABLE["three bodies"], seed, 1e-3)
    found = kn.conserved_along(states, labels, time=times, names=TABLE["three bodies"].names)
    assert found.count == 5
    assert sum("sqrt" in str(law) for law in found.laws) == 1


def test_noisy_dissipative_trajectories_have_no_law():
    states, labels, _ = trajectories(TABLE["damped oscillator"], 0, 1e-2)
    assert kn.conserved_along(states, labels).count == 0


GOOD = np.random.default_rng(0).uniform(-1, 1, (200, 2))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: kn.conserved_quantities(GOOD, GOOD[:, :1]), "one coordinate"),
        (lambda: kn.conserved_quantities(GOOD[:, :1], GOOD), "one velocity for each"),
        (lambda: kn.conserved_quantities(lambda z: z[:1], GOOD), r"to shape \(1,\)"),
        (lambda: kn.conserved_quantities(GOOD, GOOD[:20]), "too few"),
        (lambda: kn.conserved_quantities(GOOD, GOOD, names=("q", "q")), "two columns"),
        (lambda: kn.conserved_quantities(GOOD, GOOD, angles=("phi",)), "to be an angle"),
        (lambda: kn.conserved_quantities(GOOD, np.where(GOOD > 0.99, np.nan, GOOD)), "missing|NaN|infinite"),
        (lambda: kn.conserved_quantities(0 * GOOD, GOOD), "zero at all samples"),
        (lambda: kn.conserved_along(GOOD, np.zeros(200)), "only one trajectory"),
        (lambda: kn.conserved_along(GOOD, np.zeros(199)), "one label for each row"),
        (lambda: kn.conserved_along(GOOD, np.arange(200) // 4), "shortest trajectory"),
    ],
)
def test_faults_are_one_sentence(call, words):
    with pytest.raises(KanError, match=words):
        call()


def test_sums_of_whole_powers_are_recognised():
    u = np.linspace(0.95, 2.5, 300)
    (tree,) = sums_of_powers(u, 4 * (u**-12 - u**-6) + 3)
    assert sorted(str(part) for _, part in summands(tree)) == ["1/u**12", "1/u**6"]
    assert sums_of_powers(u, np.sin(9 * u)) == []
    (tree,) = sums_of_powers(u - 1.5, (u - 1.5) ** 5)
    assert np.ptp(evaluate(tree, {"u": u}) / u**5) < 1e-9


@pytest.mark.parametrize(
    "value, error, told",
    [
        (3.89389760, 0.02, 3.894),
        (-10.7197189, 3.0, -10.7),
        (1234.5678, 20.0, 1235.0),
        (0.5, 2.0, 0.5),
        (2.5, 0.0, 2.5),
    ],
)
def test_a_measured_number_has_two_digits_more_than_its_error(value, error, told):
    assert told_digits(value, error) == told
