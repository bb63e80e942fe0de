"""What is read from disk and written to it: whole files, locks, texts, archives."""
