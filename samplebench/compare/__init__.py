"""Results folders side by side: their curves, and differences point by point with error bars."""

from samplebench.compare.comparison import Against, Comparison, compare

__all__ = ["Against", "Comparison", "compare"]
