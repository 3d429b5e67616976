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


/* The value at x of the lines between 513 entries. */
static inline int32_t line_at(int32_t x, const int16_t *table)
{
    const int32_t base = table[256 + (x >> 7)];
    const int32_t slope = (int16_t)(table[257 + (x >> 7)] - base);
    return (int16_t)(base + ((slope * (x & 127) + 64) >> 7));
}

/* A function by straight lines between 513 of its values. `out` may be `in`. */
static void lines_s16(const int16_t *in, int16_t *out)
{
    const int16_t *const table = model_exp_0_table;
    const int32_t count = 40;
    for (int32_t i = 0; i < count; i++)
        out[i] = (int16_t)line_at(in[i], table);
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* exp_0: "exp_0"  s16 [1,40] -> [1,40]
     * portable/lines: test */
    case 0:
        lines_s16((int16_t *)(void *)(arena + 0x0000), (int16_t *)(void *)(arena + 0x0050));
        break;
    default:
        break;
    }
}
