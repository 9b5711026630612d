"""Features of candidates as of the moment of the query, and the rankers that learn from them.

In: `Queries` with `Candidates` and their evidence, outcomes to learn from. Out: candidates in a new
order, with what moved them. Never: a candidate that no source found, an event of the future, torch
outside `multi_objective.py`.
"""
