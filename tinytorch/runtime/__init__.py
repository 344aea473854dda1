"""The room that runs programs: it owns memory, machine code, threads and the compile cache.

It never sees a graph, and imports numba only when the cache lacks a kernel.
"""

from tinytorch.runtime.executable import Executable, load
from tinytorch.runtime.team import get_num_threads, set_num_threads

__all__ = ["Executable", "get_num_threads", "load", "set_num_threads"]
