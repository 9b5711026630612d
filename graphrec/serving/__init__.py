"""The live engine: a durable log, a state that follows it, and doors to both.

In: events over HTTP. Out: slates, from the pipeline that evaluation measures. Never: a second
scorer, or an acknowledgement before an event is durable. `store.py` is the log (`entries.py` what
it holds, `group_commit.py` how many callers share a commit), `state.py` what entries lead to,
`left_right.py` how it is read while it changes, `following.py` the engine, `service.py` what
callers ask for (`asking.py` and `cursors.py` put questions, `recording.py` and `impressions.py`
write), `app.py` the HTTP app, whose doors stand in modules of their own (`*_doors.py`),
`admission.py` how much it takes on, `onlookers.py` who counts and measures what it does, `page/`
the web page. `learning.py` learns entries, `keeping.py` and `state_store.py` keep states on disk,
`models.py` puts bundles to use; `listening.py` is the server around the app, and the processes.
"""
