#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"

/* The greatest elements of each row, the greatest first, and their places. Each element is put in
 * order among those found so far, behind equal ones. */
static void topk_s8(const int8_t *restrict in, int8_t *restrict values, int32_t *restrict places)
{
    const int32_t extent = 10, k = 3;
    for (int32_t row = 0; row < 2; row++) {
        for (int32_t i = 0; i < extent; i++) {
            const int8_t x = in[i];
            int32_t place = i < k ? i : k;
            if (place == k && !(x > values[k - 1]))
                continue;
            for (place -= place == k; place > 0 && x > values[place - 1]; place--) {
                values[place] = values[place - 1];
                places[place] = places[place - 1];
            }
            values[place] = x;
            places[place] = i;
        }
        in += extent;
        values += k;
        places += k;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* topk_0: "topk_0"  s8 [2,10] -> [2,3], [2,3]  k 3
     * portable/topk: test */
    case 0:
        topk_s8(arena + 0x0000, arena + 0x0014, (int32_t *)(void *)(arena + 0x001c));
        break;
    default:
        break;
    }
}
