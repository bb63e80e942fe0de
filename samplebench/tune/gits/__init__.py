"""GITS: noise levels by a shortest path over a teacher's trajectories (Chen et al. 2024)."""

from samplebench.tune.gits.costs import METRICS, cost_matrix, own_costs, own_evaluations
from samplebench.tune.gits.path import path_of
from samplebench.tune.gits.teacher import Taught, teach

__all__ = ["METRICS", "Taught", "cost_matrix", "own_costs", "own_evaluations", "path_of", "teach"]
