"""Double precision for science, and the choice of array namespace.

JAX decides on float64 once for the whole process. The modules that compute import this one, so the first
use of a numeric name of the package turns it on; `import scikan` alone runs nothing. An explicit
`JAX_ENABLE_X64=0` is respected, with one warning. Every structure carries its own dtype, so float32 models
work while float64 is on.
"""

import os
import warnings
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def _enable_double_precision() -> None:
    asked = os.environ.get("JAX_ENABLE_X64", "").lower()
    if asked in ("0", "false", "no", "off"):
        warnings.warn(
            "JAX_ENABLE_X64 asks for single precision: JAX fits run in float32; small fits in NumPy stay float64.",
            stacklevel=3,
        )
        return
    jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]


_enable_double_precision()


def namespace(*arrays: Any) -> ModuleType:
    """Return `jax.numpy` if any of the arrays belongs to JAX (traced ones too), else `numpy`."""
    return jnp if any(isinstance(a, jax.Array) for a in arrays) else np


def numpy_leaves(tree: Any) -> Any:
    """Return the same pytree with every JAX array brought to NumPy."""
    return jax.tree_util.tree_map(lambda a: np.asarray(a) if isinstance(a, jax.Array) else a, tree)


def jax_leaves(tree: Any) -> Any:
    """Return the same pytree with every NumPy array as a JAX array of the same dtype."""
    return jax.tree_util.tree_map(lambda a: jnp.asarray(a) if isinstance(a, np.ndarray) else a, tree)
