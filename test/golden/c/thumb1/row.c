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

/* The routine, which is the nonzero weights as code, adds up each channel's products, and stores
 * its output. */
static void row_s8_thumb1(const int8_t *in, int8_t *out)
{
    model_fully_connected_0_routine(in, out, 0);
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,10]
     * thumb1/row, 640 MAC: test */
    case 0:
        row_s8_thumb1(arena + 0x0000, arena + 0x0040);
        break;
    default:
        break;
    }
}
