"""The bench: a request becomes cells (plan.py), cells become records (run.py, cell.py)."""
