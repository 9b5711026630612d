"""Features of candidates, each declared once, read off state that holds only what was absorbed.

In: `Queries`, `Candidates`, events and streams as they happen. Out: a table `[users, k, features]`.
Never: an event that was not absorbed yet, or one of a stream at or after the query's second; a
second code path for training. `builder.py` joins the families, each of which is a module.
"""
