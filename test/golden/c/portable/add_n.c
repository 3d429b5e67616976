#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "multiply_high"
#include "requantize"

/* the sum of all operands, each times 2^19, then in out's scale, saturated: its
 * first one. */
static void add_n_s8_first(const int8_t *in, int8_t *scratch)
{
    int32_t *sums = (int32_t *)(void *)scratch;
    for (int32_t i = 0; i < 8; i++) {
        const int32_t x = in[i] - 3;
        const int32_t sum = x - 3;
        sums[i] = sum;
    }
}

/* the sum of all operands, each times 2^19, then in out's scale, saturated: its
 * next one. */
static void add_n_s8(const int8_t *in, int8_t *scratch)
{
    int32_t *sums = (int32_t *)(void *)scratch;
    for (int32_t i = 0; i < 8; i++) {
        const int32_t x = in[i] - 3;
        const int32_t sum = sums[i] + x;
        sums[i] = sum;
    }
}

/* out = the sum of all operands, each times 2^19, then in out's scale, saturated: its
 * next one. */
static void add_n_s8_last(const int8_t *in, int8_t *out, int8_t *scratch)
{
    int32_t *sums = (int32_t *)(void *)scratch;
    for (int32_t i = 0; i < 8; i++) {
        const int32_t x = in[i] - 3;
        const int32_t sum = sums[i] + x;
        const int32_t y = requantize((int32_t)((uint32_t)sum << 19), 1073741824, -18) + 3;
        out[i] = (int8_t)(y < -128 ? -128 : y > 127 ? 127 : y);
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* add_n_0: "add_n_0"  s8 [8], [8], [8] -> [8]
     * portable/add_n: test */
    case 0:
        add_n_s8_first(arena + 0x0000, arena + 0x0020);
        add_n_s8(arena + 0x0008, arena + 0x0020);
        add_n_s8_last(arena + 0x0010, arena + 0x0018, arena + 0x0020);
        break;
    default:
        break;
    }
}
