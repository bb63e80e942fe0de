"""Where the time of a cell goes: what `throughput.py` and `peers.py` measure with."""
