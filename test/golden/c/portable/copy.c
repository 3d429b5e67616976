/* A helper that kernels call: one copy, not inlined, so that its loop has all registers. */
#ifndef BONSAI_SHARED
#ifdef __GNUC__
#define BONSAI_SHARED static __attribute__((noinline))
#else
#define BONSAI_SHARED static
#endif
#endif

/* Moves runs of elements between two row-major tensors, after filling what no run reaches.
 * The runs lie at constant distances. */
static void copy_s8_contiguous_fill(const int8_t *restrict in, int8_t *restrict out)
{
    int32_t from = 0;
    int32_t to = 21;
    memset(out, 3, (size_t)108);
    for (int32_t run = 0; run < 4; run++) {
        memcpy(&out[to], &in[from], (size_t)12);
        from += 12;
        to += 18;
    }
}

/* Moves runs of elements between two row-major tensors.
 * After a run the innermost dimension that has not come to its end takes a step and those inside it
 * start again: a dimension's step also holds the way back of those. */
static void copy_s8_nested_scattered(const int8_t *restrict in, int8_t *restrict out)
{
    int32_t from = 0;
    int32_t to = 0;
    const int32_t count = 6;
    const int32_t in_stride = 18;
    const int32_t out_stride = 3;
    const int32_t *const extents = model_transpose_1_extents;
    const int32_t *const in_steps = model_transpose_1_in_steps;
    const int32_t *const out_steps = model_transpose_1_out_steps;
    int32_t at[6] = { 0 };
    for (int32_t run = 0; run < 18; run++) {
        for (int32_t i = 0; i < count; i++)
            out[to + i * out_stride] = in[from + i * in_stride];
        int32_t d = 0;
        while (++at[d] == extents[d])
            at[d++] = 0;
        from += in_steps[d];
        to += out_steps[d];
    }
}

struct copy_s8_scattered_args {
    uint8_t out_offset;
};

/* Moves runs of elements between two row-major tensors.
 * The runs lie at constant distances. */
static void copy_s8_scattered(const int8_t *restrict in, int8_t *restrict out,
                              const struct copy_s8_scattered_args *restrict args)
{
    int32_t from = 0;
    int32_t to = args->out_offset;
    const int32_t count = 36;
    const int32_t in_stride = 3;
    const int32_t out_stride = 6;
    for (int32_t run = 0; run < 3; run++) {
        for (int32_t i = 0; i < count; i++)
            out[to + i * out_stride] = in[from + i * in_stride];
        from += 1;
        to += 1;
    }
}

static const struct copy_s8_scattered_args model_concatenation_2_0_args BONSAI_FLASH = {
    .out_offset = 0,
};

static const struct copy_s8_scattered_args model_concatenation_2_1_args BONSAI_FLASH = {
    .out_offset = 3,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* pad_0: "pad_0"  s8 [1,4,4,3] -> [1,6,6,3]  pads [0,0,1,1,1,1,0,0]
     * kernel portable/copy (test; 0 MAC); scratch 0 B; arena in 0x0000, out 0x0030 */
    case 0:
        copy_s8_contiguous_fill(arena + 0x0000, arena + 0x0030);
        break;
    /* transpose_1: "transpose_1"  s8 [1,6,6,3] -> [1,6,6,3]  perm [0,2,1,3]
     * kernel portable/copy (test; 0 MAC); scratch 0 B; arena in 0x0030, out 0x009c */
    case 1:
        copy_s8_nested_scattered(arena + 0x0030, arena + 0x009c);
        break;
    /* concatenation_2: "concatenation_2"  s8 [1,6,6,3], [1,6,6,3] -> [1,6,6,6]  axis 3
     * kernel portable/copy (test; 0 MAC); scratch 0 B; arena in 0x009c, 0x0030, out 0x0108 */
    case 2:
        copy_s8_scattered(arena + 0x009c, arena + 0x0108, &model_concatenation_2_0_args);
        copy_s8_scattered(arena + 0x0030, arena + 0x0108, &model_concatenation_2_1_args);
        break;
    default:
        break;
    }
}
