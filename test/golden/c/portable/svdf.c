#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "state_words"
#include "multiply_high"
#include "requantize"

/* One run of an SVDF layer. Each filter writes the feature of this run over its oldest one, at
 * `place` of its ring, and sums those that it remembers. The weights over time lie twice in a row:
 * from memory - 1 - place on they are in the order of the ring. */
static void svdf_s8(const int8_t *restrict in, int8_t *restrict out, int16_t *restrict ring,
                    int32_t *restrict place)
{
    const int32_t memory = 3;
    const int32_t newest = *place;
    const int8_t *feature = model_svdf_0_features;
    const int16_t *time = model_svdf_0_times + (memory - 1 - newest);
    const int32_t *offset = model_svdf_0_offsets;
    for (int32_t unit = 0; unit < 2; unit++) {
        /* Sums wrap, as those of the runtime do. */
        uint32_t sum = (uint32_t)(model_svdf_0_biases)[unit];
        for (int32_t filter = 0; filter < 2; filter++) {
            int32_t dot = *offset++;
            const int8_t *const end = in + 5;
            for (const int8_t *x = in; x != end; x++)
                dot += *x * *feature++;
            dot = requantize(dot, 1073741824, 1);
            dot = dot < -32768 ? -32768 : dot > 32767 ? 32767 : dot;
            ring[newest] = (int16_t)(dot);
            for (int32_t k = 0; k < memory; k++)
                sum += (uint32_t)(time[k] * ring[k]);
            time += 2 * memory;
            ring += memory;
        }
        const int32_t scaled =
            requantize((int32_t)sum, 1759218560, -12) + 3;
        *out++ = (int8_t)(scaled < -128 ? -128 : scaled > 127 ? 127 : scaled);
    }
    *place = newest + 1 < memory ? newest + 1 : 0;
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* svdf_0: "svdf_0"  s16 to s8 [1,12], [1], [1,5] -> [1,2], [1,12], [1]  rank 2
     * portable/svdf, 32 MAC: test */
    case 0:
        svdf_s8(arena + 0x0000, arena + 0x0008, (int16_t *)(void *)(state + 0x0000),
                (int32_t *)(void *)(state + 0x0018));
        break;
    default:
        break;
    }
}
