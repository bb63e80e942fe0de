"""A metric on features, references that fit every extractor, and one folder of each kind."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest

from samplebench.metrics.moments import Moments
from samplebench.references import reference as references
from samplebench.registry import extractors, metrics
from samplebench.results.kept import LEVELS
from tests.unit.bench.folders import sweep

# One cell of four blocks.
ONE = {"sampler": "euler", "nfe": 3, "num_samples": 56, "batch_size": 16}
_KERNEL = '''
"""A metric of somebody else's, on the features themselves."""

import numpy as np

from samplebench.registry import metrics


@metrics.register("mmd-pixels", statistic="features", extractor="pixels", better="lower")
def mmd(rows, reference):
    """Mean squared distance to the reference, less half of that within each of the two."""
    assert rows.dtype == np.float32 and rows.ndim == reference.ndim == 2
    x, y = rows.astype(float), reference.astype(float)

    def apart(a, b):
        return np.square(a).sum(1).mean() + np.square(b).sum(1).mean() - 2 * a.mean(0) @ b.mean(0)

    return {"value": apart(x, y) - apart(x, x) / 2 - apart(y, y) / 2, "rows": len(rows)}
'''


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """A features metric on pixels, as `--metric` takes it."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "plugin_of_kernels.py").write_text(_KERNEL)
    sys.path.insert(0, str(folder))
    yield "plugin_of_kernels:mmd"
    sys.path.remove(str(folder))
    for name in ("mmd-pixels", "plugin_of_kernels:mmd"):
        metrics._entries.pop(name, None)
    sys.modules.pop("plugin_of_kernels", None)


@pytest.fixture(scope="session")
def statistics(tmp_path_factory):
    """`statistics["pixels"]`: the path of statistics that keep their features."""
    found, draw = {}, np.random.default_rng(0)
    for name in ("pixels", "digits"):
        extractor = extractors.get(name)()
        rows = draw.normal(size=(300, extractor.feature_dim)).astype(np.float32)
        path = tmp_path_factory.mktemp(name) / f"my-{name}.reference.npz"
        references.save(path, Moments.of(rows), extractor, "300 draws", rows)
        found[name] = str(path)
    return found


@pytest.fixture(scope="session")
def _finished(tmp_path_factory):
    out = {level: tmp_path_factory.mktemp("finished") / level for level in LEVELS}
    return {level: sweep(folder, keep=level, **ONE) for level, folder in out.items()}


@pytest.fixture
def finished(_finished, tmp_path):
    """`finished("images")`: a folder of one finished cell, of which that was kept."""

    def copied(level):
        target = tmp_path / level
        shutil.copytree(_finished[level].store.out, target)
        return target

    return copied
