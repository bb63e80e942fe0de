"""What the notes of published.csv say, clause by clause: conditions, or nothing that counts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Of Table 3 in EDM's paper: such a pair of NFE and FID is derived from a curve, not a setting.
CHOSEN = "lowest NFE within 3 % of the best FID"
BEST_OF_THREE = "lowest of 3 runs"
SINGLE_RUN = "a single run"
THIRD_PARTY = "third party"
BORROWED = "taken from another paper"
PICTURE = "read from a picture of a table"
_REMARK = "remark"
# What a note says of a run that its sampler's name may say already, as a parameter.
AFS_NOT_STATED = "AFS not stated"
DENOISED_UNCOUNTED = "final denoising step, not counted"
ORDER_IS_NFE = "order equals NFE"
# How the printed NFE counts: calls one after another, and what is known of those in parallel.
SEQUENTIAL = "sequential"
TWO_AT_ONCE = "two evaluations at once in every step"

# Clause of a note, as a regular expression -> what it says, as (field of `Said`, text) pairs.
_CLAUSES: Mapping[str, tuple[tuple[str, str], ...]] = {
    # The sampler is not quite the one of that name.
    r"learned solver, AFS": (("variant", "AFS"),),
    r"dagger in the table for some entries \(AFS\)": (("variant", "AFS at some NFE"),),
    r"grid of the even NFE entries not stated": (("variant", "steps of an even NFE not stated"),),
    r"paper reports Heun in the rescaled model.*": (("variant", "in the rescaled model"),),
    r"even NFE column, see notes": (("variant", "no final step"),),
    r"odd NFE for a two-evaluation solver: .*\(AFS\) saves one evaluation": (
        ("variant", AFS_NOT_STATED),
    ),
    r"final denoise step": (("variant", DENOISED_UNCOUNTED),),
    r"order not in the caption": (("variant", "order not stated"),),
    r"(\d+) (?:base )?\+ (\d+) (?:upsampler )?steps": (
        ("variant", r"\1 base + \2 upsampler steps"),
    ),
    r"guidance scale and sample count not in the abstract .*": (("deduced", "num_samples"),),
    r"AFS": (("variant", "AFS"),),
    r"differs from the AMED and EPD tables of the same code line .*": (
        ("variant", "intermediate time or grid not stated"),
        ("unstated", "r"),
    ),
    r"baseline re-measured, best settings searched per NFE": (
        ("variant", "best settings per NFE"),
        ("measured", THIRD_PARTY),
    ),
    r"solver schedule searched per NFE, published in the repository": (
        ("variant", "schedule searched per NFE"),
    ),
    r"DPM-Solver-v3 statistics": (("variant", "DPM-Solver-v3's statistics of the model"),),
    r"phi_1\(m\) = phi_1\(3\)": (("variant", "phi_1(m) = phi_1(3)"),),
    r"base solver not stated per cell": (("variant", "which one not stated"),),
    r"teacher UniPC-3 at 20 NFE": (("variant", "teacher UniPC-3 at 20 NFE"),),
    r"adversarial loss": (("variant", "adversarial loss"),),
    r"re-implementation by the authors of GAS .*, (49k training samples)": (("variant", r"\1"),),
    r"order equals NFE": (("variant", ORDER_IS_NFE),),
    r"order not stated": (("variant", "order not stated"),),
    r"best of six settings": (("variant", "best of six settings"),),
    r"the author of the method could not reconstruct the published configuration": (
        ("variant", "the published configuration is lost"),
    ),
    r"guidance ([\d.]+) from the XS unconditional network, its evaluations not counted": (
        ("variant", r"classifier-free guidance \1 (XS unconditional network)"),
    ),
    r"autoguidance ([\d.]+), guiding evaluations not counted": (
        ("variant", r"autoguidance \1 (guiding network not stated)"),
    ),
    r"guidance ([\d.]+) from (\S+), one guiding evaluation per evaluation not counted": (
        ("variant", r"autoguidance \1 by \2"),
    ),
    # The weights are not simply those of the checkpoint's name.
    r"lower-numbered checkpoint .*": (("weights", "best-FID checkpoint"),),
    r"higher-numbered \(last\) checkpoint": (("weights", "last checkpoint"),),
    r"(checkpoint_8)(?: per the code release)?": (("weights", r"\1"),),
    r"at (\d+K iterations)": (("weights", r"\1"),),
    r"([\d.]+[KM] iterations, L_\w+), NLL .*": (("weights", r"\1"),),
    r"checkpoint may differ \(borrowed\)": (("weights", "perhaps another checkpoint"),),
    r"Table 3 has 1.31 .*": (("weights", "another gamma or checkpoint"),),
    r"~their own EDM teacher .*": (("weights", "perhaps the group's own"), ("deduced", "model_id")),
    r"exact checkpoint and order not in the abstract": (
        ("weights", "exact checkpoint not stated"),
        ("variant", "order not stated"),
    ),
    r"~checkpoint assumed the pixel-space EDM of the AMED table": (("deduced", "model_id"),),
    r"the released solvers of this row are for the latent model .*": (
        ("weights", "perhaps the latent model's"),
    ),
    r"one network per NFE, NFE 1 by a second stage": (("weights", "network of NFE {nfe}"),),
    # Where sampling stops.
    r"stop at t_eps = 1e-4": (("stop", "1e-4"),),
    r"stop time 1e-3": (("stop", "1e-3"),),
    r"stop time 1e-3 for NFE<=10, 1e-4 above": (("stop", "1e-3 | 1e-4"),),
    r"end time / singlestep details in the paper appendix": (("stop", "in the paper's appendix"),),
    # Another evaluator than the reference's.
    r"borrowed there from the original paper: other evaluator": (
        ("evaluator", "of the original paper"),
    ),
    r"evaluated with (pytorch-fid)": (("evaluator", r"\1"),),
    # What the printed NFE counts.
    r"nfe is the number of sequential calls(?:, printed as \(Para\.\) NFE)?": (
        ("counting", SEQUENTIAL),
    ),
    r"two network evaluations run in parallel in every learned step, so 5/8/11/14 .*": (
        ("counting", TWO_AT_ONCE),
    ),
    # How the value was come by.
    r"baseline taken there from the .* papers": (("measured", BORROWED),),
    r"read in a third-party reading note, .*": (("measured", "read in a third party's note"),),
    r"(?:min of 3 runs, EDM protocol|lowest of 3 runs)": (("measured", BEST_OF_THREE),),
    r"NFE = lowest NFE whose FID is within 3% .*": (("measured", CHOSEN),),
    r"RK45: tolerance tuned .*": (("measured", "NFE approximate"),),
    r"digitised, \+-0\.2": (("measured", "read off a figure, ± 0.2"),),
    r"third-party(?: measurement)?": (("measured", THIRD_PARTY),),
    r"secondary citation": (("measured", "secondary citation"),),
    # Cells that were deduced.
    r"(?:uncond )?(?:vp|VP) assumed|~checkpoint assumed uncond VP": (("deduced", "model_id"),),
    r"mapping of the curve to the released file .*": (("deduced", "model_id"),),
    r"(?:T' )?read as NFE.*": (("deduced", "nfe"),),
    r"NFE (?:derived|inferred) from .*": (("deduced", "nfe"),),
    r"100 inferred \(B\)": (("deduced", "nfe"),),
    r"the heading says 50k samples, the command .*": (("deduced", "num_samples"),),
    r"~scale as in .*|~scale [\d.]+ assumed": (("deduced", "network"),),
    # Said by other columns, or history.
    **dict.fromkeys(
        (
            r"printed as a comment beside the preset",
            r"num_steps 32 is the default of the script",
            r"no final step to sigma=0 \(denoise_to_zero off\), no AFS",
            r"10k samples: not comparable with FID-50k",
            r"EDM checkpoint but score-SDE statistics and evaluator: .*",
            r"OpenAI evaluator by another group",
            r"NVIDIA teacher re-measured by another group",
            r"sample count (?:not on the figure|of this table not established)",
            r"CIFAR-10 uses quadratic time skips .*",
            r"DDIM already uses sigma=t, s=1, .*",
            r"S_(?:churn|tmin|noise)=.*",
            r"NFE 511 in the transcription, .*",
            r"NFE adaptive, not printed",
            r"step count not (?:stated|printed beside it)",
            r"step count confirmed by .*",
            r"figure says T'",
            r"sigma_min=.*",  # the range that EDM uses for that checkpoint
            r"README(?: command uses|:) .*",
            r"NLL .*",
            r"learned solver",
            r"solver learned on another checkpoint",  # the sampler's name says which
            r"stochastic, one learned noise coefficient per step",
            r"evaluations per image not stated",  # left open by what it counts
            r"their teacher",
            r"re-implementation by the authors of GAS \(S4S has no public code\)",
            r"latent diffusion",
            r"distilled or fine-tuned network, .*",
            r"one network for every NFE",
            r"intermediate ablation, no checkpoint released",
            r"(?:L_simple model|weights) not released",
            r"weights are the score-SDE release, re-packed .*",
            r"retrained with the DDIM code base, .*",
            r"released CIFAR-10 checkpoint is a later .*",
            r"this is the released 64x64_diffusion\.pt",
            r"the released sample batch .* is THIS model .*",
            r"evaluator README prints .*",
            r"no classifier guidance",
            r"guidance hurts FID at 64x64",
            r"original step has two off-by-one errors .*",
            r"float32 round-off at high step counts",
            r"stochastic sampler of the original work",
            r"value read in a stored commentary",
            r"best value of the paper",
            r"user could not reach it .*",
            r"disagrees with .*",
            r"3\.39 here vs 3\.90 .*",
            r"Table 3 prints .*",
            r"1\.97 in EDM",
            r"(?:EDM itself|the EDM paper) (?:reports|has) .*",
        ),
        ((_REMARK, ""),),
    ),
}


@dataclass(frozen=True)
class Said:
    """What a note says beyond the other columns.

    Attributes:
        variant: how the sampler differs from the one of its name.
        weights: which of several files or training states.
        stop: time at which sampling stops.
        evaluator: whose, where it is not the reference's own.
        measured: how the value was come by.
        deduced: columns whose cell was deduced.
        counting: what the printed NFE counts, where not evaluations: `SEQUENTIAL`, `TWO_AT_ONCE`.
        unstated: parameters that the sampler's name has, but not here.
    """

    variant: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    evaluator: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()
    deduced: tuple[str, ...] = ()
    counting: tuple[str, ...] = ()
    unstated: tuple[str, ...] = ()


def meanings(clause: str) -> Sequence[tuple[str, str]]:
    """(Field of `Said`, text) of each thing that a clause says; the field "remark" is nothing.

    Raises:
        KeyError: a clause that is not in the table, or is there twice.
    """
    found = [
        [(name, match.expand(text)) for name, text in said]
        for pattern, said in _CLAUSES.items()
        if (match := re.fullmatch(pattern, clause))
    ]
    if len(found) != 1:
        raise KeyError(f"{len(found)} meanings of the clause '{clause}'")
    return found[0]


def read(note: str, nfe: int | None) -> Said:
    """What a note says of the row with that printed NFE."""
    parts: dict[str, list[str]] = {}
    for clause in filter(None, (part.strip() for part in note.split(";"))):
        for name, text in meanings(clause):
            if " | " in text:  # up to 10 evaluations | above
                text = text.split(" | ")[nfe is None or nfe > 10]
            parts.setdefault(name, []).append(text.replace("{nfe}", str(nfe)))
    parts.pop(_REMARK, None)
    return Said(**{name: tuple(dict.fromkeys(texts)) for name, texts in parts.items()})
