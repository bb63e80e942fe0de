"""Samplers: one method or close family per file, each read like the paper's algorithm.

A sampler is `f(model, x, grid, *, noise=None, callback=None, **params) -> x`. `x` is already at
the first level of `grid`, a decreasing float64 tensor on the host; `model(x, sigma)` denoises (off
noise levels it is another view, see models/views.py); `noise(x)` draws unit normal noise of x's
shape. A sampler whose parameters make it deterministic never draws; a stochastic one makes as many
draws as it declares, one a step where it declares nothing, at least one by the end of each step.
"""
