"""The compile cache of the command line: a program that was compiled once is loaded the next time.

JAX keeps compiled programs in a folder; here it is chosen, bounded, and tried before it is used.
"""

import hashlib
import os
import platform
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

VARIABLE = "JAX_COMPILATION_CACHE_DIR"  # JAX's own; empty: nothing is kept
MOST = 2**30  # bytes that are kept
VERDICT = "usable.txt"
HIT = "/jax/compilation_cache/cache_hits"


@cache
def keep_compiled() -> Path | None:
    """Let JAX keep what it compiles in the user's cache folder; returns the folder, or None where nothing is kept.

    A folder belongs to a version of JAX and a processor, for a program holds instructions of that processor. Several
    processes may use it at once. Whoever has chosen a folder (`JAX_COMPILATION_CACHE_DIR=path`) or none
    (`JAX_COMPILATION_CACHE_DIR=`) is left alone. Some processors reject what was compiled on them (jax issue 38445):
    a folder is tried once, and where that fails programs are compiled anew, as without a cache.
    """
    import jax

    settings: Any = jax.config
    chosen = VARIABLE in os.environ or settings.jax_compilation_cache_dir
    if chosen or not settings.jax_enable_compilation_cache:
        return None
    # A program that another process is just writing cannot be read, and is compiled.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry")
    try:
        folder = _folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _bound(folder, MOST)
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        if _usable(folder):
            return folder
    except OSError:  # no home, a full disk, a folder of somebody else
        pass
    from jax.experimental.compilation_cache.compilation_cache import reset_cache

    jax.config.update("jax_compilation_cache_dir", None)
    reset_cache()
    return None


def machine() -> str:
    """Sixteen letters for this version of JAX, this kind of device and this processor."""
    import jax

    parts = (version("jax"), version("jaxlib"), jax.default_backend(), platform.machine(), *_processor())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _folder() -> Path:
    """The folder of this machine, as `machine` tells them apart."""
    import platformdirs

    return platformdirs.user_cache_path("gru-lab", appauthor=False) / "compiled" / machine()


def _processor(path: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """The name and the instruction sets of the processor, as far as the system tells them."""
    if not path.exists():
        return (platform.processor(),)
    fields = dict(line.split(":", 1) for line in path.read_text("utf-8").split("\n\n")[0].splitlines() if ":" in line)
    known = {name.strip(): value.strip() for name, value in fields.items()}
    return tuple(known.get(name, "") for name in ("model name", "flags", "Features"))


def _bound(folder: Path, most: int) -> None:
    """Delete the oldest programs of a folder that holds more than `most` bytes, down to half of that."""
    files = []
    for path in folder.glob("*-cache"):
        try:
            files.append((path.stat().st_mtime, path.stat().st_size, path))
        except FileNotFoundError:  # another process deleted it
            continue
    total = sum(size for _, size, _ in files)
    if total <= most:
        return
    for _, size, path in sorted(files):
        if total <= most // 2:
            break
        path.unlink(missing_ok=True)
        total -= size


def _usable(folder: Path) -> bool:
    """True if programs of this folder can be loaded; it is tried once, and written down."""
    verdict = folder / VERDICT
    known = verdict.read_text("utf-8") if verdict.exists() else ""
    if known not in ("yes", "no"):
        known = "yes" if _loads() else "no"
        verdict.write_text(known)
    return known == "yes"


def _loads() -> bool:
    """True if a small program that was compiled is loaded when it is asked for again, without complaint."""
    import jax
    import numpy as np
    from jax import monitoring

    hits: list[str] = []

    def count(event: str, **details: str | int) -> None:
        if event == HIT:
            hits.append(event)

    monitoring.register_event_listener(count)
    try:
        with _complaints() as complaints, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(2):
                hits.clear()
                jax.jit(lambda x: x * 3 + 1).lower(np.float32(1)).compile()
            return bool(hits) and not complaints()
    finally:
        monitoring.unregister_event_listener(count)


@contextmanager
def _complaints() -> Iterator:
    """Keep all that goes to standard error, of any library, in a file; gives a function that reads it."""
    with tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield lambda: os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
        finally:
            os.dup2(before, 2)
            os.close(before)


__all__ = ["keep_compiled", "machine"]
