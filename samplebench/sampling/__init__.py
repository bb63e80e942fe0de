"""Sampling: a sampler on its steps, and one batch from a model."""
