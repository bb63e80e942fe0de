"""What an examination found, and what it means."""

from __future__ import annotations

import math
from dataclasses import dataclass

from samplebench.doctor.data_range import USUAL, DataRange, nearest

# Of what the best scaling of the noisy pixels leaves. Measured at the four levels: trained networks
# leave up to 0.51, closed forms 0.52, a network with another's time embedding 0.84 and more.
HEALTHY = 0.7
# Noise left over what is left when the network is told half or double the level. Measured: trained
# networks up to 1.09, those that take the level for another by a factor of 4 from 1.5.
MISTOLD = 1.3
# Difference of two samples over their range. Measured: from 0.2.
ALIKE = 0.01
_OTHER = "the weights are not those of a trained network of this kind, or the configuration is"


@dataclass(frozen=True)
class Finding:
    """What the model did to its own images with noise of one level.

    Attributes:
        sigma: the noise level.
        left: mean squared error of D over sigma^2: 1 is no better than the noisy image. On a
            linear process that of the noise prediction, summed over channels.
        scaling: what the best denoiser leaves that knows only the variance of the pixels.
        mistold: the same as `left`, by level that the network is told in place of sigma; empty
            where it was not asked.
    """

    sigma: float
    left: float
    scaling: float
    mistold: tuple[tuple[float, float], ...] = ()

    @property
    def finite(self) -> bool:
        return math.isfinite(self.left)

    @property
    def denoised(self) -> bool:
        return self.finite and self.left < HEALTHY * self.scaling

    @property
    def better_at(self) -> float | None:
        """The other level at which the network denoises this one clearly better."""
        found = [(left, told) for told, left in self.mistold if self.left > MISTOLD * left]
        return min(found)[1] if found else None


@dataclass(frozen=True)
class Diagnosis:
    """Of one model.

    Attributes:
        findings: by increasing noise level; empty where the samples are no images.
        extremes: least and largest pixel of a sample, the medians over samples.
        difference: root mean square difference of two samples of equal label.
        broken_at: the step from which on the samples are no numbers, None where all are.
        parameters: of the network, None where there is none.
        gflop: per evaluation of one image, None where nothing can be counted.
        seconds: per evaluation of one image, evaluated alone and in a batch, by batch size.
    """

    findings: tuple[Finding, ...]
    extremes: DataRange
    difference: float
    broken_at: str | None
    parameters: int | None
    gflop: float | None
    seconds: dict[int, float]

    @property
    def data_range(self) -> DataRange | None:
        """The convention its images follow, None where it is none of the known."""
        return None if self.broken_at is not None else nearest(self.extremes)

    @property
    def collapsed(self) -> bool:
        """Whether different noise becomes the same image."""
        return self.difference <= ALIKE * 2 * self.extremes.half

    @property
    def denoises(self) -> bool:
        good = all(f.denoised and f.better_at is None for f in self.findings)
        return bool(self.findings) and good

    @property
    def healthy(self) -> bool:
        return self.denoises and not self.collapsed and self.data_range == USUAL

    @property
    def verdict(self) -> str:
        """One line: what was found and what it may mean."""
        if self.broken_at is not None:
            return (
                f"Its samples are not finite from {self.broken_at} on: weights that are damaged, or "
                "too large for its precision."
            )
        if self.collapsed:
            return f"It makes the same image of different noise: {_OTHER} another's."
        for finding in self.findings:
            if not finding.denoised:
                return _no_denoiser(finding)
        for finding in self.findings:
            if finding.better_at is not None:
                return (
                    f"It denoises sigma {finding.sigma:.3g} better when it is told "
                    f"{finding.better_at:.3g}: noise levels reach the network in another scale or "
                    "order than it was trained with (time embedding, preconditioning or process)."
                )
        if self.data_range == USUAL:
            worst = max(f.left for f in self.findings)
            return (
                f"It behaves like a denoiser: {worst:.2f} of the noise is left at most, and its "
                f"samples fill {USUAL}."
            )
        return self._wrong_range()

    def _wrong_range(self) -> str:
        own = self.data_range
        if own is None:
            return (
                f"It denoises, but its samples reach from {self.extremes.low:.3g} to "
                f"{self.extremes.high:.3g}; images must fill {USUAL}: look at how it scales them."
            )
        shift = "" if own.centre == 0 else f" + {own.centre:g}"
        back = "" if own.centre == 0 else f" - {own.centre:g}"
        return (
            f"It denoises, but in the wrong range: its data look like {own}, images must fill "
            f"{USUAL}. Scale what goes in and what comes out: (D({own.half:g} x{shift}, "
            f"{own.half:g} sigma){back}) / {own.half:g} in place of D(x, sigma)."
        )


def _no_denoiser(finding: Finding) -> str:
    if not finding.finite:
        return f"Its answers are not finite at sigma {finding.sigma:.3g}: {_OTHER} another's."
    return (
        f"It loads, but it does not behave like a denoiser: at sigma {finding.sigma:.3g} it leaves "
        f"{finding.left:.2f} of the noise, scaling the pixels alone {finding.scaling:.2f}; "
        f"{_OTHER} another's."
    )
