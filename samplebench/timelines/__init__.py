"""Timelines: where samplers step. All that is known of one kind of time is in its file.

A timeline's class says which words of a request it takes and on which models it runs; an instance
is the steps of one run. A new kind is one file here, or one class that a program registers:

    @timelines.register("flow")
    class Flow(Timeline): ...
"""
