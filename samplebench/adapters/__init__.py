"""Adapters: one released family per file; container + network + process -> model.

An adapter is `f(path, config, *, device, dtype) -> Model`, registered under its format
with the kind and the process of its models.
"""
