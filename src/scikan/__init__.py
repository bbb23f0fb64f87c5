"""From a table of measurements to a law, with Kolmogorov-Arnold networks.

    import scikan as kn

    data = kn.read_table("planets.csv", target="period")
    found = kn.discover(data)
    print(found.law, found.scores["law"])

Names are loaded when first used, so the import itself runs nothing; the first numeric one turns on JAX's
double precision (set JAX_ENABLE_X64=0 to keep single).
"""

from importlib import import_module
from typing import Any


__version__ = "0.1.0"

_HOMES = {
    "app.estimator": ("KANClassifier", "KANRegressor"),
    "core.dataset": ("Dataset",),
    "core.errors": (
        "ColumnError",
        "CompileError",
        "FormulaError",
        "KanError",
        "ModelFileError",
        "NotSymbolicError",
        "SettingError",
        "ShapeError",
        "TableError",
        "TrainingError",
        "UnitError",
        "UnknownFunctionError",
    ),
    "core.expr": ("Expr", "complexity", "evaluate"),
    "core.features": ("Augment", "Chain", "Log", "Scale", "Select"),
    "core.functions": ("LIBRARY", "Function", "Library"),
    "core.kan": ("KAN", "Ensemble"),
    "core.parser": ("parse",),
    "discovery.correction": ("Correction", "correct"),
    "discovery.discover": ("Config", "Discovery", "choose", "discover"),
    "discovery.shared": ("SharedDiscovery", "discover_shared"),
    "discovery.several": ("Discoveries", "discover_each"),
    "discovery.sums": ("SumForm", "sum_form"),
    "core.mlp": ("MLP",),
    "edit.anatomy": ("auto_swap", "connection_cost", "swap"),
    "edit.attribution": ("Bands", "Scores", "attribute", "attribution_bands", "interactions"),
    "edit.blocks": ("NetworkBlock", "blocks"),
    "edit.consensus": ("Consensus", "consensus"),
    "edit.expansion": ("expand_depth", "expand_width", "lock", "perturb", "unlock"),
    "edit.modules": ("connect", "module"),
    "edit.separable": ("separable", "symmetric"),
    "edit.grid": ("refine", "update_grid"),
    "edit.surgery": ("compact", "prune", "remove_edges"),
    "files.table": ("read_rows", "read_table"),
    "law.answers": ("load_law",),
    "law.domain": ("Risk", "domain_risks"),
    "law.export": ("export",),
    "law.parameters": ("Parameters", "fit_parameters"),
    "law.record": ("Law",),
    "law.simplify": ("simplify",),
    "law.snapping": ("snap_law",),
    "law.units": ("Unit", "constant_units", "dimensionless_groups", "parse_unit"),
    "files.model": ("load", "save"),
    "physics.along": ("conserved_along",),
    "physics.conserved": ("ConservedLaw", "ConservedQuantities", "conserved_quantities"),
    "physics.components": ("ComponentLaw", "component_law"),
    "physics.dynamics": ("EquationsOfMotion", "equations_of_motion"),
    "physics.equations": ("Solution", "solve_equation"),
    "physics.constitutive": ("ConstitutiveLaw", "constitutive_law"),
    "physics.hamiltonian": ("Hamiltonian", "hamiltonian"),
    "physics.lagrangian": ("Lagrangian", "lagrangian"),
    "physics.symmetry": ("HiddenSymmetry", "hidden_symmetry"),
    "physics.trajectories": ("LagrangianAlong", "lagrangian_along"),
    "physics.wanted": ("Entry", "FlatSlices", "Invariant"),
    "show.experiments": ("plot_experiments",),
    "show.film": ("film",),
    "show.trees": ("plot_tree",),
    "show.plot": (
        "plot",
        "plot_features",
        "plot_fit",
        "plot_front",
        "plot_networks",
        "plot_training",
        "save_figure",
    ),
    "structure.borders": ("Borders", "borders"),
    "structure.couplings": ("total_indices",),
    "structure.separability": ("separability",),
    "structure.symmetry": ("symmetry",),
    "structure.tree": ("Tree", "tree"),
    "structure.verdicts": ("Separability", "Symmetry"),
    "symbolic.formula": ("formula",),
    "symbolic.kanpiler": ("kanpiler",),
    "symbolic.naming": ("auto_symbolic",),
    "symbolic.shaped": ("shaped",),
    "symbolic.suggest": ("Suggestion", "fix_symbolic", "suggest_symbolic", "unfix_symbolic"),
    "train.callbacks": ("Checkpoint", "EarlyStopping", "Progress", "Record", "Tracker"),
    "train.checked": ("Pruned", "narrowest", "prune_checked"),
    "train.constrained": ("constrain", "fit_constrained"),
    "train.elimination": ("prune_by_loss",),
    "train.fit": ("fit",),
    "train.grids": ("GridUpdates",),
    "train.lbfgs": ("LBFGS",),
    "train.local": ("learn_locally",),
    "train.memory": ("Memory", "learn_next"),
    "train.log": ("FitLog",),
    "train.marquardt": ("LevenbergMarquardt",),
    "train.objective": ("Classification", "Regression", "Residual", "predict_proba"),
    "train.optimiser": ("Adam",),
    "train.perceptron": ("fit_mlp",),
    "train.penalty": ("Sparsity",),
}
_MODULE = {name: f"scikan.{home}" for home, names in _HOMES.items() for name in names}

__all__ = sorted(_MODULE)


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'scikan' has no attribute {name!r}")
    value = getattr(import_module(_MODULE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
