"""Batching: a graph of one example as a graph of many, the engine of ``vmap``."""

from tinytorch.passes.graph.batching import families, structure
from tinytorch.passes.graph.batching.core import Batch, Value, batch, rule, rule_of

__all__ = ["Batch", "Value", "batch", "families", "rule", "rule_of", "structure"]
