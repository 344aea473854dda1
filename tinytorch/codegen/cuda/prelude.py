"""Device functions that emitted CUDA text calls: mathematics, random bits, block reductions.

Each is a few lines of numba.cuda Python, printed into every text that uses it, so that the text
stands alone. NaN and ties behave as in the CPU's prelude; accuracy is that of CUDA's libdevice.

``{T}`` in a body stands for the numpy type of the operands; such a function is printed once a
dtype, under a name that ends in the dtype's short name. ``{name}`` is the function's own name.
"""

from __future__ import annotations

import re

from tinytorch.ir.types import DType

LANES = 16
"""Threads that still add in the second half of a block reduction; blocks are multiples of it."""

BLOCK_Z = 65_535
"""The most blocks CUDA launches along the second and third axis of a grid."""

_CALL = re.compile(r"\b([a-z_][a-z_0-9]*)\(")

_ANY = {
    "select": "def {name}(test, chosen, otherwise):\n    return chosen if test else otherwise",
    "maximum": "def {name}(a, b):\n    return a if (a > b or a != a) else b",
    "minimum": "def {name}(a, b):\n    return a if (a < b or a != a) else b",
    "max_step": "def {name}(best, x):\n    return maximum(best, x)",
    "min_step": "def {name}(best, x):\n    return minimum(best, x)",
    "sum_step": "def {name}(total, x):\n    return total + x",
    "relu": "def {name}(x):\n    return {T}(0) if x < 0 else x",
    "sign": "def {name}(x):\n    return {T}(int(x > 0) - int(x < 0))",
    "isnan": "def {name}(x):\n    return x != x",
    "isinf": "def {name}(x):\n    return abs(x) == {T}(np.inf)",
    "isfinite": "def {name}(x):\n    return abs(x) < {T}(np.inf)",
    "random_bits": '''\
def {name}(seed, counter):
    # Philox 4x32-10, word 0 of the block ``counter`` under the key ``seed``.
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    a, b = np.uint64(counter) & low, np.uint64(counter) >> half
    c, d = np.uint64(0), np.uint64(0)
    k0, k1 = np.uint64(seed) & low, np.uint64(seed) >> half
    for _ in range(10):
        left, right = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, b = (right >> half) ^ b ^ k0, right & low
        c, d = (left >> half) ^ d ^ k1, left & low
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & low, (k1 + np.uint64(0xBB67AE85)) & low
    return np.int64(a)''',
}

