"""The reference statistics of published.csv: whose evaluator goes with them."""

from __future__ import annotations

from collections.abc import Mapping

FAMILIES = ("edm", "edm2", "openai", "score-sde", "other")

# Reference statistics that do not begin with their evaluator's name.
_FAMILY_OF: Mapping[str, str] = {
    "diff-sampler lsun_bedroom stats": "edm",  # computed and compared by EDM's code
    "gddim:cifar10_stats": "score-sde",
    "score-sde style evaluator": "score-sde",
    "cifar10 train (OpenAI evaluator)": "openai",
    "cifar10 train 50k (OpenAI evaluator)": "openai",
    # Of ADM-IP and its successors, which use OpenAI's evaluator throughout.
    "celeba64, 50k random train": "openai",
    "ffhq train": "openai",
    "imagenet32 full train": "openai",
    "lsun tower, 50k random train": "openai",
    # Evaluators of their own, or not stated.
    "celeba train": "other",
    "cifar10 train": "other",
    "cifar10 train (TTUR-style)": "other",
    "cifar10 train 50k": "other",
    "imagenet-64 train": "other",
    "lsun bedroom": "other",
    "pytorch-fid:cifar10_train": "other",
}


def family_of(reference: str) -> str:
    """The evaluator's family: one of `FAMILIES`.

    Raises:
        KeyError: reference statistics that are not in the table.
    """
    name = reference.removeprefix("~")
    maker, colon, _ = name.partition(":")
    known = maker.replace("_", "-")
    return known if colon and known in FAMILIES else _FAMILY_OF[name]


def reference_id(reference: str) -> str:
    """The id that samplebench gives these statistics, e.g. "edm-cifar10-32x32"."""
    return reference.removeprefix("~").replace("_sde:", "-sde:").replace(":", "-")
