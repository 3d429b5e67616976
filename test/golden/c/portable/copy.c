#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "BONSAI_INLINE"

/* An address that is a multiple of n, so that memcpy of a fixed length needs no call. */
#ifndef BONSAI_ALIGNED
#ifdef __GNUC__
#define BONSAI_ALIGNED(p, n) __builtin_assume_aligned((p), (n))
#else
#define BONSAI_ALIGNED(p, n) (p)
#endif
#endif

/* Copies 1 * 4 bytes; both addresses are multiples of 4. */
BONSAI_INLINE void copy_words_1(int8_t *to, const int8_t *from)
{
    memcpy(BONSAI_ALIGNED(to, 4), BONSAI_ALIGNED(from, 4), 4);
}

/* Copies runs of elements between two row-major tensors, after filling the elements
 * that no run reaches.
 * The runs lie at constant distances. */
static void copy_s8_fill_quads(const int8_t *restrict in, int8_t *restrict out)
{
    int32_t from = 0;
    int32_t to = 21;
    const int32_t count = 4;
    const int32_t in_stride = 12, out_stride = 18;
    memset(out, 3, (size_t)108);
    for (int32_t run = 0; run < 3; run++) {
        for (int32_t left = count, x = from, y = to; left > 0; left--) {
            out[y] = in[x];
            out[y + 1] = in[x + 1];
            out[y + 2] = in[x + 2];
            out[y + 3] = in[x + 3];
            x += in_stride;
            y += out_stride;
        }
        from += 4;
        to += 4;
    }
}

struct copy_s8_triples_args {
    uint8_t out_offset;
    uint8_t runs;
    uint8_t count;
    uint8_t in_stride;
    uint8_t out_stride;
    uint8_t in_step;
    uint8_t out_step;
};

/* Copies runs of elements between two row-major tensors.
 * The runs lie at constant distances. */
static void copy_s8_triples(const int8_t *restrict in, int8_t *restrict out,
                            const struct copy_s8_triples_args *restrict args)
{
    int32_t from = 0;
    int32_t to = args->out_offset;
    const int32_t count = args->count;
    const int32_t in_stride = args->in_stride, out_stride = args->out_stride;
    for (int32_t run = 0; run < args->runs; run++) {
        for (int32_t left = count, x = from, y = to; left > 0; left--) {
            out[y] = in[x];
            out[y + 1] = in[x + 1];
            out[y + 2] = in[x + 2];
            x += in_stride;
            y += out_stride;
        }
        from += args->in_step;
        to += args->out_step;
    }
}

struct copy_s8_words_args {
    uint8_t out_offset;
};

/* Copies runs of elements between two row-major tensors.
 * The runs lie at constant distances. */
static void copy_s8_words(const int8_t *restrict in, int8_t *restrict out,
                          const struct copy_s8_words_args *restrict args)
{
    int32_t from = 0;
    int32_t to = args->out_offset;
    const int32_t count = 36;
    const int32_t in_stride = 4, out_stride = 8;
    for (int32_t run = 0; run < 1; run++) {
        for (int32_t left = count, x = from, y = to; left > 0; left--) {
            copy_words_1(&out[y], &in[x]);
            x += in_stride;
            y += out_stride;
        }
        from += 0;
        to += 0;
    }
}

static const struct copy_s8_triples_args model_transpose_1_args BONSAI_FLASH = {
    .out_offset = 0, .runs = 6, .count = 6, .in_stride = 18, .out_stride = 3, .in_step = 3,
    .out_step = 18,
};

static const struct copy_s8_triples_args model_concatenation_2_0_args BONSAI_FLASH = {
    .out_offset = 0, .runs = 1, .count = 36, .in_stride = 3, .out_stride = 6, .in_step = 0,
    .out_step = 0,
};

static const struct copy_s8_triples_args model_concatenation_2_1_args BONSAI_FLASH = {
    .out_offset = 3, .runs = 1, .count = 36, .in_stride = 3, .out_stride = 6, .in_step = 0,
    .out_step = 0,
};

static const struct copy_s8_words_args model_concatenation_3_0_args BONSAI_FLASH = {
    .out_offset = 0,
};

static const struct copy_s8_words_args model_concatenation_3_1_args BONSAI_FLASH = {
    .out_offset = 4,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* pad_0: "pad_0"  s8 [1,4,4,3] -> [1,6,6,3]  pads [0,0,1,1,1,1,0,0]
     * portable/copy: test */
    case 0:
        copy_s8_fill_quads(arena + 0x0000, arena + 0x00c0);
        break;
    /* transpose_1: "transpose_1"  s8 [1,6,6,3] -> [1,6,6,3]  perm [0,2,1,3]
     * portable/copy: test */
    case 1:
        copy_s8_triples(arena + 0x00c0, arena + 0x012c, &model_transpose_1_args);
        break;
    /* concatenation_2: "concatenation_2"  s8 [1,6,6,3], [1,6,6,3] -> [1,6,6,6]  axis 3
     * portable/copy: test */
    case 2:
        copy_s8_triples(arena + 0x012c, arena + 0x0198, &model_concatenation_2_0_args);
        copy_s8_triples(arena + 0x00c0, arena + 0x0198, &model_concatenation_2_1_args);
        break;
    /* concatenation_3: "concatenation_3"  s8 [1,6,6,4], [1,6,6,4] -> [1,6,6,8]  axis 3
     * portable/copy: test */
    case 3:
        copy_s8_words(arena + 0x0030, arena + 0x0270, &model_concatenation_3_0_args);
        copy_s8_words(arena + 0x0030, arena + 0x0270, &model_concatenation_3_1_args);
        break;
    default:
        break;
    }
}
