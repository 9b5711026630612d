"""Retrieve, rank, arrange: one path for evaluation, commands and the service.

In: queries, and a source, a ranker and an arranger by their protocols. Out: slates, or the scores
that a protocol asks for. Never: an algorithm of its own. `answering.py` answers requests and says
what becomes of failures, `request.py` what may be asked of a slate (`asking.py` makes stages of it,
`objectives.py` weighs candidates without training), `explaining.py` tells why and `describing.py`
in whose words, `staged.py` is retrieval and ranker as one source, `replay.py` makes what the ranker
learns from,
`shown_replay.py` the same of lists as they were shown; `loop_outcomes.py` and `loop_lists.py` make
it of a platform's own pages.
"""

from graphrec.pipeline.answering import Pipeline
from graphrec.pipeline.explaining import Recommendation, Watched
from graphrec.pipeline.request import Request

__all__ = ["Pipeline", "Recommendation", "Request", "Watched"]
