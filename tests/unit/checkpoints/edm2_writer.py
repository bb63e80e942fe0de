"""Network pickles in EDM2's container whose embedded source must not run.

As a script: `edm2_writer.py INIT_KWARGS_JSON OUT`, all weights drawn from a normal distribution and
stored in float16.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

_BENCHMARKS = str(Path(__file__).parents[3] / "benchmarks")
sys.path.insert(0, _BENCHMARKS)
try:
    from containers import edm2_pickle
finally:
    sys.path.remove(_BENCHMARKS)

_spec = importlib.util.spec_from_file_location("genuine", Path(__file__).with_name("genuine.py"))
_genuine = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_genuine)
SOURCE = _genuine.SOURCE
dump, random_state = edm2_pickle.dump, edm2_pickle.random_state


def write(path, tensors, init_kwargs, *, source=SOURCE, **layout):
    """Writes a state dict as a network pickle; `layout` as of the writer."""
    edm2_pickle.write(path, tensors, init_kwargs, source=source, **layout)


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    write(Path(sys.argv[2]), random_state(arguments), arguments)
