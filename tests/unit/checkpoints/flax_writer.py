"""Flax training states in the released container, written by the trainings' own writer.

As a script: `flax_writer.py MODEL_CONFIG_JSON OUT`, all averaged weights drawn from a normal
distribution, one number for each of the others.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

_BENCHMARKS = str(Path(__file__).parents[3] / "benchmarks")
sys.path.insert(0, _BENCHMARKS)
try:
    from containers import flax_msgpack as writer
finally:
    sys.path.remove(_BENCHMARKS)


def random_state(config: dict) -> dict[str, torch.Tensor]:
    """A state dict of the config's network, small enough that no activation overflows."""
    from samplebench.networks.ncsnpp import ncsnpp, songunet_arguments

    with torch.device("meta"):
        network = ncsnpp(songunet_arguments(config))
    torch.manual_seed(0)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    resampling = (taps.outer(taps) / 64)[None, None]
    return {
        name: resampling if name.endswith("resample_filter") else 0.05 * torch.randn(tensor.shape)
        for name, tensor in network.state_dict().items()
    }


def main(config: str, out: str) -> None:
    words = json.loads(config)
    writer.write(Path(out), words, None, random_state(words), step=750_000, decay=0.9999)


if __name__ == "__main__":
    main(*sys.argv[1:])
