"""Released checkpoints: the catalogue, the files, their containers. No file can run code."""
