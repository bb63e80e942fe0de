"""What an examination found, and what it means."""

from __future__ import annotations

import math
from dataclasses import dataclass

from samplebench.doctor.data_range import USUAL, DataRange, nearest

# Of what the best scaling of the noisy pixels leaves. Measured at the five levels: trained networks
# leave up to 0.55; with noise for weights 0.98 and more, with permuted time embeddings 0.87.
HEALTHY = 0.7
# Where there is no network: the noise in the images of a closed form is no other than the lightest
# that is added. Measured: 0.83, and 0.55 from 0.2 on.
GRAINY = 0.92
# A closed form of a few elements: no scaling is better, but on some data one is as good.
# Measured: up to 1.03, and from 1.14 where it is told a quarter of the level.
NO_WORSE = 1.1
# Noise left over what is left when the network is told half or double the level. Measured: up to
# 1.06; where a level is taken for another by a factor of 4 and denoised all the same, from 2.4.
MISTOLD = 1.3
# Difference of two samples over their range. Measured: from 0.2.
ALIKE = 0.01
# No convention has a smaller range.
_LEAST = 0.1
_OTHER = "the weights are not those of a trained network of this kind, or the configuration is"


@dataclass(frozen=True)
class Finding:
    """What the model did to its own images with noise of one level.

    Attributes:
        sigma: the noise level.
        left: mean squared error of D over sigma^2: 1 is no better than the noisy image. On a
            linear process that of the noise prediction, summed over channels.
        scaling: what the best denoiser leaves that knows only the variance of the pixels.
        limit: the share of it that a denoiser leaves at most.
        mistold: the same as `left`, by level that the network is told in place of sigma; empty
            where it was not asked.
    """

    sigma: float
    left: float
    scaling: float
    limit: float = HEALTHY
    mistold: tuple[tuple[float, float], ...] = ()

    @property
    def finite(self) -> bool:
        return math.isfinite(self.left)

    @property
    def denoised(self) -> bool:
        return self.finite and self.left < self.limit * self.scaling

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
        return self.difference <= ALIKE * max(2 * self.extremes.half, _LEAST)

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
                f"Its samples are not finite from {self.broken_at} on: weights that are damaged, "
                "or too large for its precision."
            )
        if self.collapsed:
            return f"It makes the same image of different noise: {_OTHER} another's."
        failed = [f for f in self.findings if not f.denoised]
        if failed:
            return self._no_denoiser(max(failed, key=lambda f: f.left / (f.limit * f.scaling)))
        for finding in self.findings:
            if finding.better_at is not None:
                return (
                    f"It denoises sigma {finding.sigma:.3g} better when it is given "
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

    def _no_denoiser(self, worst: Finding) -> str:
        reach = ""
        if self.data_range != USUAL:
            reach = f"; its samples reach from {self.extremes.low:.3g} to {self.extremes.high:.3g}"
        if self.data_range not in (None, USUAL):
            reach += f", like data in {self.data_range}, where images must fill {USUAL}"
        if not worst.finite:
            return (
                f"Its answers are not finite at sigma {worst.sigma:.3g}: {_OTHER} another's{reach}."
            )
        return (
            f"It loads, but it does not behave like a denoiser: at sigma {worst.sigma:.3g} it "
            f"leaves {worst.left:.3g} of the noise, scaling the pixels alone {worst.scaling:.3g}; "
            f"{_OTHER} another's{reach}."
        )
