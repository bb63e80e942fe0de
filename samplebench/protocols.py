"""Protocols: everything beside model and sampler that two values must share to be comparable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from samplebench.errors import unknown


@dataclass(frozen=True)
class Protocol:
    """How samples are drawn and turned into a value.

    Attributes:
        name: of the protocol; `custom:<hash>` once a field is overridden.
        summary: one line.
        num_samples: N; 0 where whoever samples says it.
        noise: per-sample streams, "portable" or "nvlabs".
        state_dtype: precision of the sampler's state.
        quantization: rule that makes uint8 of the result (images.py).
        extractor: whose features are compared.
        metrics: computed by default; any metric on the same features may be asked for.
        process: noise law of the models it is for, where that is not an isotropic or discrete one:
            "cld", "bdm", or "linear" for both.
    """

    name: str
    summary: str
    num_samples: int
    noise: str
    state_dtype: str
    quantization: str
    extractor: str
    metrics: tuple[str, ...]
    process: str = ""

    def override(self, **changes: Any) -> Protocol:
        """The protocol with some fields changed, renamed after the result.

        None leaves a field as it is.
        """
        if not self.num_samples and changes.get("num_samples"):
            said = replace(self, num_samples=changes.pop("num_samples"))
            return said.override(**changes)
        real = {k: v for k, v in changes.items() if v is not None and v != getattr(self, k)}
        if not real:
            return self
        changed = replace(self, summary=f"{self.name} with other {', '.join(sorted(real))}", **real)
        for known in PROTOCOLS.values():
            if known.conditions() == changed.conditions():
                return known
        return replace(changed, name=f"custom:{changed.fingerprint()[:8]}")

    def fingerprint(self) -> str:
        """SHA-256 over all fields that change a number."""
        return hashlib.sha256(json.dumps(self.conditions(), sort_keys=True).encode()).hexdigest()

    def conditions(self) -> dict[str, Any]:
        """The fields that change a number; the process where it is not the usual one."""
        return {
            "num_samples": self.num_samples,
            "noise": self.noise,
            # No choice, but in every hash: labels are drawn from the seed, nothing is clipped.
            "labels": "uniform",
            "state_dtype": self.state_dtype,
            "quantization": self.quantization,
            "clip_x0": False,
            "extractor": self.extractor,
            **({"process": self.process} if self.process else {}),
        }


_DIGITS = Protocol(
    name="digits",
    summary="1,797 images, EDM's rounding, features of the digits extractor",
    num_samples=1797,
    noise="portable",
    state_dtype="float64",
    quantization="edm",
    extractor="digits",
    metrics=("fd-digits",),
)
_EDM = Protocol(
    name="edm",
    summary="EDM's: 50,000 images, rounded half up, state in float64, Inception features",
    num_samples=50_000,
    noise="portable",
    state_dtype="float64",
    quantization="edm",
    extractor="inception",
    metrics=("fid",),
)
_SCORE_SDE = Protocol(
    name="score-sde",
    summary="score-SDE's: 50,000 images, truncated, state in float32, Inception features",
    num_samples=50_000,
    noise="portable",
    state_dtype="float32",
    quantization="score-sde",
    extractor="inception",
    metrics=("fid",),
)

_CUSTOM = replace(
    _EDM,
    name="custom",
    summary="your own network: N from --num-samples, rounded half up, state in float64",
    num_samples=0,
)

PROTOCOLS: Mapping[str, Protocol] = {
    "custom": _CUSTOM,
    "custom-linear": replace(
        _CUSTOM,
        name="custom-linear",
        summary="custom, on another than an isotropic process",
        process="linear",
    ),
    "digits": _DIGITS,
    "digits-bdm": replace(
        _DIGITS, name="digits-bdm", summary="digits, on blurring diffusion", process="bdm"
    ),
    "digits-cld": replace(
        _DIGITS,
        name="digits-cld",
        summary="digits, on critically damped Langevin diffusion",
        process="cld",
    ),
    "edm": _EDM,
    "edm2": replace(
        _EDM,
        name="edm2",
        summary="EDM2's: 50,000 images, rounded half up, state in float32, Inception features",
        state_dtype="float32",
    ),
    "exact": Protocol(
        name="exact",
        summary="2,000 samples of a mixture of Gaussians, EDM's rounding, averages of pixels",
        num_samples=2000,
        noise="portable",
        state_dtype="float64",
        quantization="edm",
        extractor="pixels",
        metrics=("fd-pixels",),
    ),
    "gddim": replace(
        _SCORE_SDE,
        name="gddim",
        summary="gDDIM's: 50,000 images, truncated, state in float32, Inception features",
        process="linear",
    ),
    "openai": Protocol(
        name="openai",
        summary="OpenAI's: 50,000 images, truncated, state in float32, Inception features",
        num_samples=50_000,
        noise="portable",
        state_dtype="float32",
        quantization="openai",
        extractor="inception",
        metrics=("fid",),
    ),
    "score-sde": _SCORE_SDE,
}


def protocol(name: str) -> Protocol:
    """The protocol called `name`.

    Raises:
        UsageError: there is none; the message holds the nearest name.
    """
    if name not in PROTOCOLS:
        raise unknown("protocol", name, PROTOCOLS, "samplebench list protocols")
    return PROTOCOLS[name]
