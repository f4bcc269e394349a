"""Build the native kernels (``ext/*.pyx`` -> ``hdcore._native.*``) and map ``bindings/``.

Everything that does not depend on compiling stands in pyproject.toml.

``HDCORE_DEBUG=1`` builds with bounds checks, wraparound and the annotate report; the directives live here
only, because a directive at the top of a .pyx would beat the debug build.
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup

DEBUG = os.environ.get("HDCORE_DEBUG", "") not in ("", "0")
# No -march: kernels pick x86-64 v1/v3/v4 at run time (ext/_dispatch.h). No -ffast-math: NaN means "not
# reported". No contraction to FMA: the same seed gives the same bits on every processor.
FLAGS = ["-g0", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"]
FLAGS += ["-O1", "-DHDCORE_DEBUG"] if DEBUG else ["-O3"]
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": DEBUG,
    "initializedcheck": DEBUG,
    "cdivision": not DEBUG,
    "freethreading_compatible": True,
}


# The Gaussian process never promises equal bits between processors, and without FMA it takes half as long again.
EXTRA = {stem: ["-ffp-contract=fast", "-fopenmp-simd"] for stem in ("gp", "acquisition")}


def extension(pyx: Path) -> Extension:
    """One extension a .pyx; a ``<stem>_*.c`` beside it joins its sources."""
    sources = [pyx, *sorted(pyx.parent.glob(f"{pyx.stem}_*.c"))]
    return Extension(
        f"hdcore._native.{pyx.stem}",
        [source.as_posix() for source in sources],
        include_dirs=["ext"],
        depends=[header.as_posix() for header in sorted(pyx.parent.glob("_*.h"))],
        extra_compile_args=FLAGS + EXTRA.get(pyx.stem, []),
    )


setup(
    # The link hdcore/bindings -> ../bindings serves a checkout (PYTHONPATH, mypy); what is installed comes from here.
    packages=[
        *find_packages(include=["hdcore", "hdcore.*"], exclude=["hdcore.bindings", "hdcore.bindings.*"]),
        *(f"hdcore.{package}" for package in find_packages(include=["bindings", "bindings.*"])),
        "hydra_plugins",  # Hydra's namespace: it has no __init__.py, and Hydra finds our sweeper in it
    ],
    package_dir={"hdcore.bindings": "bindings"},
    package_data={
        "hdcore": [
            "py.typed",
            "store/*.sql",
            "ui/static/*",
            "ui/static/vendor/*",
            "standins_mlflow/**/*.py",  # no package of ours: a folder on the path of trials
            "standins_mlflow/*.dist-info/*",
            "pages/*.js",
        ],
        "hdcore.standins": ["trial/**/*.py", "driver/**/*.py"],  # packages of other names than their place says
        "hdcore._native": ["*.pyi"],
    },
    ext_modules=cythonize(
        [extension(pyx) for pyx in sorted(Path("ext").glob("*.pyx"))],
        include_path=["ext"],
        build_dir="build/cython",
        annotate=DEBUG,
        compiler_directives=DIRECTIVES,
    ),
)
