"""Honest measurement: time-aware protocols, metrics with intervals, slices, reports.

In: an `Interactions` log and candidate sources. Out: figures. Never: changes what it measures.
"""
