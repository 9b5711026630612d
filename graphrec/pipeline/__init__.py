"""Retrieve, rank, arrange: one path for evaluation, commands and the service.

In: queries, and a source, a ranker and an arranger by their protocols. Out: slates, or the scores
that a protocol asks for. Never: an algorithm of its own. `answering.py` answers requests,
`staged.py` is retrieval and ranker as one source, `replay.py` makes what the ranker learns from;
`loop_outcomes.py` and `loop_lists.py` make it of pages that were shown.
"""

from graphrec.pipeline.answering import Pipeline, Recommendation, Request, Watched

__all__ = ["Pipeline", "Recommendation", "Request", "Watched"]
