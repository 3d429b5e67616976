#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* How many of the ascending boundaries each element reaches. */
static void bucketize_s32(const float *in, int32_t *out)
{
    const float *const boundaries = model_bucketize_0_boundaries;
    const int32_t count = 10, bounds = 3;
    for (int32_t i = 0; i < count; i++) {
        const float x = (float)in[i];
        int32_t reached = 0;
        while (reached < bounds && !(x < boundaries[reached]))
            reached++;
        out[i] = reached;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* bucketize_0: "bucketize_0"  f32 to s32 [2,5] -> [2,5]  boundaries [-1.5,0,2]
     * portable/bucketize: test */
    case 0:
        bucketize_s32((float *)(void *)(arena + 0x0000), (int32_t *)(void *)(arena + 0x0028));
        break;
    default:
        break;
    }
}
