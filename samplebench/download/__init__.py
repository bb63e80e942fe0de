"""What verified downloads are made of; samplebench.download.fetch puts it together."""
