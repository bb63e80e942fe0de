"""From the word of a model to the model on a device."""

from samplebench.loading.classifier import load_classifier
from samplebench.loading.model import load

__all__ = ["load", "load_classifier"]
