"""The live engine: a durable log, a state that follows it, and doors to both.

In: events over HTTP. Out: slates, from the pipeline that evaluation measures. Never: a second
scorer, or an acknowledgement before an event is durable.
"""
