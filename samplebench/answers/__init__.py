"""What networks, samplers, extractors and metrics of others answer: judged before it counts.

An answer that is wrong by its type (shape, dtype, an exception) is the user's and ends in one line
that names who gave it. Numbers that are not finite make a cell fail, and the others go on.
"""
