"""Records the user's Python as a Graph, and runs the same code eagerly on numpy.

Never prints target code and never touches machine code: it hands a Graph to ``compiler``.
"""
