"""How much memory this process has taken."""

from __future__ import annotations

import sys
from pathlib import Path


def peak_bytes() -> int:
    """The largest resident size of this process so far; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Not getrusage: there the peak of the parent, before it started this process, counts too.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
