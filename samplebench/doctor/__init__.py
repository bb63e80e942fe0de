"""Is this the denoiser it should be? Looks at the images a model makes, and at what it does to
noise in them."""

from samplebench.doctor.diagnosis import Diagnosis, Finding
from samplebench.doctor.examine import EVALUATIONS, examine

__all__ = ["EVALUATIONS", "Diagnosis", "Finding", "examine"]
