"""Noise laws: how much noise, on what scale, at time t. They know nothing of steps or solvers."""
