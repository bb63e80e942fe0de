"""The bench: a request becomes cells (plan.py), cells results (run.py, store.py)."""
