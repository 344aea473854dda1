"""Kinds of arguments that Python's types cannot say, as names in annotations.

``arguments.py`` reads these names and refuses what is of another kind. To a type checker they are
Any: a symbolic size acts as an int, a run-time number as a float.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Scalar: TypeAlias = Any
"""A number, or a tensor of one that has no axes."""
Operand: TypeAlias = Any
"""A tensor or a number."""
Whole: TypeAlias = Any
"""An int."""
Wholes: TypeAlias = Any
"""A list or tuple of ints."""
Axes: TypeAlias = Any
"""One int, or a list or tuple of ints."""

__all__ = ["Axes", "Operand", "Scalar", "Whole", "Wholes"]
