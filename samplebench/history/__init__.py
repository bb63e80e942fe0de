"""A committed curve over the commits that changed it."""

from samplebench.history.versions import CurveHistory, Version, history_of

__all__ = ["CurveHistory", "Version", "history_of"]
