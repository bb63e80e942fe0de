"""The exact board: every sampler on models in closed form, where no network and no luck counts.

    from samplebench.board import BUDGETS, Board, rows_of

Data whose law is known have exact draws and an exact denoiser. A sampler's error there is its own:
how far its samples are from exact draws (W2, by exact assignment), and how far each is from where
the ODE leads (truncation error).
"""

from __future__ import annotations


