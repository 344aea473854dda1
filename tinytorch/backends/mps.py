"""Questions about Apple's devices, on which tensors cannot live."""


def is_available() -> bool:
    """Whether tensors can live there: they cannot."""
    return False


def is_built() -> bool:
    """Whether code for them is there: it is not."""
    return False
