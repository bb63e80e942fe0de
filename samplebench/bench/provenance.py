"""Where and with what a cell was computed."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from samplebench.results.record import Provenance
from samplebench.version import VERSION

if TYPE_CHECKING:
    import torch

    from samplebench.models.model import Model


def provenance(model: Model) -> Provenance:
    """Versions, platform, hardware, commit, time, and what the model says of itself."""
    return {
        "versions": _versions(),
        "platform": platform_id(model.device),
        "hardware": _hardware(model.device),
        "git_commit": _commit(),
        "created": now(),
        "checkpoint": dict(model.provenance),
    }


def score_provenance(device: torch.device) -> Provenance:
    """Versions, platform, hardware and time of a score."""
    return {
        "versions": _versions(),
        "platform": platform_id(device),
        "hardware": _hardware(device),
        "created": now(),
    }


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def partial_stamp(model: Model) -> str:
    """What must be equal for a half-finished cell to be finished here."""
    return stamp_of(model.device)


def stamp_of(device: torch.device) -> str:
    """The same, of models on a device."""
    versions = _versions()
    return f"{platform_id(device)} samplebench {versions['samplebench']} {versions['torch']}"


def platform_id(device: torch.device) -> str:
    """What must be equal for values to be equal to 1e-6: system, processor or GPU, torch.

    The instruction set alone is not enough: float32 networks differ by up to 6e-5 between an AMD
    and an Intel processor that both have AVX-512, as MKL and oneDNN choose kernels by the maker.
    """
    import torch

    where = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{processor()}-{torch.backends.cpu.get_cpu_capability()}"
        if device.type == "cpu"
        else device.type
    )
    release = ".".join(torch.__version__.split("+")[0].split(".")[:2])
    return f"{platform.system()}-{platform.machine()}-{where}-torch{release}"


@cache
def _versions() -> dict[str, str]:
    import numpy
    import torch

    return {
        "samplebench": VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }


def _hardware(device: torch.device) -> str:
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor()}, {torch.get_num_threads()} threads"


@cache
def processor() -> str:
    """The name of this machine's processor."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@cache
def _commit() -> str | None:
    """The commit of samplebench's own checkout, None for an installed package."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
