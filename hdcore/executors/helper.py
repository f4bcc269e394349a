"""The spawner's program: ``python -I -S helper.py SHIM FD``.

Run by its path in a bare interpreter, so it may import nothing but the standard library; the compiled module is loaded
from its file for the same reason. A small process forks fast, and this one forks for every run.
"""

import sys
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader

if __name__ == "__main__":
    loader = ExtensionFileLoader("hdcore._native.shim", sys.argv[1])
    spec = spec_from_loader("hdcore._native.shim", loader)
    assert spec is not None
    shim = module_from_spec(spec)
    loader.exec_module(shim)
    shim.serve(int(sys.argv[2]))
