/* Sobol points, with Owen's nested uniform scrambling.
 *
 * Point i is the one with Gray code i ^ (i >> 1), the order in which others (SciPy) give them. Scrambling flips
 * digit l of a coordinate by a random bit that belongs to the l digits before it: a node of a binary tree, numbered as in
 * a heap, whose bit is a keyed hash of that number (Owen 1995; hashing instead of a stored tree: Burley 2020). */
#include <stdint.h>

#include "_dispatch.h"
#include "_sampling.h"
#include "_sobol_numbers.h"

enum { DIGITS = 32 };

int hd_sobol_dimensions(void) { return HD_SOBOL_DIMENSIONS; }

/* Direction numbers of the first `dimensions` dimensions, DIGITS each, the first with the highest bit. */
void hd_sobol_directions(int dimensions, uint32_t *out)
{
    const uint16_t *at = sobol_numbers;
    for (int dimension = 0; dimension < dimensions; dimension++, out += DIGITS) {
        if (dimension == 0) {
            for (int j = 0; j < DIGITS; j++)
                out[j] = (uint32_t)1 << (DIGITS - 1 - j);
            continue;
        }
        uint32_t polynomial = *at++;
        int degree = 31 - __builtin_clz(polynomial);
        for (int j = 0; j < DIGITS; j++) {
            if (j < degree) {
                out[j] = (uint32_t)*at++ << (DIGITS - 1 - j);
                continue;
            }
            /* m_j = 2 a_1 m_(j-1) ^ … ^ 2^degree m_(j-degree) ^ m_(j-degree), on numbers shifted to the top */
            uint32_t v = out[j - degree] ^ (out[j - degree] >> degree);
            for (int k = 1; k < degree; k++)
                if (polynomial >> (degree - k) & 1)
                    v ^= out[j - k];
            out[j] = v;
        }
    }
}

HD_INLINE uint32_t node_hash(uint32_t node, uint32_t low, uint32_t high)
{
    uint32_t h = node ^ low;
    h = (h ^ h >> 16) * 0x7feb352du;
    h = (h ^ h >> 15) * 0x846ca68bu;
    h = (h ^ h >> 16) + high;
    h = (h ^ h >> 17) * 0xed5ad4bbu;
    h = (h ^ h >> 11) * 0xac4c1b51u;
    return h ^ h >> 15;
}

HD_CLONES void hd_sobol_scramble(uint64_t key, const uint32_t *restrict points, double *restrict out, int64_t rows)
{
    uint32_t low = (uint32_t)key, high = (uint32_t)(key >> 32), flips[HD_BLOCK];
    for (int64_t row = 0; row < rows; row++)
        flips[row] = node_hash(1, low, high) & 0x80000000u;
    for (int digit = 1; digit < DIGITS; digit++)
        for (int64_t row = 0; row < rows; row++) {
            uint32_t node = points[row] >> (DIGITS - digit) | (uint32_t)1 << digit;
            flips[row] |= (node_hash(node, low, high) & 0x80000000u) >> digit;
        }
    for (int64_t row = 0; row < rows; row++) {
        /* digits below the last of the sequence: nodes of their own, so plain random bits of the whole coordinate */
        uint32_t rest = node_hash(points[row], ~low, high + 0x9e3779b9u) >> 11;
        uint32_t digits = points[row] ^ flips[row];
        /* signed halves convert to double in every instruction set */
        out[row] = (double)(int32_t)(digits >> 1) * 0x1p-31 + (double)(int32_t)((digits & 1) << 21 | rest) * 0x1p-53;
    }
}

void hd_sobol_block(const uint32_t *directions, const uint64_t *keys, uint64_t start, int64_t rows, int64_t columns,
                    double *out)
{
    uint32_t points[HD_BLOCK];
    double scrambled[HD_BLOCK];
    for (int64_t column = 0; column < columns; column++, directions += DIGITS) {
        uint64_t gray = start ^ start >> 1;
        uint32_t x = 0;
        for (int j = 0; j < DIGITS; j++)
            if (gray >> j & 1)
                x ^= directions[j];
        for (int64_t row = 0; row < rows; row++) {
            points[row] = x;
            x ^= directions[__builtin_ctzll(start + (uint64_t)row + 1) & (DIGITS - 1)];
        }
        if (keys)
            hd_sobol_scramble(keys[column], points, scrambled, rows);
        for (int64_t row = 0; row < rows; row++)
            out[row * columns + column] = keys ? scrambled[row] : points[row] * 0x1p-32;
    }
}
