"""What a command does not need it does not load."""

from __future__ import annotations

import pytest

HEAVY = ("torch", "pandas", "matplotlib", "scipy")
# Prints which heavy modules a command line has loaded.
LOADED = f"""
import contextlib, io, sys
from samplebench.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    code = main(sys.argv[1:])
print(code, *sorted({set(HEAVY)} & set(sys.modules)))
"""
# Runs a command line where some modules cannot be imported.
WITHOUT = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in %r:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
from samplebench.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("list", "samplers", "--json"),
        ("list", "models"),
        ("reference", "list"),
    ],
    ids=" ".join,
)
def test_lists_load_nothing_heavy(python, words):
    done = python("-c", LOADED, *words)
    assert done.out == "0\n", done.err


def test_importing_the_package_loads_nothing_heavy(python):
    code = "import samplebench, sys; samplebench.registry; print(*sys.modules, sep='\\n')"
    loaded = set(python("-c", code).out.split())
    assert "samplebench.registry" in loaded
    assert not loaded & {*HEAVY, "numpy", "PIL", "jinja2"}


def test_a_report_needs_no_torch(python, copied, cells):
    before = cells(copied)
    kept = {p: p.read_bytes() for p in copied.rglob("*.*") if "cells" not in p.parts}
    made = [copied / "results.csv", copied / "report.html", *(copied / "figures").iterdir()]
    assert set(made) < set(kept)
    for path in made:
        path.unlink()
    done = python("-c", WITHOUT % (("torch", "scipy"),), "report", "sweep")
    assert done.code == 0, done.err
    assert "euler" in done.out
    for path, content in kept.items():
        if path.suffix != ".png":
            assert path.read_bytes() == content, path.name
    assert all(path.is_file() for path in made)
    assert cells(copied) == before


def test_a_check_needs_no_torch(python, copied):
    words = ("check", "sweep", "--baseline", "sweep/results.csv")
    done = python("-c", WITHOUT % (("torch", "matplotlib", "scipy"),), *words)
    assert done.code == 0, done.err
    moved = (copied / "results.csv").read_text().replace(",7,5,5,5,", ",7,5,6,5,")
    (copied / "results.csv").write_text(moved)
    assert python("-c", WITHOUT % (("torch", "scipy"),), *words).code == 1
