"""Network pickles in EDM's genuine container whose embedded source must not run.

As a script: `genuine.py CLASS_NAME INIT_KWARGS_JSON OUT`, all weights drawn from a normal
distribution.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import torch

_FILE = Path(__file__).parents[3] / "benchmarks" / "containers" / "edm_pickle.py"
_spec = importlib.util.spec_from_file_location("edm_pickle_writer", _FILE)
_writer = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_writer)

# What a reader must never run.
SOURCE = "raise RuntimeError('the embedded source was executed')\n" * 500


def write(path, tensors, class_name, init_kwargs, **layout):
    """Writes a state dict as a network pickle; `layout` as of the writer."""
    _writer.write(path, tensors, class_name, init_kwargs, source=SOURCE, **layout)


def main(class_name: str, init_kwargs: str, out: str) -> None:
    from samplebench.networks.preconditioning import preconditioner

    arguments = json.loads(init_kwargs)
    with torch.device("meta"):
        network = preconditioner(class_name, arguments)
    torch.manual_seed(0)
    # Small enough that no activation overflows.
    tensors = {name: 0.05 * torch.randn(t.shape) for name, t in network.state_dict().items()}
    write(Path(out), tensors, class_name, arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
