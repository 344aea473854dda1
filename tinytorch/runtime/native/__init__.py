"""The native runner, written in Python over machine words (see ``words``).

Compiled once per machine and loaded from the cache afterwards, so nothing here is imported on a
warm start.
"""
