"""How a plan is sampled: which process computes which block."""