_FLOAT = {
    **{
        name: f"def {{name}}(x):\n    return {{T}}({module}.{spelled}(x))"
        for module, name, spelled in (
            ("math", "exp", "exp"), ("math", "expm1", "expm1"), ("np", "log", "log"),
            ("math", "log1p", "log1p"), ("np", "log2", "log2"), ("math", "sqrt", "sqrt"),
            ("np", "sin", "sin"), ("np", "cos", "cos"), ("np", "tan", "tan"),
            ("np", "asin", "arcsin"), ("np", "acos", "arccos"), ("np", "atan", "arctan"),
            ("np", "sinh", "sinh"), ("np", "cosh", "cosh"), ("np", "tanh", "tanh"),
            ("math", "erf", "erf"), ("math", "erfc", "erfc"), ("np", "asinh", "arcsinh"),
            ("np", "acosh", "arccosh"), ("np", "atanh", "arctanh"), ("np", "log10", "log10"),
        )
    },
    "round_float16": "def {name}(x):\n    return np.float32(np.float16(x))",
    "round_bfloat16": """\
def {name}(x):
    return bfloat16_to_float(float_to_bfloat16(x))""",
    "float_to_bfloat16": """\
def {name}(x):
    # The nearest by its high bits, halves to even; a NaN stays one.
    bits = np.float32(x).view(np.uint32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    nearest = bits + (odd + np.uint32(0x7FFF)) if x == x else bits | np.uint32(0x400000)
    return np.uint16(nearest >> np.uint32(16))""",
    "bfloat16_to_float": """\
def {name}(bits):
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)""",
    "to_int32": """\
def {name}(x):
    # C leaves open what becomes of numbers that do not fit.
    cut = np.float64(math.trunc(x)) if abs(x) < 2147483649.0 else -2147483648.0
    return np.int32(cut) if -2147483648.0 <= cut < 2147483648.0 else np.int32(-2147483648)""",
    "to_int64": """\
def {name}(x):
    # C leaves open what becomes of numbers that do not fit.
    fits = abs(x) < 9223372036854775808.0
    return np.int64(x) if fits else np.int64(-9223372036854775808)""",
    "fabs": "def {name}(x):\n    return abs(x)",
    "atan2": "def {name}(y, x):\n    return {T}(np.arctan2(y, x))",
    "hypot": "def {name}(a, b):\n    return {T}(np.hypot(a, b))",
    "copysign": "def {name}(magnitude, sign):\n    return {T}(math.copysign(magnitude, sign))",
    "fma": "def {name}(a, b, c):\n    return {T}(cuda.fma(a, b, c))",
    "pow": "def {name}(a, b):\n    return {T}(math.pow(a, b))",
    "rsqrt": "def {name}(x):\n    return {T}(1) / {T}(math.sqrt(x))",
    "exp2": "def {name}(x):\n    return {T}(math.pow({T}(2), x))",
    "sigmoid": """\
def {name}(x):
    e = {T}(math.exp(-abs(x)))
    top = {T}(1) if x >= 0 else e
    return top / ({T}(1) + e)""",
    "floor": """\
def {name}(x):
    return {T}(math.floor(x)) if abs(x) < {T}(WHOLE) else x""",
    "ceil": """\
def {name}(x):
    return {T}(math.ceil(x)) if abs(x) < {T}(WHOLE) else x""",
    "trunc": """\
def {name}(x):
    down = floor(abs(x))
    return {T}(math.copysign(down, x))""",
    "round_even": """\
def {name}(x):
    # Beyond WHOLE every float is whole; adding it rounds, halves to even.
    size = abs(x)
    rounded = (size + {T}(WHOLE)) - {T}(WHOLE)
    return {T}(math.copysign(rounded, x)) if size < {T}(WHOLE) else x""",
    "fmod": """\
def {name}(a, b):
    # Python's fmod raises where C's is NaN.
    return {T}(math.fmod(a, b)) if b != 0 and abs(a) < {T}(np.inf) else {T}(np.nan)""",
    "erfinv": """\
def {name}(x):
    size = abs(x)
    if not size < {T}(1.0):
        return {T}(math.copysign({T}(np.inf), x)) if size == {T}(1.0) else {T}(np.nan)
    # Giles's approximation for single precision, then Halley's method.
    w = -{T}(math.log(({T}(1.0) - size) * ({T}(1.0) + size)))
    if w < {T}(5.0):
        w = w - {T}(2.5)
        y = {T}(2.81022636e-08)
        y = {T}(3.43273939e-07) + y * w
        y = {T}(-3.5233877e-06) + y * w
        y = {T}(-4.39150654e-06) + y * w
        y = {T}(0.00021858087) + y * w
        y = {T}(-0.00125372503) + y * w
        y = {T}(-0.00417768164) + y * w
        y = {T}(0.246640727) + y * w
        y = {T}(1.50140941) + y * w
    else:
        w = {T}(math.sqrt(w)) - {T}(3.0)
        y = {T}(-0.000200214257)
        y = {T}(0.000100950558) + y * w
        y = {T}(0.00134934322) + y * w
        y = {T}(-0.00367342844) + y * w
        y = {T}(0.00573950773) + y * w
        y = {T}(-0.0076224613) + y * w
        y = {T}(0.00943887047) + y * w
        y = {T}(1.00167406) + y * w
        y = {T}(2.83297682) + y * w
    y = y * size
    for _ in range(3):
        if size > {T}(0.5):
            excess = ({T}(1.0) - size) - {T}(math.erfc(y))
        else:
            excess = {T}(math.erf(y)) - size
        step = excess * {T}(math.exp(y * y)) * {T}(0.886226925452758)
        y = y - step / ({T}(1.0) + y * step)
    return {T}(math.copysign(y, x))""",
    "remainder": """\
def {name}(a, b):
    rest = fmod(a, b)
    return rest + b if rest != 0 and (rest < 0) != (b < 0) else rest""",
    "floor_divide": """\
def {name}(a, b):
    # The exact remainder goes off first, so that 1.0 // 0.1 is 9.
    ratio = a / b
    if b == 0:
        return ratio
    rest = fmod(a, b)
    quotient = (a - rest) / b
    if rest != 0 and (b < 0) != (rest < 0):
        quotient = quotient - {T}(1)
    if quotient == 0:
        return {T}(math.copysign({T}(0), ratio))
    down = floor(quotient)
    return down + {T}(1) if quotient - down > {T}(0.5) else down""",
}

_INTEGER = {
    "fabs": "def {name}(x):\n    return -x if x < 0 else x",
    **dict.fromkeys(("floor", "ceil", "trunc", "round_even"), "def {name}(x):\n    return x"),
    "isnan": "def {name}(x):\n    return False",
    "isinf": "def {name}(x):\n    return False",
    "isfinite": "def {name}(x):\n    return True",
    "pow": """\
def {name}(base, exponent):
    value, square, left = {T}(1), base, np.uint64(exponent)
    if exponent < 0:  # rounded towards zero
        sign = base if exponent & {T}(1) else {T}(1)
        return sign if base == {T}(1) or base == {T}(-1) else {T}(0)
    while left != np.uint64(0):
        if left & np.uint64(1):
            value = {T}(value * square)
        square = {T}(square * square)
        left = left >> np.uint64(1)
    return value""",
    "floor_divide": """\
def {name}(a, b):
    return {T}(a // b) if b != 0 else {T}(0)""",
    "remainder": """\
def {name}(a, b):
    return {T}(a % b) if b != 0 else {T}(0)""",
    "shift_left": """\
def {name}(x, places):
    return {T}(x << places) if 0 <= places < BITS else {T}(0)""",
    "shift_right": """\
def {name}(x, places):
    return {T}(x >> places) if 0 <= places < BITS else {T}(-1 if x < 0 else 0)""",
    "fmod": """\
def {name}(a, b):
    rest = a % b if b != 0 else 0
    return {T}(rest - b if rest != 0 and (a < 0) != (b < 0) else rest)""",
}

