#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

struct lookup_s8_args {
    const int8_t *table;
};

/* Replaces each element by its table entry. The table holds the operator's exact value for all 256
 * inputs, computed when the model was compiled. `out` may be `in`. */
static void lookup_s8(const int8_t *in, int8_t *out, const struct lookup_s8_args *restrict args)
{
    const int8_t *const table = args->table;
    const int32_t end = 48;
    for (int32_t i = 0; i < end; i++)
        out[i] = table[(uint8_t)in[i]];
}

static const struct lookup_s8_args model_hard_swish_0_args BONSAI_FLASH = {
    .table = model_hard_swish_0_table,
};

static const struct lookup_s8_args model_logistic_1_args BONSAI_FLASH = {
    .table = model_logistic_1_table,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* hard_swish_0: "hard_swish_0"  s8 [1,4,4,3] -> [1,4,4,3]
     * portable/lookup: test */
    case 0:
        lookup_s8(arena + 0x0000, arena + 0x0030, &model_hard_swish_0_args);
        break;
    /* logistic_1: "logistic_1"  s8 [1,4,4,3] -> [1,4,4,3]  algorithm fixed
     * portable/lookup: test */
    case 1:
        lookup_s8(arena + 0x0030, arena + 0x0060, &model_logistic_1_args);
        break;
    default:
        break;
    }
}
