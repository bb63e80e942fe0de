"""How a source's own code draws and writes its images, beyond what its table prints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from samplebench.published import Published


@dataclass(frozen=True)
class Practice:
    """What is known of a source's runs; "" where nobody says it.

    Attributes:
        source: an expression that begins the row's source.
        cite: who says it.
        quantization: rule of `images.py`.
        state_dtype: precision of the sampler's state.
        noise: how noise is drawn, a mode of `noise/streams.py`.
        labels: law of the class labels.
        seeds: first seeds of its ranges of N.
    """

    source: str
    cite: str
    quantization: str = ""
    state_dtype: str = ""
    noise: str = ""
    labels: str = ""
    seeds: tuple[int, ...] = ()


PRACTICES: Sequence[Practice] = (
    Practice(
        r"Karras et al\. 2022", "EDM's README and generate.py",
        "edm", "float64", "nvlabs", "uniform", (0, 50_000, 100_000),
    ),
    Practice(
        "EDM2 repository", "EDM2's README and generate_images.py",
        "edm", "float32", "nvlabs", "uniform", (0, 50_000, 100_000),
    ),
    Practice(r"Xu et al\. 2023 Restart", "Restart's paper: EDM's protocol", "edm"),
    Practice(
        "diff-sampler |AMED-Solver repository|GITS repository", "diff-sampler's README",
        seeds=(0,),
    ),
    Practice(
        "score_sde README|Zheng et al|Lu et al|Zhao et al", "score-SDE's code", "score-sde"
    ),
    Practice(r"Zhang et al\. 2023 gDDIM|gDDIM README", "gDDIM's code", "score-sde"),
    Practice(
        "Dhariwal & Nichol 2021|openai/guided-diffusion", "guided-diffusion's code",
        "openai", labels="uniform",
    ),
    Practice("Nichol & Dhariwal 2021|openai/improved-diffusion", "improved-diffusion's code",
             "openai"),
)  # fmt: skip


def practice_of(row: Published) -> Practice:
    """Of the source of a row; of an unknown one nothing is known."""
    found = (each for each in PRACTICES if re.match(each.source, row.source))
    return next(found, Practice("", ""))