_BOOL = {
    "maximum": "def {name}(a, b):\n    return a or b",
    "minimum": "def {name}(a, b):\n    return a and b",
    "relu": "def {name}(x):\n    return x",
}

_BLOCK = """\
def {name}(value, shared):
    # Every thread gives a value and gets the combination of all, in an order fixed by the block.
    thread = cuda.threadIdx.x
    shared[thread] = value
    cuda.syncthreads()
    total = shared[thread]
    if thread < 16:
        for other in range(thread + 16, cuda.blockDim.x, 16):
            total = COMBINE(total, shared[other])
        shared[thread] = total
    cuda.syncthreads()
    total = shared[0]
    for other in range(1, 16):
        total = COMBINE(total, shared[other])
    cuda.syncthreads()
    return total"""

_BETTER = """\
def {name}(a, i, b, j):
    # Whether b at position j goes before a at i: NaN wins, then the value, then the place.
    if a != a:
        return b != b and j < i
    return b != b or b SIGN a or (b == a and j < i)"""

_BLOCK_POSITION = """\
def {name}(value, position, shared, places):
    # As the other block reductions, for the first place of the best value.
    thread = cuda.threadIdx.x
    shared[thread] = value
    places[thread] = position
    cuda.syncthreads()
    if thread < 16:
        for other in range(thread + 16, cuda.blockDim.x, 16):
            if BETTER(shared[thread], places[thread], shared[other], places[other]):
                shared[thread] = shared[other]
                places[thread] = places[other]
    cuda.syncthreads()
    best = 0
    for other in range(1, 16):
        if BETTER(shared[best], places[best], shared[other], places[other]):
            best = other
    value, position = shared[best], places[best]
    cuda.syncthreads()
    return value, position"""

_REDUCTIONS = {
    "either": "def {name}(a, b):\n    return a or b",
    "block_any": _BLOCK.replace("COMBINE", "either"),
    "block_sum": _BLOCK.replace("COMBINE", "sum_step"),
    "block_max": _BLOCK.replace("COMBINE", "maximum"),
    "block_min": _BLOCK.replace("COMBINE", "minimum"),
    "above": _BETTER.replace("SIGN", ">"),
    "below": _BETTER.replace("SIGN", "<"),
    "block_argmax": _BLOCK_POSITION.replace("BETTER", "above"),
    "block_argmin": _BLOCK_POSITION.replace("BETTER", "below"),
}

_WHOLE = {"float32": "8388608.0", "float64": "4503599627370496.0"}
_FIXED = {"random_bits"}
BUILTIN = frozenset({"abs", "min", "max", "bool", "int", "range"})


def _body(name: str, dtype: DType) -> str:
    tables = [_REDUCTIONS, _ANY]
    tables.insert(0, {"f": _FLOAT, "i": _INTEGER, "b": _BOOL}[dtype.kind])
    for table in tables:
        if name in table:
            return table[name]
    raise KeyError(f"no CUDA device function {name!r} for {dtype.name}")


class DeviceFunctions:
    """The functions that one text needs, in order of definition."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def spelled(self, name: str, dtype: DType) -> str:
        """Return what a function on operands of a dtype is called; add it and all it calls.

        Raise KeyError for a function that the device lacks.
        """
        if name in _FIXED:
            own = name
        else:
            own = f"{name}_{dtype.short if dtype.compute == dtype.storage else 'f32'}"
        if own in self.texts:
            return own
        body = _body(name, dtype).replace("{name}", own)
        body = body.replace("BITS", str(dtype.bits))
        body = body.replace("WHOLE", _WHOLE.get(dtype.compute, ""))
        head, rest = body.split("\n", 1)
        rest = rest.replace("{T}", f"np.{dtype.compute}")
        for called in sorted(set(_CALL.findall(rest)) - BUILTIN):
            if re.search(rf"(?<![.\w]){called}\(", rest):
                rest = re.sub(rf"(?<![.\w]){called}\(", f"{self.spelled(called, dtype)}(", rest)
        self.texts[own] = f"@cuda.jit(device=True)\n{head}\n{rest}"
        return own

    def lines(self) -> list[str]:
        """All functions as lines of text, two blank lines between them."""
        found: list[str] = []
        for text in self.texts.values():
            found += [*text.split("\n"), "", ""]
        return found
