"""The temporal network: event-driven vectors of users, items, publishers and keywords.

In: interactions up to a cut, what is known of items. Out: a query vector of a user and a vector of
every item as of a time, whose dot product is the score. Never: another room's torch, an event of
the future. `network.py` is the whole network; `training.py` fits it; `source.py` lets it recommend,
single queries on a CPU by the NumPy twins named `*_at_rest.py`.
"""
