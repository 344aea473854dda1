"""Matrix products for CUDA: tiles of both factors meet in shared memory.

A block computes one tile of the result; each thread one element of it. Sizes and strides are
arguments, so that one kernel serves products of every shape with the same dtype and transposes.
Each element is summed in the order of k, with as many roundings on every run.
"""

from __future__ import annotations

from tinytorch.codegen.cuda.prelude import BLOCK_Z
from tinytorch.ir.program import Product
from tinytorch.ir.source import Source

TILE = 16

_TEXT = '''\
@cuda.jit
def {name}(left, right, out, m, n, k, batch, left_stride, right_stride):
    # Rows are padded by one element, so that reading a column meets every bank of memory once.
    tile_left = cuda.shared.array(({tile}, {tile} + 1), np.{T})
    tile_right = cuda.shared.array(({tile}, {tile} + 1), np.{T})
    x, y = cuda.threadIdx.x, cuda.threadIdx.y
    row0, col0 = np.int64(cuda.blockIdx.x) * {tile}, np.int64(cuda.blockIdx.y) * {tile}
    row, col = row0 + y, col0 + x
    zero = np.{T}(0)
    for b in range(cuda.blockIdx.z, batch, cuda.gridDim.z):
        left_at, right_at = np.int64(b) * left_stride, np.int64(b) * right_stride
        total = zero
        for start in range(0, k, {tile}):
{loads}
            cuda.syncthreads()
            for inner in range({tile}):
                total += tile_left[y, inner] * tile_right[inner, x]
            cuda.syncthreads()
        if row < m and col < n:
            out[np.int64(b) * m * n + row * n + col] = total
'''

# Neighbouring threads (along x) read neighbouring elements, whichever way the factor lies.
_LEFT = """\
            value = zero
            if row < m and start + x < k:
                value = left[left_at + row * k + start + x]
            tile_left[y, x] = value"""
_LEFT_TRANSPOSED = """\
            value = zero
            if row0 + x < m and start + y < k:
                value = left[left_at + (start + y) * m + row0 + x]
            tile_left[x, y] = value"""
_RIGHT = """\
            value = zero
            if start + y < k and col < n:
                value = right[right_at + (start + y) * n + col]
            tile_right[y, x] = value"""
_RIGHT_TRANSPOSED = """\
            value = zero
            if start + x < k and col0 + y < n:
                value = right[right_at + (col0 + y) * k + start + x]
            tile_right[x, y] = value"""


def product_name(product: Product, tile: int = TILE) -> str:
    """Name of the kernel that computes a product: its dtype, and t for each transposed factor."""
    flags = "".join("t" if f else "n" for f in (product.transpose_left, product.transpose_right))
    return f"product_{flags}_{product.dtype.short}_{tile}"


def product_text(product: Product, tile: int = TILE) -> str:
    """Text of the kernel that computes a product."""
    loads = [
        _LEFT_TRANSPOSED if product.transpose_left else _LEFT,
        _RIGHT_TRANSPOSED if product.transpose_right else _RIGHT,
    ]
    return _TEXT.format(
        name=product_name(product, tile), tile=tile, T=product.dtype.compute, loads="\n".join(loads)
    )


def product_grid(product: Product, tile: int = TILE) -> tuple[tuple[int, ...], tuple[int, int]]:
    """Blocks and threads a block of a product's launch."""
    blocks = (max(1, -(-product.m // tile)), max(1, -(-product.n // tile)),
              min(max(1, product.batch), BLOCK_Z))  # fmt: skip
    return blocks, (tile, tile)


def product_sizes(product: Product) -> tuple[int, ...]:
    """The numbers that follow the three buffers in a launch."""
    return (product.m, product.n, product.k, product.batch, product.left_stride,
            product.right_stride)  # fmt: skip


def emit_product(product: Product, tile: int = TILE) -> Source:
    """Print a product with ``run_NAME(left, right, out, stream)``, which launches it."""
    name = product_name(product, tile)
    blocks, threads = product_grid(product, tile)
    sizes = ", ".join(str(n) for n in product_sizes(product))
    text = f'''\
"""{name}: {product.batch} x ({product.m}, {product.k}) @ ({product.k}, {product.n})."""

import numpy as np
from numba import cuda


{product_text(product, tile)}

def run_{name}(left, right, out, stream=0):
    {name}[{blocks}, {threads}, stream](left, right, out, {sizes})
'''
    return Source(name, "cuda", text, name, (product.dtype,) * 3)
