"""Every case on a real GPU, with the block sizes a user gets: ``pytest -m cuda tests/codegen``."""

import numpy as np
import pytest
from cuda_cases import CASES
from cuda_run import check, launch


def _available() -> bool:
    try:
        from numba import config, cuda
    except ImportError:
        return False
    return not config.ENABLE_CUDASIM and bool(cuda.is_available())


pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not _available(), reason="no GPU"),
    pytest.mark.filterwarnings("default"),
]


@pytest.mark.parametrize("name", CASES)
def test_case_matches_the_reference(name: str) -> None:
    check(CASES[name](), None)


@pytest.mark.parametrize("name", ["softmax_with_ends", "layer_norm_backward", "training_step"])
def test_results_have_the_same_bits_every_time(name: str) -> None:
    case = CASES[name]()
    first, again = (launch(case.program, case.arrays, None) for _ in range(2))
    for slot, array in first.items():
        np.testing.assert_array_equal(array.view(np.uint8), again[slot].view(np.uint8))
