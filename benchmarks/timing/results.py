"""Medians of interleaved runs, and a result as JSON with its Markdown beside it."""

from __future__ import annotations

import json
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from samplebench.bench.provenance import platform_id

RESULTS = Path(__file__).resolve().parents[1] / "results"


@dataclass(frozen=True)
class Ratio:
    """Of two times within one round, over all rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Ratio:
        found = list(values)
        return cls(statistics.median(found), min(found), max(found))

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Bar:
    """A number and what it must not exceed."""

    what: str
    found: float
    most: float

    @property
    def cells(self) -> list[str]:
        verdict = "holds" if self.found <= self.most else "MISSED"
        return [self.what, f"{self.found:.4g}", f"{self.most:g}", verdict]


def interleaved(
    calls: Mapping[str, Callable[[], Any]], runs: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Wall and CPU seconds of each call, one round after the other; each was called before."""
    wall: dict[str, list[float]] = {name: [] for name in calls}
    cpu: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(runs):
        for name, call in calls.items():
            began, busy = time.perf_counter(), time.process_time()
            call()
            wall[name].append(time.perf_counter() - began)
            cpu[name].append(time.process_time() - busy)
    return wall, cpu


def ratios(times: Mapping[str, Sequence[float]], name: str, other: str) -> Ratio:
    """Of two calls, round by round."""
    return Ratio.of(a / b for a, b in zip(times[name], times[other], strict=True))


def hardware(device: torch.device) -> str:
    """A name for a folder: the GPU's, else the processor's with its threads."""
    if device.type == "cuda":
        return _slug(torch.cuda.get_device_name(device))
    own = platform_id(device).split("-", 2)[2].rsplit("-torch", 1)[0]
    return _slug(f"{own} {torch.get_num_threads()} threads")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"\((r|tm)\)", "", text.lower())).strip("-")


def facts(device: torch.device) -> dict[str, str]:
    """What a reader must know of where it ran."""
    return {
        "hardware": hardware(device),
        "threads": str(torch.get_num_threads()),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
    }


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def bars_table(bars: Iterable[Bar]) -> str:
    return table(["bar", "found", "at most", ""], (bar.cells for bar in bars))


def write(out: Path, title: str, known: Mapping[str, str], found: Mapping[str, Any],
          parts: Iterable[str]) -> None:  # fmt: skip
    """Writes OUT, JSON, and the same for readers beside it.

    Args:
        known: from `facts`.
        found: what was measured; ratios and bars become plain values.
        parts: Markdown, a table or a paragraph each.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    data = json.dumps({"facts": known, **found}, indent=1, default=asdict)
    out.write_text(data + "\n", encoding="utf-8")
    about = ", ".join(f"{key} {value}" for key, value in known.items() if key != "command")
    text = "\n\n".join([f"# {title}", about, f"    {known['command']}", *parts])
    out.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    print(f"\n{text}\n\n{out}")
