"""Order: a sequence of steps that respects dependencies and lets equal kernels share a launch."""

from __future__ import annotations

from collections import Counter

import networkx as nx

from tinytorch.passes.program.steps import PlannedStep


def _batchable(step: PlannedStep) -> bool:
    return step.lowered is not None and step.lowered.kernel.flat


def _kind(step: PlannedStep) -> str:
    assert step.lowered is not None
    return step.lowered.kernel.name


def ordered(steps: list[PlannedStep], flow: nx.DiGraph) -> list[list[PlannedStep]]:
    """Return the steps in order, independent runs of one flat kernel together.

    Flat kernels wait while anything else is ready, and the kernel with the largest share of its
    runs ready goes first: so the updates of all parameters meet in one launch.
    """
    position = {s: i for i, s in enumerate(steps)}
    missing = {s: flow.in_degree(s) for s in steps}
    ready = [s for s in steps if missing[s] == 0]
    left = Counter(_kind(s) for s in steps if _batchable(s))
    result: list[list[PlannedStep]] = []
    while ready:
        single = [s for s in ready if not _batchable(s)]
        if single:
            batch = [min(single, key=lambda s: position[s])]
        else:
            waiting: dict[str, list[PlannedStep]] = {}
            for s in ready:
                waiting.setdefault(_kind(s), []).append(s)
            batch = max(
                waiting.values(),
                key=lambda group: (len(group) / left[_kind(group[0])], -position[group[0]]),
            )
            left[_kind(batch[0])] -= len(batch)
        result.append(batch)
        for step in batch:
            ready.remove(step)
        for step in batch:
            for following in flow.successors(step):
                missing[following] -= 1
                if missing[following] == 0:
                    ready.append(following)
        ready.sort(key=lambda s: position[s])
    return result
