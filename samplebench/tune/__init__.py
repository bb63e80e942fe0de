"""Time grids searched for a sampler at a budget of network evaluations, and judged fairly."""
