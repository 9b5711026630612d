"""Candidate sources: walks on the co-watch graph and the other untrained methods.

In: `Interactions` to learn from, `Queries` to answer. Out: scores and `Candidates`.
Never: a ranker, a metric, a file.
"""
