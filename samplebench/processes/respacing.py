"""Which of T steps a shorter process keeps: the grammar of OpenAI's `timestep_respacing`."""

from __future__ import annotations

from collections.abc import Sequence

from samplebench.answers.scalars import values
from samplebench.errors import UsageError

_GRAMMAR = "write counts per section, e.g. 25 or 10,15,20, or a stride, e.g. ddim25"


def space_timesteps(steps: int, spec: str | int | Sequence[int]) -> list[int]:
    """The kept indices of a process of `steps` steps, increasing.

    Args:
        steps: T, the number of steps to choose from.
        spec: "a,b,c" (or a list of counts): T is cut into as many sections, the first ones larger
            by one where it does not divide, and each keeps so many, its ends among them.
            "ddimN": every i-th from 0, i the smallest stride that keeps N. "": all.

    Raises:
        UsageError: not of that grammar, more steps than a section has, or no such stride.
    """
    if isinstance(spec, str) and spec.startswith("ddim"):
        return _strided(steps, spec)
    counts = _counts(steps, spec)
    size, larger = divmod(steps, len(counts))
    kept, start = [], 0
    for i, count in enumerate(counts):
        length = size + (i < larger)
        if count > length:
            raise UsageError(
                f"respacing '{_word(spec)}': {count} steps of a section of {length}; the process "
                f"has {steps} in all"
            )
        stride = (length - 1) / (count - 1) if count > 1 else 1.0
        # Added up and rounded half to even, as the release does: a product rounds otherwise.
        position = 0.0
        for _ in range(count):
            kept.append(start + round(position))
            position += stride
        start += length
    return kept


def _strided(steps: int, spec: str) -> list[int]:
    if not spec[4:].isdecimal():
        raise UsageError(f"respacing '{spec}' is not understood; {_GRAMMAR}")
    for stride in range(1, steps):
        kept = range(0, steps, stride)
        if len(kept) == int(spec[4:]):
            return list(kept)
    raise UsageError(f"respacing '{spec}': no stride keeps {spec[4:]} of {steps} steps")


def _counts(steps: int, spec: str | int | Sequence[int]) -> list[int]:
    if spec == "":
        return [steps]
    parts = spec.split(",") if isinstance(spec, str) else values(spec)
    words = [str(part).strip() for part in parts]
    if not words or not all(word.isdecimal() for word in words):
        raise UsageError(f"respacing '{_word(spec)}' is not understood; {_GRAMMAR}")
    return [int(word) for word in words]


def _word(spec: str | int | Sequence[int]) -> str:
    return ",".join(map(str, values(spec)))
