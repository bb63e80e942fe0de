"""Solver cards: a solver, or a list of noise levels, as a file of numbers."""
