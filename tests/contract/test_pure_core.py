"""The pure rooms import and run where nothing but jax and flax is installed."""

import subprocess
import sys
from importlib.metadata import requires

SCRIPT = """
import sys, importlib.metadata as metadata, re

def needs(name, seen):
    for line in metadata.requires(name) or []:
        if "extra ==" not in line:
            dependency = re.split(r"[ ;<>=!\\[]", line)[0].lower().replace("_", "-")
            if dependency not in seen:
                seen.add(dependency)
                try:
                    needs(dependency, seen)
                except metadata.PackageNotFoundError:
                    pass
    return seen

allowed = needs("flax", {"jax", "flax"}) | needs("jax", set())
homes = metadata.packages_distributions()
class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        owners = [owner.lower().replace("_", "-") for owner in homes.get(top, [])]
        if owners and top != "gru_lab" and not any(owner in allowed for owner in owners):
            raise ModuleNotFoundError(f"{name} is not among the dependencies of jax and flax")
sys.meta_path.insert(0, Refuse())
try:
    import pandas
    raise SystemExit("the guard of this test does not guard")
except ModuleNotFoundError:
    pass
import jax, gru_lab, gru_lab.diagnostics
for name in gru_lab.cells.names():
    cell = gru_lab.cells.create(name, hidden=8)

    def run(key):
        return gru_lab.unroll(cell, cell.init(key, 2), jax.numpy.ones((1, 4, 2)))

    final, hs = (run if name == "gru" else lambda key: jax.eval_shape(run, key))(jax.random.key(0))
    print(name, hs.shape)
"""


def test_cells_recurrence_and_diagnostics_need_only_jax_and_flax():
    assert requires("flax")
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "gru (1, 4, 8)" in done.stdout
