"""The kernels' exp, log, normal distribution function and its inverse against mpmath."""

from __future__ import annotations

import ctypes
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from hdcore._native import sampling as _native

EXP, LOG, CDF, INVERSE = range(4)


def apply(which: int, x: Any) -> Any:
    x = np.ascontiguousarray(x, dtype=np.float64)
    out = np.empty_like(x)
    _native.math(which, x, out)
    return out


def inverse(p: mp.mpf) -> mp.mpf:
    return mp.sqrt(2) * mp.erfinv(2 * p - 1)


def wide(which: int) -> Any:
    generator = np.random.default_rng(which)
    return {
        EXP: np.concatenate([generator.uniform(-708, 709, 1500), generator.uniform(-2, 2, 1500)]),
        LOG: np.concatenate([np.exp(generator.uniform(-700, 700, 1500)), generator.uniform(0.4, 2.5, 1500)]),
        CDF: np.concatenate([generator.uniform(-37, 0, 800), generator.uniform(-3, 8, 800)]),
        INVERSE: np.concatenate([generator.uniform(0, 1, 600), 10 ** generator.uniform(-16, -1, 300)]),
    }[which]


@pytest.mark.parametrize(
    ("which", "oracle", "most"), [(EXP, mp.exp, 1.0), (LOG, mp.log, 1.0), (CDF, mp.ncdf, 5.0), (INVERSE, inverse, 6.0)]
)
def test_errors_stay_within_the_stated_ulps(which: int, oracle: Callable[[Any], Any], most: float) -> None:
    x = wide(which)
    with mp.workprec(200):
        for at, found in zip(x.tolist(), apply(which, x).tolist(), strict=True):
            true = oracle(mp.mpf(at))
            assert abs(mp.mpf(found) - true) <= most * float(np.spacing(abs(float(true)))), at


@pytest.mark.parametrize("which", [EXP, LOG, CDF, INVERSE])
def test_results_do_not_depend_on_the_place_in_a_vector(which: int) -> None:
    x = wide(which)[:203]
    single = np.array([apply(which, x[i : i + 1])[0] for i in range(len(x))])
    np.testing.assert_array_equal(apply(which, x), single)


def test_ends_and_exceptions() -> None:
    inf, nan = np.inf, np.nan
    np.testing.assert_array_equal(apply(EXP, [0, 710, 1e300, inf, -746, -inf, nan]), [1, inf, inf, inf, 0, 0, nan])
    np.testing.assert_array_equal(apply(LOG, [1, 0, inf, -1, nan]), [0, -inf, inf, nan, nan])
    np.testing.assert_array_equal(apply(INVERSE, [0.5, 0, 1, nan]), [0, -inf, inf, nan])
    np.testing.assert_array_equal(apply(CDF, [0, inf, -inf, nan]), [0.5, 1, 0, nan])
    np.testing.assert_allclose(apply(EXP, [-740]), np.exp([-740]), atol=5e-324)
    np.testing.assert_allclose(apply(LOG, [5e-324, 1e-310]), np.log([5e-324, 1e-310]), rtol=1e-15)


def instruction_sets() -> list[str]:
    """Levels of x86-64 that this processor runs; elsewhere the compiler's default alone."""
    if platform.machine() != "x86_64":
        return []
    flags = set(Path("/proc/cpuinfo").read_text().split())
    needed: dict[str, set[str]] = {
        "x86-64": set(),
        "x86-64-v3": {"avx2", "fma", "bmi2"},
        "x86-64-v4": {"avx512f", "avx512dq", "avx512vl"},
    }
    return [level for level, words in needed.items() if words <= flags]


def test_all_instruction_sets_give_the_same_bits(tmp_path: Path) -> None:
    """The kernel file, built apart for each level with the flags of setup.py, against the module."""
    ext = Path(__file__).parents[2] / "ext"
    flags = ["-std=gnu11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-DHDCORE_DEBUG"]
    for level in instruction_sets():
        library = tmp_path / f"{level}.so"
        source = [f"-I{ext}", str(ext / "sampling_kernels.c"), "-lm", "-shared", "-fPIC", "-o", str(library)]
        subprocess.run(["cc", *flags, f"-march={level}", *source], check=True)
        function = ctypes.CDLL(str(library)).hd_math_block
        for which in (EXP, LOG, CDF, INVERSE):
            x = wide(which)
            out = np.empty_like(x)
            pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (x, out)]
            function(which, *pointers, ctypes.c_int64(x.size))
            np.testing.assert_array_equal(out, apply(which, x))
