"""Graphs read off the log: the co-watch graph, how its edges age, and its live form.

In: `Interactions`. Out: `CoWatchGraph`, `WeightedEdges`. Never: training, HTTP.
"""
