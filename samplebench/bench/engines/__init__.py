"""Engines: who computes the blocks of a sweep. One process, several, or a cluster."""
