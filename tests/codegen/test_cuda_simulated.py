"""Every case, as emitted CUDA text, in numba-cuda's simulator.

The simulator is chosen by an environment variable before numba is imported, so all cases run in
one process of their own.
"""

import importlib.util

import pytest
from cuda_cases import CASES
from cuda_run import simulate

pytestmark = [
    pytest.mark.cudasim,
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed"
    ),
]


@pytest.fixture(scope="module")
def results() -> dict[str, str | None]:
    return simulate(32, *CASES)


@pytest.mark.parametrize("name", CASES)
def test_case_matches_the_reference(name: str, results: dict[str, str | None]) -> None:
    assert results[name] is None, results[name]


def test_other_block_sizes() -> None:
    names = ("softmax_with_ends", "positions_with_nan", "scatter_elements")
    assert simulate(64, *names) == dict.fromkeys(names)
    assert simulate(16, *names) == dict.fromkeys(names)


def test_M31_sum_in_blocks_and_tiled_products_equal_the_reference(
    results: dict[str, str | None],
) -> None:
    for name in ("sum_of_500_in_blocks", "product_33_by_33", "products_of_a_batch"):
        assert results[name] is None, results[name]
