"""What verified downloads are made of; samplebench.checkpoints.fetch puts it together."""
