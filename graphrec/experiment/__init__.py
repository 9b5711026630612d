"""Experiment files and command lines become objects: the one room that knows every other.

In: YAML, `name=value` words, paths. Out: data sets, fitted pipelines, finished runs. Never: an
algorithm. Every choice there is stands in a plain `match` in `sources.py` or `running.py`.
"""
