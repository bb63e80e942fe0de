"""What presets are called: checkpoint/sampler/NFE, and @source where others measured it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from samplebench.answers.parameters import word
from samplebench.published import Published

# How a published id begins -> how the sources of its own laboratory do, which no name repeats.
_HOME: Mapping[str, str] = {
    "baseline-": r"Karras et al\. 2022",
    "edm-": r"Karras et al\. 2022",
    "edm2-": "EDM2 repository",
    "scoresde-": "score_sde",
    "iddpm-": "Nichol & Dhariwal 2021",
    "adm-": "Dhariwal & Nichol 2021",
    "admip-": r"Ning et al\. 2023|DDPM-IP",
    "ddim-ip-": "DDPM-IP",
    "gddim-": r"Zhang et al\. 2023 gDDIM|gDDIM README",
}
# Parameters that one published row differs from another of its source by.
_TELLING = ("afs", "eta", "guidance", "lam", "scaling", "schedule")


def names_of(rows: Sequence[Published]) -> list[str]:
    """A name for each row, all different; those of earlier rows do not depend on later ones."""
    taken: set[str] = set()
    found = []
    for row in rows:
        name = next(each for each in _candidates(row) if each not in taken)
        taken.add(name)
        found.append(name)
    return found


def _candidates(row: Published) -> Iterable[str]:
    nfe = "adaptive" if row.nfe is None else str(row.nfe)
    own = f"{row.model}/{_sampler(row)}/{nfe}"
    source = _slug(row.cite)
    if any(row.model.startswith(k) and re.match(v, row.source) for k, v in _HOME.items()):
        yield own
    yield f"{own}@{source}"
    count = 2
    while True:
        yield f"{own}@{source}-{count}"
        count += 1


def _sampler(row: Published) -> str:
    parts = [row.sampler.name]
    for name, value in row.sampler.params.items():
        if name in _TELLING:
            parts.append(name if value is True else f"{name}-{word(value)}")
    return "-".join(parts)


def _slug(cite: str) -> str:
    """E.g. "zheng-2023-table-1", "diff-sampler", "guided-diffusion-issue-119"."""
    if found := re.match(r"(\w+)[^,]*? (\d{4})", cite):
        table = re.search(r"(?:Table|Fig\.) \w+|abstract|ablation", cite)
        text = " ".join([found[1], found[2], *([table[0]] if table else [])])
    elif found := re.search(r"([\w-]+) issue (\d+)", cite):
        text = f"{found[1]} issue {found[2]}"
    else:
        text = cite.split(",")[0].split(" ")[0]
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
