"""JAX's compiled programs kept between runs of the command line, in a folder that nobody else can write to.

A program from this folder is run as it is, so the folder is used only if it is a real one, belongs to the user,
and is closed to all others. Its name carries what a program depends on: processor, JAX, platform.
"""

import hashlib
import os
import platform
import stat
from importlib.metadata import version
from pathlib import Path


def keep_compiled() -> str:
    """Let JAX keep its compiled programs; return why not, empty if it does."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scikan"
    folder = base / f"xla-{cpu_key()}"
    try:
        for place in (base, folder):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if obstacle := _obstacle(place):
                return f"Compiled programs are not kept: {obstacle}."
    except OSError as error:
        return f"Compiled programs are not kept: {error.strerror or error} ({folder})."
    import jax

    settings = {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": 0,
    }
    for name, value in settings.items():
        jax.config.update(name, value)  # type: ignore[no-untyped-call]
    return ""


def _obstacle(folder: Path) -> str:
    about = os.lstat(folder)
    if not stat.S_ISDIR(about.st_mode):
        return f"{folder} is a link or a file"
    if hasattr(os, "getuid") and about.st_uid != os.getuid():
        return f"{folder} belongs to another user"
    if hasattr(os, "getuid") and about.st_mode & 0o022:
        return f"others can write to {folder}; close it with chmod 700"
    return ""


def cpu_key() -> str:
    """Return a short text that differs wherever a compiled program might not run."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    about = sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    parts = (platform.machine(), platform.processor(), *about, version("jax"), version("jaxlib"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
