"""From ranked candidates to what is shown: diversity, exploration, the product's rules.

In: `Candidates` with final scores, what is known of items. Out: a `Slate` with propensities and
an audit of decisions. Never: a new score of relevance; but for pins, an item not handed in.
"""
