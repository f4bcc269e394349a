"""Write ext/_sobol_numbers.h from the Joe-Kuo direction numbers that SciPy carries.

python tools/make_sobol_numbers.py [dimensions]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import scipy.stats

HEAD = """\
/* Written by tools/make_sobol_numbers.py; not edited by hand.
 *
 * Primitive polynomials and initial direction numbers of Joe and Kuo, "Constructing Sobol sequences with better
 * two-dimensional projections", 2008. For each dimension: the polynomial with all its coefficients as bits, then as
 * many initial numbers as its degree. Dimension 0, the van der Corput sequence, has neither.
 */
"""


def main(dimensions: int) -> None:
    stored = np.load(Path(scipy.stats.__file__).with_name("_sobol_direction_numbers.npz"))
    words: list[int] = []
    for polynomial, initial in zip(stored["poly"][1:dimensions], stored["vinit"][1:dimensions], strict=True):
        degree = int(polynomial).bit_length() - 1
        words += [int(polynomial), *(int(value) for value in initial[:degree])]
    lines, line = [], "   "
    for word in words:
        if len(line) + len(str(word)) + 2 > 118:
            lines.append(line)
            line = "   "
        line += f" {word},"
    lines.append(line)
    text = f"{HEAD}enum {{ HD_SOBOL_DIMENSIONS = {dimensions} }};\n"
    text += "static const uint16_t sobol_numbers[] = {\n" + "\n".join(lines) + "\n};\n"
    (Path(__file__).parent.parent / "ext" / "_sobol_numbers.h").write_text(text)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1111)
