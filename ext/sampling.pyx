"""Random streams, and the way between encoded columns and values, for whole matrices.

The arithmetic is in ``sampling_*.c`` and ``_math.h``; here are the loops over blocks and columns. Callers
(`hdcore.space.encoding`, `hdcore.sampling`) have checked shapes, dtypes and order.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.math cimport NAN


cdef extern from "_sampling.h" nogil:
    enum:
        HD_BLOCK
        HD_LEVELS
    ctypedef struct hd_column:
        int op, single, parent, parent_level
        double a, r, top, q, first, last
        const int32_t *canonical
    ctypedef struct hd_seed:
        pass
    void hd_seed_init(hd_seed *seed, const uint32_t *words, int64_t count)
    void hd_stream_block(const hd_seed *seed, uint64_t start, uint64_t skip, int64_t rows, int64_t columns, double *out,
                         int64_t row_step, int64_t column_step)
    int hd_sobol_dimensions()
    void hd_sobol_directions(int dimensions, uint32_t *out)
    void hd_sobol_block(const uint32_t *directions, const uint64_t *keys, uint64_t start, int64_t rows, int64_t columns,
                        double *out)
    void hd_decode_block(const hd_column *column, const double *u, double *value, int64_t rows)
    void hd_level_block(const hd_column *column, const double *u, int64_t *level, int64_t rows)
    void hd_gather_block(const hd_column *column, const double *u, const uint8_t *table, int64_t size, uint8_t *out,
                         int64_t rows)
    void hd_snap_block(const hd_column *column, double *u, int64_t rows)
    double hd_decode_one(const hd_column *column, double u)
    double hd_encode_one(const hd_column *column, double value)
    void hd_math_block(int which, const double *x, double *y, int64_t n)


ctypedef struct hd_target:
    uint8_t *out
    Py_ssize_t size
    const uint8_t *table


cdef class Streams:
    """The random doubles of all runs of one seed.

    Row i of `fill` is ``Generator(Philox(SeedSequence(seed, spawn_key=(i,)))).random(skip + d)[skip:]``.

    Parameters
    ----------
    words : buffer of uint32, shape (k,), k >= 1
        The seed in 32-bit words, lowest first.
    """

    cdef hd_seed seed

    def __cinit__(self, const uint32_t[::1] words not None):
        hd_seed_init(&self.seed, &words[0], words.shape[0])

    def fill(self, uint64_t start, uint64_t skip, double[:, ::1] out not None):
        """Fill `out`, shape (n, d), with the rows of runs start … start + n - 1."""
        cdef Py_ssize_t n = out.shape[0], d = out.shape[1], at = 0, rows
        if n == 0 or d == 0:
            return
        with nogil:
            while at < n:
                rows = min(n - at, <Py_ssize_t>HD_BLOCK)
                hd_stream_block(&self.seed, start + at, skip, rows, d, &out[at, 0], d, 1)
                at += rows

    def tries(self, uint64_t number, uint64_t skip, double[:, ::1] out not None):
        """Fill `out`, shape (k, d), with consecutive stretches of the stream of one run, from double `skip` on."""
        cdef Py_ssize_t n = out.shape[0] * out.shape[1]
        if n:
            with nogil:
                hd_stream_block(&self.seed, number, skip, 1, n, &out[0, 0], n, 1)


cdef class Sobol:
    """Sobol points of up to `sobol_dimensions` dimensions and 2**32 points.

    Parameters
    ----------
    d : int
        Dimensions.
    keys : buffer of uint64, shape (d,) or (0,)
        One key a dimension for Owen's scrambling; empty: not scrambled.
    """

    cdef Py_ssize_t d
    cdef uint32_t *directions
    cdef uint64_t *keys

    def __cinit__(self, Py_ssize_t d, const uint64_t[::1] keys not None):
        cdef Py_ssize_t j
        if not 0 <= d <= hd_sobol_dimensions():
            raise ValueError(f"{d} dimensions; the table has {hd_sobol_dimensions()}")
        self.d = d
        self.directions = <uint32_t *>malloc((32 * d + 1) * sizeof(uint32_t))
        if self.directions == NULL:
            raise MemoryError("no memory for direction numbers")
        hd_sobol_directions(d, self.directions)
        if keys.shape[0] and keys.shape[0] >= d:
            self.keys = <uint64_t *>malloc(d * sizeof(uint64_t) + 1)
            if self.keys == NULL:
                raise MemoryError("no memory for keys")
            for j in range(d):
                self.keys[j] = keys[j]

    def __dealloc__(self):
        free(self.directions)
        free(self.keys)

    def fill(self, uint64_t start, double[:, ::1] out not None):
        """Fill `out`, shape (n, d), with points start … start + n - 1, which lie below 2**32."""
        cdef Py_ssize_t n = out.shape[0], at = 0, rows
        if n == 0 or self.d == 0:
            return
        with nogil:
            while at < n:
                rows = min(n - at, <Py_ssize_t>HD_BLOCK)
                hd_sobol_block(self.directions, self.keys, start + at, rows, self.d, &out[at, 0])
                at += rows


def sobol_dimensions():
    """Dimensions that the table of direction numbers has."""
    return hd_sobol_dimensions()


cdef class Plan:
    """What the kernels need to know of the columns of a space.

    Parameters
    ----------
    codes : buffer of int32, shape (d, 5)
        Operation (order of the enum in ``_sampling.h``), single, parent, parent level, start of the column's part of
        `canonical` or -1.
    numbers : buffer of float64, shape (d, 6)
        a, r, top, q, first, last.
    canonical : buffer of int32
        Tables level -> first level with the same value, one after the other.
    """

    cdef readonly Py_ssize_t d
    cdef bint nested
    cdef hd_column *columns
    cdef int32_t *tables

    def __cinit__(self, const int32_t[:, ::1] codes not None, const double[:, ::1] numbers not None,
                  const int32_t[::1] canonical not None):
        cdef Py_ssize_t j
        cdef hd_column *column
        self.d = codes.shape[0]
        self.nested = False
        self.columns = <hd_column *>calloc(self.d + 1, sizeof(hd_column))
        self.tables = <int32_t *>malloc((canonical.shape[0] + 1) * sizeof(int32_t))
        if self.columns == NULL or self.tables == NULL:
            raise MemoryError("no memory for the plan of a space")
        for j in range(canonical.shape[0]):
            self.tables[j] = canonical[j]
        for j in range(self.d):
            column = &self.columns[j]
            column.op, column.single = codes[j, 0], codes[j, 1]
            column.parent, column.parent_level = codes[j, 2], codes[j, 3]
            column.canonical = NULL if codes[j, 4] < 0 else self.tables + codes[j, 4]
            column.a, column.r, column.top = numbers[j, 0], numbers[j, 1], numbers[j, 2]
            column.q, column.first, column.last = numbers[j, 3], numbers[j, 4], numbers[j, 5]
            self.nested = self.nested or column.parent >= 0

    def __dealloc__(self):
        free(self.columns)
        free(self.tables)

    def values(self, const double[:, ::1] encoded not None, double[:, ::1] out not None):
        """Decode: values, and levels of choices and randint, into `out`, shape (n, d)."""
        cdef Py_ssize_t n = encoded.shape[0], j, i, at = 0, rows
        cdef double source[HD_BLOCK]
        cdef double target[HD_BLOCK]
        with nogil:
            while at < n:
                rows = min(n - at, <Py_ssize_t>HD_BLOCK)
                for j in range(self.d):
                    for i in range(rows):
                        source[i] = encoded[at + i, j]
                    hd_decode_block(&self.columns[j], source, target, rows)
                    for i in range(rows):
                        out[at + i, j] = target[i]
                at += rows

    def row_values(self, const double[::1] row not None):
        """Decode one row into a list of float."""
        cdef Py_ssize_t j
        return [hd_decode_one(&self.columns[j], row[j]) for j in range(self.d)]

    def encode(self, const double[:, ::1] values not None, double[:, ::1] out not None):
        """Encode values (levels for choices and randint, NaN where inactive) into `out`, shape (n, d)."""
        cdef Py_ssize_t i, j
        with nogil:
            for i in range(values.shape[0]):
                for j in range(self.d):
                    out[i, j] = hd_encode_one(&self.columns[j], values[i, j])

    def snap(self, double[:, ::1] encoded not None):
        """Move encoded rows, shape (n, d), to the points that stand for what they decode to; in place."""
        cdef Py_ssize_t n = encoded.shape[0], at = 0, rows
        if self.d == 0:
            return
        if n == 1:  # takes less time than to hand the interpreter's lock to another thread and back
            self._snap(&encoded[0, 0], 1)
            return
        with nogil:
            while at < n:
                rows = min(n - at, <Py_ssize_t>HD_BLOCK)
                self._snap(&encoded[at, 0], rows)
                at += rows

    def propose(self, Streams streams not None, uint64_t start, double[:, ::1] out not None):
        """Fill `out`, shape (n, d), with the snapped first draws of runs start … start + n - 1."""
        cdef Py_ssize_t n = out.shape[0], at = 0, rows
        if self.d == 0:
            return
        if n == 1:  # as in `snap`
            hd_stream_block(&streams.seed, start, 0, 1, self.d, &out[0, 0], self.d, 1)
            self._snap(&out[0, 0], 1)
            return
        with nogil:
            while at < n:
                rows = min(n - at, <Py_ssize_t>HD_BLOCK)
                hd_stream_block(&streams.seed, start + at, 0, rows, self.d, &out[at, 0], self.d, 1)
                self._snap(&out[at, 0], rows)
                at += rows

    def sample(self, Streams streams not None, uint64_t start, Py_ssize_t n, list outputs not None,
               list tables not None):
        """Draw and decode runs start … start + n - 1 without the detour over the encoded matrix.

        Parameters
        ----------
        outputs : list of d buffers of uint8, shape (n * item size,)
            Memory of the column's values: float64; int64 for levels; items of the table.
        tables : list of d buffers of uint8 or None
            Options of a choice in order of levels; None leaves its levels.
        """
        cdef Py_ssize_t at = 0, rows, j
        cdef uint8_t[::1] output
        cdef const uint8_t[::1] table
        cdef hd_target *targets
        cdef double *drawn
        if n == 0 or self.d == 0:
            return
        targets = <hd_target *>calloc(self.d, sizeof(hd_target))
        drawn = <double *>malloc(self.d * HD_BLOCK * sizeof(double))
        try:
            if targets == NULL or drawn == NULL:
                raise MemoryError("no memory for a block of draws")
            for j in range(self.d):
                output = outputs[j]
                targets[j].out, targets[j].size = &output[0], output.shape[0] // n
                if tables[j] is not None:
                    table = tables[j]
                    targets[j].table = &table[0]
            with nogil:
                while at < n:
                    rows = min(n - at, <Py_ssize_t>HD_BLOCK)
                    hd_stream_block(&streams.seed, start + at, 0, rows, self.d, drawn, 1, HD_BLOCK)
                    for j in range(self.d):
                        self._decode_to(j, &targets[j], drawn + j * HD_BLOCK, at, rows)
                    at += rows
        finally:
            free(targets)
            free(drawn)

    cdef void _decode_to(self, Py_ssize_t j, hd_target *target, double *drawn, Py_ssize_t at,
                         Py_ssize_t rows) noexcept nogil:
        cdef uint8_t *out = target.out + at * target.size
        if target.table != NULL:
            hd_gather_block(&self.columns[j], drawn, target.table, target.size, out, rows)
        elif self.columns[j].op == HD_LEVELS:
            hd_level_block(&self.columns[j], drawn, <int64_t *>out, rows)
        else:
            hd_decode_block(&self.columns[j], drawn, <double *>out, rows)

    cdef void _snap(self, double *encoded, Py_ssize_t rows) noexcept nogil:
        cdef Py_ssize_t i, j
        cdef double column[HD_BLOCK]
        for j in range(self.d):
            for i in range(rows):
                column[i] = encoded[i * self.d + j]
            hd_snap_block(&self.columns[j], column, rows)
            for i in range(rows):
                encoded[i * self.d + j] = column[i]
        if self.nested:
            for i in range(rows):
                self._deactivate(encoded + i * self.d)

    cdef void _deactivate(self, double *row) noexcept nogil:
        """Set NaN where the parent is inactive or has another level; parents stand before their children."""
        cdef Py_ssize_t j
        cdef hd_column *column
        cdef double above
        for j in range(self.d):
            column = &self.columns[j]
            if column.parent >= 0:
                above = row[column.parent]
                if above != above or hd_decode_one(&self.columns[column.parent], above) != column.parent_level:
                    row[j] = NAN


def math(int which, const double[::1] x not None, double[::1] out not None):
    """Apply exp (0), log (1), the normal distribution function (2) or its inverse (3); for tests."""
    if x.shape[0]:
        with nogil:
            hd_math_block(which, &x[0], &out[0], x.shape[0])
