"""The durable log of the live engine: what was acknowledged is on disk, once, in one order.

In: entries (events, items, users, impressions, deletions) from many threads. Out: a receipt for
each once it is durable, and the entries again in the order of their numbers, for any number of
followers. Never: what an entry means; its body is text to the log.
"""
