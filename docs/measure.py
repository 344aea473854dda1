"""Try every public function, and write what works into ``functions.json``.

``python docs/measure.py`` calls each function of ``tinytorch`` and ``nn.functional`` on small
arguments: eagerly, compiled (the results must agree), differentiated once and twice, and on tensors
of every dtype. ``docs/build.py`` makes the table on the page from the file. It takes minutes, as
each function is compiled.
"""

from __future__ import annotations

import inspect
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch.errors import TraceError
from tinytorch.tracer import functions, shapes

OUT = Path(__file__).parent / "functions.json"
DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
          "bool")  # fmt: skip

rng = np.random.default_rng(0)
A, B, C = (tt.from_numpy(rng.uniform(0.2, 0.9, (4, 4))) for _ in range(3))
V, W = A[0].clone(), B[0].clone()
ROWS, J = tt.tensor([[0, 1, 2, 3]] * 4), tt.tensor([0, 2, 1, 3])
MASK = A > 0.5
IMAGE = tt.from_numpy(rng.uniform(0.2, 0.9, (2, 3, 6, 6)))
LINE = tt.from_numpy(rng.uniform(0.2, 0.9, (2, 3, 8)))
CLASSES = tt.tensor([0, 2, 1, 3])
POSITIONS = tt.arange(8).expand(2, 3, 8).contiguous()
PLACES = tt.arange(36).reshape(6, 6).expand(2, 3, 6, 6).contiguous()
GRID = tt.from_numpy(rng.uniform(-0.9, 0.9, (2, 4, 4, 2)))
SIGNS = tt.from_numpy(np.where(rng.random((4, 4)) > 0.5, 1.0, -1.0))

