/* Run-time choice of the instruction set.
 *
 * HD_CLONES before a function compiles it for x86-64 baseline, -v3 (AVX2) and -v4 (AVX-512) and lets the
 * dynamic linker pick one when the module is loaded. Helpers that such a function calls must be HD_INLINE, or
 * they stay baseline code. Elsewhere (aarch64, musl, compilers without the attribute) the plain flags are used.
 * The build turns FMA contraction off, so every clone computes the same bits.
 */
#ifndef HDCORE_DISPATCH_H
#define HDCORE_DISPATCH_H

#include <stdlib.h> /* defines __GLIBC__ where it is the C library */

#define HD_INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && \
    !defined(HDCORE_DEBUG)
#define HD_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define HD_CLONES
#endif

#endif
