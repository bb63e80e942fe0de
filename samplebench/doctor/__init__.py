"""Is this the denoiser it should be? Looks at the images a model makes, and at what it does to
noise in them."""

from samplebench.doctor.diagnosis import Diagnosis, Finding
from samplebench.doctor.examine import evaluations_for, examine

__all__ = ["Diagnosis", "Finding", "evaluations_for", "examine"]
