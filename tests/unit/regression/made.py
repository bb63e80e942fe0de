"""Rows as a run writes them, their conditions and scores, without a run."""

from __future__ import annotations

import hashlib

REFERENCE = {"id": "digits-kde", "sha256": "57ac2d93" + "0" * 56}
LABEL = "digits-kde@57ac2d93"
# As beside a table of schema 2.
CONDITIONS = {
    "model": "digits-exact",
    "checkpoint_sha256": "a1f5ef833e53" + "0" * 52,
    "config": {"bandwidth": 0.2},
    "num_samples": 100,
    "noise": "portable",
    "state_dtype": "float64",
    "quantization": "edm",
    "dtype": "float64",
    "block": 64,
    "numerics": 2,
    "extractors": {"digits": "def48480f8f6" + "0" * 52},
    "metrics": {LABEL: ["fd-digits"]},
}
# The same beside a table of schema 1.
OLDER = {
    "model": "digits-exact",
    "checkpoint_sha256": CONDITIONS["checkpoint_sha256"],
    "config": {"bandwidth": 0.2},
    "num_samples": 100,
    "dtype": "float64",
    "block": 64,
    "numerics": 1,
    "metrics": ["fd-digits"],
    "protocol": {
        "clip_x0": False, "extractor": "digits", "labels": "uniform", "name": "custom:f0cdd243",
        "noise": "portable", "num_samples": 100, "quantization": "edm", "state_dtype": "float64",
    },
    "reference": REFERENCE,
    "extractor": {
        "name": "digits", "feature_dim": 64,
        "weights_sha256": CONDITIONS["extractors"]["digits"],
    },
}  # fmt: skip


def row(sampler="euler", nfe=9, **changes):
    """A row, with its values, of one repeat or more."""
    found = {
        "model": "digits-exact",
        "sampler": sampler,
        "params": "",
        "discretization": "edm",
        "rho": 7.0,
        "steps": nfe if sampler == "euler" else (nfe + 1) // 2,
        "nfe": nfe,
        "nfe_requested": nfe,
        "depth": nfe,
        "guidance": "",
        "guide_nfe": 0,
        "seed": 0,
        "repeats": 1,
        "num_samples": 100,
        "protocol": "custom:f0cdd243",
        "dtype": "float64",
        "reference": LABEL,
        "fd-digits": 2.0,
        "fd-digits_stderr": 0.25,
        **changes,
    }
    texts = [f"{sampler} {nfe} {found['params']} {r}" for r in range(found["repeats"])]
    cells = " ".join(hashlib.sha256(text.encode()).hexdigest() for text in texts)
    return {**found, "cell": changes.get("cell", cells)}


def older(rows):
    """The rows as schema 1 had them, in cells of their own."""
    later = ("reference", "depth", "guidance", "guide_nfe")
    kept = [{key: value for key, value in row.items() if key not in later} for row in rows]
    return [{**row, "cell": row["cell"][::-1]} for row in kept]
