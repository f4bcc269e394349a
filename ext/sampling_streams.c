/* Random streams, bit for bit those of NumPy: SeedSequence (O'Neill's seed_seq) and Philox4x64-10 (Salmon et al. 2011).
 *
 * Run i draws from SeedSequence(seed, spawn_key=(i,)). The words of the seed come first in the entropy, so the pool
 * after them is computed once a sweep; a row adds one or two words, makes a key and runs Philox. */
#include "_dispatch.h"
#include "_sampling.h"

#define POOL 4
#define INIT_A 0x43b0d7e5u
#define MULT_A 0x931e8875u
#define INIT_B 0x8b51f9ddu
#define MULT_B 0x58f38dedu
#define MIX_LEFT 0xca01f9ddu
#define MIX_RIGHT 0x4973f715u

HD_INLINE uint32_t hash(uint32_t value, uint32_t *constant)
{
    value ^= *constant;
    *constant *= MULT_A;
    value *= *constant;
    return value ^ (value >> 16);
}

HD_INLINE uint32_t mix(uint32_t x, uint32_t y)
{
    uint32_t result = MIX_LEFT * x - MIX_RIGHT * y;
    return result ^ (result >> 16);
}

/* `words`: the seed in 32-bit words, lowest first. With a spawn key behind them they count as padded to POOL words. */
void hd_seed_init(hd_seed *seed, const uint32_t *words, int64_t count)
{
    uint32_t constant = INIT_A;
    for (int64_t i = 0; i < POOL; i++)
        seed->pool[i] = hash(i < count ? words[i] : 0, &constant);
    for (int source = 0; source < POOL; source++)
        for (int target = 0; target < POOL; target++)
            if (source != target)
                seed->pool[target] = mix(seed->pool[target], hash(seed->pool[source], &constant));
    for (int64_t i = POOL; i < count; i++)
        for (int target = 0; target < POOL; target++)
            seed->pool[target] = mix(seed->pool[target], hash(words[i], &constant));
    seed->hash_constant = constant;
}

/* Philox keys of rows start … start + rows - 1, two words each. */
HD_CLONES void hd_stream_keys(const hd_seed *seed, uint64_t start, int64_t rows, uint64_t *restrict key0,
                              uint64_t *restrict key1)
{
    uint32_t pool0 = seed->pool[0], pool1 = seed->pool[1], pool2 = seed->pool[2], pool3 = seed->pool[3];
    for (int64_t row = 0; row < rows; row++) {
        uint64_t number = start + (uint64_t)row;
        uint32_t low = (uint32_t)number, high = (uint32_t)(number >> 32), constant = seed->hash_constant;
        uint32_t a = mix(pool0, hash(low, &constant)), b = mix(pool1, hash(low, &constant));
        uint32_t c = mix(pool2, hash(low, &constant)), d = mix(pool3, hash(low, &constant));
        /* the number has a second word only where that is not 0 */
        uint32_t a2 = mix(a, hash(high, &constant)), b2 = mix(b, hash(high, &constant));
        uint32_t c2 = mix(c, hash(high, &constant)), d2 = mix(d, hash(high, &constant));
        a = high ? a2 : a;
        b = high ? b2 : b;
        c = high ? c2 : c;
        d = high ? d2 : d;
        uint32_t out = INIT_B;
#define STATE(word) (word ^= out, out *= MULT_B, word *= out, word ^= word >> 16)
        STATE(a);
        STATE(b);
        STATE(c);
        STATE(d);
#undef STATE
        key0[row] = a | (uint64_t)b << 32;
        key1[row] = c | (uint64_t)d << 32;
    }
}

typedef struct {
    uint64_t v[4];
} counter;

HD_INLINE void philox_round(counter *c, uint64_t key0, uint64_t key1)
{
    __uint128_t first = (__uint128_t)0xd2e7470ee14c6c93u * c->v[0];
    __uint128_t second = (__uint128_t)0xca5a826395121157u * c->v[2];
    uint64_t v0 = (uint64_t)(second >> 64) ^ c->v[1] ^ key0, v2 = (uint64_t)(first >> 64) ^ c->v[3] ^ key1;
    c->v[1] = (uint64_t)second;
    c->v[3] = (uint64_t)first;
    c->v[0] = v0;
    c->v[2] = v2;
}

/* Four words of the stream; NumPy raises the counter before it generates, so block b has counter b + 1. */
HD_INLINE counter philox(uint64_t block, uint64_t key0, uint64_t key1)
{
    counter c = {{block + 1, 0, 0, 0}};
#pragma GCC unroll 10
    for (int i = 0; i < 10; i++) {
        philox_round(&c, key0, key1);
        key0 += 0x9e3779b97f4a7c15u;
        key1 += 0xbb67ae8584caa73bu;
    }
    return c;
}

HD_INLINE double unit(uint64_t word) { return (double)(int64_t)(word >> 11) * 0x1p-53; }

void hd_stream_block(const hd_seed *seed, uint64_t start, uint64_t skip, int64_t rows, int64_t columns, double *out,
                     int64_t row_step, int64_t column_step)
{
    uint64_t key0[HD_BLOCK], key1[HD_BLOCK];
    hd_stream_keys(seed, start, rows, key0, key1);
    uint64_t block = skip / 4;
    int lane = (int)(skip % 4);
    /* block by block, rows inside: neighbouring iterations are independent and overlap in the processor */
    for (int64_t column = -lane; column < columns; column += 4, block++) {
        if (column >= 0 && column + 4 <= columns) {
            for (int64_t row = 0; row < rows; row++) {
                counter c = philox(block, key0[row], key1[row]);
                double *at = out + row * row_step + column * column_step;
                at[0] = unit(c.v[0]);
                at[column_step] = unit(c.v[1]);
                at[2 * column_step] = unit(c.v[2]);
                at[3 * column_step] = unit(c.v[3]);
            }
        } else {
            int64_t from = column < 0 ? -column : 0, to = columns - column < 4 ? columns - column : 4;
            for (int64_t row = 0; row < rows; row++) {
                counter c = philox(block, key0[row], key1[row]);
                for (int64_t i = from; i < to; i++)
                    out[row * row_step + (column + i) * column_step] = unit(c.v[i]);
            }
        }
    }
}
