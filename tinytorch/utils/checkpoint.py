"""``tinytorch.utils.checkpoint``: recomputation in the backward pass, under PyTorch's name."""

from tinytorch.autograd import CheckpointError, checkpoint, checkpoint_sequential

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential"]
