"""Switches of a library for CUDA devices, of which there are none."""

enabled = True
benchmark = False
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """Whether the library is there: it is not."""
    return False


def version() -> None:
    """The library's version: None."""
