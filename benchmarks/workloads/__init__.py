"""The workloads, by name; each module is imported only when one of its workloads is asked for."""

from __future__ import annotations

import importlib

from benchmarks.case import Workload

MODULES = {
    "tiny_mlp": "tiny_mlp",
    "digits_mlp": "digits_mlp",
    "affine": "affine",
    "chain200": "chain200",
    "elementwise": "elementwise",
    "elementwise_grad": "elementwise",
    "softmax_layernorm": "softmax_layernorm",
    "adamw": "adamw",
}


def load(name: str) -> Workload:
    """Return the workload of that name; KeyError when there is none."""
    module = importlib.import_module(f"{__name__}.{MODULES[name]}")
    for workload in module.WORKLOADS:
        if workload.name == name:
            found: Workload = workload
            return found
    raise KeyError(name)
