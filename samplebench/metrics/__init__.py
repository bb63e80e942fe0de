"""Metrics: distances between sets of features. They never see an image, a model or a file.

A metric is `f(moments, reference) -> {"value": ..., further terms}` on `Moments` of the samples
and of the reference, registered under its name with the extractor whose features it means.
"""
