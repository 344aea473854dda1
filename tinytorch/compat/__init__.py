"""Thin modules through which code written for smaller systems runs unchanged on tinytorch.

* ``tinypytorch``: ``Variable`` and ``Function`` on numpy arrays.
* ``micrograd``: ``Value``, its ``nn`` and ``draw_dot``.
* ``minitorch``: scalars, tensors, backends, modules and networks of the MiniTorch course.

They hold no autograd engine of their own: every value is a tensor, every operation one of
tinytorch's, every gradient found by its ``backward``. Where these systems disagree with PyTorch
(a sum that keeps its axis, a second ``backward`` on one graph), the difference lives here alone.
"""
