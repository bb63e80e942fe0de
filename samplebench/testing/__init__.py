"""Curves in others' test suites: what the plugin of pytest does."""
