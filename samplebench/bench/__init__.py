"""The bench: a request becomes cells (plan.py), cells become results (run.py) on disk (store.py)."""