GUESSES: list[tuple[Any, ...]] = [
    (A,), (A, B), (A, B, C), (A, 0), (A, 2), (A, J), (A, 0, J), (A, 0, ROWS), (A, 0, J, B),
    (A, 0, ROWS, B), (V,), (V, W), (A, V), (A, (4, 4)), (ROWS,), (ROWS, ROWS), ([A, B],),
    (MASK,), (MASK, MASK), (A, MASK), (A, MASK, 0.5), (A, 0, 1), (A, (0,)), (A, 1, 0, 2),
    (IMAGE,), (IMAGE, 2), (LINE,),
    (LINE, 2), (A, CLASSES), (A, (1, 1)), (4,), (A, B, SIGNS[:, 0]), (4, 4), (),
]  # fmt: skip
"""Arguments to try for a function that is not named below, in turn."""
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "where": (MASK, A, B), "einsum": ("ij,jk->ik", A, B), "reshape": (A, (2, 8)),
    "permute": (A, (1, 0)), "linspace": (0, 1, 5), "logspace": (0, 1, 5), "full": ((2, 2), 0.5),
    "tensordot": (A, B, 1), "conv1d": (LINE, LINE[:, :, :3]),
    "conv2d": (IMAGE, IMAGE[:, :, :3, :3]),
    "conv_transpose2d": (IMAGE, IMAGE[:, :, :3, :3].transpose(0, 1)), "embedding": (ROWS, A),
    "conv_transpose1d": (LINE, LINE[:, :, :3].transpose(0, 1)),
    "batch_norm": (A, V, W), "group_norm": (LINE, 3), "layer_norm": (A, (4,)),
    "rms_norm": (A, (4,)), "cross_entropy": (A, CLASSES), "nll_loss": (A, CLASSES),
    "one_hot": (ROWS, 5), "pad": (A, (1, 1)), "interpolate": (IMAGE, 4), "upsample": (IMAGE, 4),
    "pixel_shuffle": (tt.from_numpy(rng.uniform(0.2, 0.9, (1, 4, 3, 3))), 2),
    "scaled_dot_product_attention": (LINE, LINE, LINE), "unflatten": (A, 1, (2, 2)),
    "adaptive_avg_pool2d": (IMAGE, 2), "adaptive_max_pool2d": (IMAGE, 2),
    "adaptive_avg_pool1d": (LINE, 2), "adaptive_max_pool1d": (LINE, 2), "clamp": (A, 0.3, 0.7),
    "multi_margin_loss": (A, CLASSES), "as_strided": (A, (2, 2), (1, 2)), "unfold": (IMAGE, 3),
    "fold": (tt.from_numpy(rng.uniform(0.2, 0.9, (1, 8, 4))), (3, 3), (2, 2)),
    "repeat_interleave": (A, 2, 0), "searchsorted": (tt.sort(V)[0], W),
    "bucketize": (A, V), "cross": (A[:, :3], B[:, :3]), "cond": (), "scatter_reduce":
    (A, 0, ROWS, B, "sum"), "index_put": (A, (J,), B), "normal": (A, B), "pow": (A, B),
    "arange": (5,), "randint": (0, 5, (3,)), "tril_indices": (3, 3), "triu_indices": (3, 3),
    "masked_scatter": (A, MASK, B), "gaussian_nll_loss": (A, B, C),
    "ctc_loss": (F.log_softmax(LINE.movedim(1, 0), -1), tt.tensor([[1], [2]]), (3, 3), (1, 1)),
    "bilinear": (A, B, tt.from_numpy(rng.random((2, 4, 4)))), "prelu": (A, V[:1]),
    "cosine_embedding_loss": (A, B, SIGNS[:, 0]), "margin_ranking_loss": (V, W, SIGNS[0]),
    "hinge_embedding_loss": (A, SIGNS), "soft_margin_loss": (A, SIGNS),
    "triplet_margin_loss": (A, B, C), "threshold": (A, 0.5, 0.0), "glu": (A,),
    "addmv": (V, A, W), "addr": (A, V, W), "index_fill": (A, 0, J, 0.5), "put": (A, J, V),
    "select_scatter": (A, V, 0, 1), "channel_shuffle": (IMAGE, 3), "lp_pool1d": (LINE, 2.0, 2),
    "lp_pool2d": (IMAGE, 2.0, 2), "multilabel_margin_loss": (A, ROWS), "instance_norm": (LINE,),
    "local_response_norm": (LINE, 2),
    "max_unpool1d": (LINE, POSITIONS, 1), "max_unpool2d": (IMAGE, PLACES, 1),
    "max_unpool3d": (IMAGE[None], tt.arange(108).reshape(3, 6, 6).expand(1, 2, 3, 6, 6), 1),
    "grid_sample": (IMAGE, GRID), "cholesky": (A @ A.T + tt.eye(4, dtype=tt.float64),),
    "affine_grid": (GRID[:, 0, :3].transpose(1, 2), (2, 3, 4, 4)), "polygamma": (1, A),
    "unravel_index": (J, (2, 2)), "poisson": (A,), "embedding_bag": (ROWS, A),
    "gumbel_softmax": (A,), "lerp": (A, B, 0.3), "addmm": (A, B, C),
    "baddbmm": (IMAGE[0], IMAGE[0], IMAGE[0]), "bmm": (IMAGE[0], IMAGE[0]),
    "addbmm": (IMAGE[0, 0], IMAGE[0], IMAGE[0]), "narrow": (A, 0, 1, 2), "logit": (A,),
    "quantile": (A, 0.5), "histc": (A, 4, 0.0, 1.0), "bincount": (J,), "poisson_nll_loss": (A, B),
    "renorm": (A, 2, 0, 1.0), "split": (A, 2), "split_with_sizes": (A, (1, 3)), "erfinv": (A,),
}  # fmt: skip


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Names and functions, without classes."""
    for name in sorted({n for m in functions.MODULES for n in m.__all__} | {*shapes.__all__}):
        if callable(getattr(tt, name)) and not inspect.isclass(getattr(tt, name)):
            yield name, getattr(tt, name)
    for name in sorted(n for n in dir(F) if inspect.isfunction(getattr(F, n)) and n[0] != "_"):
        yield f"F.{name}", getattr(F, name)


def tensors(value: Any) -> list[Any]:
    """All tensors in a result or in arguments."""
    if isinstance(value, tt.Tensor):
        return [value]
    if isinstance(value, tuple | list):
        return [t for item in value for t in tensors(item)]
    return []


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """Arguments with every tensor changed."""
    if isinstance(value, tt.Tensor):
        return change(value)
    if isinstance(value, tuple | list):
        return type(value)(mapped(v, change) for v in value)
    return value


def arguments_for(name: str, function: Callable[..., Any]) -> tuple[Any, ...] | None:
    """The first arguments that a function takes."""
    short = name.removeprefix("F.")
    for guess in [ARGUMENTS[short]] if short in ARGUMENTS else GUESSES:
        try:
            tt.manual_seed(0)
            if tensors(function(*guess)) or guess in ((A, B), (ROWS, ROWS)):
                return guess
        except Exception:  # whatever it does not like: the next guess
            continue
    return None


def agrees(a: Any, b: Any) -> bool:
    """Whether two results are the same, up to rounding."""
    xs, ys = tensors(a), tensors(b)
    return len(xs) == len(ys) and all(
        x.shape == y.shape and np.allclose(
            x.detach().double().numpy(), y.detach().double().numpy(), rtol=1e-6, atol=1e-9,
            equal_nan=True,
        ) for x, y in zip(xs, ys)
    )  # fmt: skip


def tried(function: Callable[..., Any], arguments: tuple[Any, ...]) -> dict[str, Any]:
    """What works for one function."""
    tt.manual_seed(0)
    eager = function(*arguments)
    found: dict[str, Any] = {"compiled": compiled(function, arguments, eager)}
    found["gradient"], found["second"] = gradients(function, arguments)
    found["dtypes"] = [n for n in DTYPES if takes(function, arguments, getattr(tt, n, None))]
    return found


def compiled(function: Callable[..., Any], arguments: tuple[Any, ...], eager: Any) -> str:
    """yes, or refused (with a TraceError that says what to write), or no."""
    try:
        tt.manual_seed(0)
        flat = tensors(arguments)

        def call(*given: Any) -> Any:
            waiting = iter(given)
            return function(*mapped(arguments, lambda _: next(waiting)))

        return "yes" if agrees(tt.compile(call)(*flat), eager) else "no"
    except TraceError:
        return "refused"
    except Exception:
        return "no"


def gradients(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, bool]:
    """Whether it can be differentiated once, and twice."""
    leaves: list[Any] = []

    def leaf(t: Any) -> Any:
        if t.dtype.is_floating_point:
            t = t.detach().clone().requires_grad_()
            leaves.append(t)
        return t

    try:
        results = [t for t in tensors(function(*mapped(arguments, leaf))) if t.requires_grad]
        if not results or not leaves:
            return False, False
        first = tt.autograd.grad(
            sum((r * r).sum() for r in results), leaves, create_graph=True, allow_unused=True
        )
        total = [(g * g).sum() for g in first if g is not None and g.requires_grad]
        if not total:
            return True, False
        tt.autograd.grad(sum(total), leaves, allow_unused=True)
        return True, True
    except Exception:
        return False, False


def takes(function: Callable[..., Any], arguments: tuple[Any, ...], dtype: Any) -> bool:
    """Whether it takes tensors of a dtype in place of floats."""
    if dtype is None:
        return False
    try:
        function(*mapped(arguments, lambda t: t.to(dtype) if t.dtype.is_floating_point else t))
        return True
    except Exception:
        return False


def main() -> None:
    """Try everything; write the file; say what no arguments were found for."""
    warnings.simplefilter("ignore")
    found, unknown = {}, []
    for name, function in public():
        arguments = arguments_for(name, function)
        if arguments is None:
            unknown.append(name)
            continue
        found[name] = tried(function, arguments)
        print(f"{name:32s} {found[name]['compiled']}", file=sys.stderr)
    OUT.write_text(json.dumps(found, indent=0))
    print("no arguments known for:", ", ".join(unknown) or "none")


if __name__ == "__main__":
    main()
