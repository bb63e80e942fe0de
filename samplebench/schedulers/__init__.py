"""Schedulers of diffusers as samplers."""
