/* The place of constant tables: define it as your compiler's section attribute. Empty: .rodata. */
#ifndef BONSAI_FLASH
#define BONSAI_FLASH
#endif

/* A helper that kernels share: never inlined, so that its loop has all registers. */
#ifndef BONSAI_SHARED
#ifdef __GNUC__
#define BONSAI_SHARED static __attribute__((noinline))
#else
#define BONSAI_SHARED static
#endif
#endif

void model_fully_connected_0_routine(const void *in, void *out, const void *args);

/* An output channel: weights are multiplied by 2^scale, sums begin at `start`; those above zero are
 * raised by `lift`, and `zero` is the index of the zero point. */
struct high_stage_lifted {
    int32_t start, multiplier, first, last, scale, shift, lift, zero;
};

static inline struct high_stage_lifted read_stage_lifted(const int32_t *stage)
{
    return (struct high_stage_lifted){
        .start = stage[0], .multiplier = stage[1], .first = (int8_t)stage[2],
        .last = stage[2] >> 8 & 255, .scale = stage[2] >> 16 & 255, .shift = stage[2] >> 24,
        .lift = stage[3], .zero = stage[4],
    };
}

/* The output of a scaled sum: the upper half of a product, shifted, counts outputs from the
 * first. */
static inline int8_t high_output_lifted(int32_t sum, const struct high_stage_lifted *stage)
{
    if (sum >= 0)
        sum += stage->lift;
    int32_t index = (int32_t)((int64_t)sum * stage->multiplier >> 32) >> stage->shift;
    index += stage->zero;
    if ((uint32_t)index > (uint32_t)stage->last)
        index = index < 0 ? 0 : stage->last;
    return (int8_t)(index + stage->first);
}

/* The output of a sum; moves on to the next channel's constants. */
static inline int8_t sum_output_lifted(uint32_t sum, const int32_t **constants)
{
    const struct high_stage_lifted stage = read_stage_lifted(*constants);
    *constants += 5;
    return high_output_lifted((int32_t)((uint32_t)stage.start + (sum << stage.scale)), &stage);
}

/* The routine, which is the nonzero weights as code, adds up each channel's products. */
static void row_s8_rv32(const int8_t *in, int8_t *out)
{
    const int32_t channels = 10;
    const int32_t *constants = (const int32_t *)model_fully_connected_0_stage;
    int32_t sums[72];

    model_fully_connected_0_routine(in, sums, 0);
    for (int32_t i = 0; i < channels; i++)
        *out++ = sum_output_lifted((uint32_t)sums[i], &constants);
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,10]
     * rv32/row, 640 MAC: test */
    case 0:
        row_s8_rv32(arena + 0x0000, arena + 0x0040);
        break;
    default:
        break;
    }
}
