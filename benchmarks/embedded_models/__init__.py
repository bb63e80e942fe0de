"""How the trained checkpoints in samplebench/embedded are made; see ../train_embedded.py."""
