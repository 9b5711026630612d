"""The log of timed events: read, checked, split, written, or simulated.

In: files and frames. Out: `EventLog`, `Dataset`, `Interactions`. Never: a model.
"""
