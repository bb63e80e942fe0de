"""Sets of real images on disk: a folder, a zip archive or an array, whole or refused."""

from samplebench.image_sets.image_set import ImageSet
from samplebench.image_sets.source import is_set, read, stamp

__all__ = ["ImageSet", "is_set", "read", "stamp"]
