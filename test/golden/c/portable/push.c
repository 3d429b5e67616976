#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"

/* What the model remembers from one run to the next. */
static int32_t state_words[MODEL_STATE_BYTES / 4];
static int8_t *const state = (int8_t *)state_words;

/* Moves the window `out` on in time: its oldest rows go, and the new ones of `in` come behind the
 * others. */
static void push_s8_one(const int8_t *restrict in, int8_t *restrict out)
{
    const int32_t kept = 9, added = 3;
    memmove(out, &out[added], (size_t)kept);
    memcpy(&out[kept], in, (size_t)added);
}

/* Moves the window `out` on in time: its oldest rows go, and the new ones of `in` come behind the
 * others, in each of its blocks. */
static void push_s8(const int8_t *restrict in, int8_t *restrict out)
{
    const int32_t kept = 2, added = 2;
    for (int32_t block = 0; block < 6; block++) {
        memmove(out, &out[added], (size_t)kept);
        memcpy(&out[kept], in, (size_t)added);
        in += added;
        out += kept + added;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* push_0: "push_0"  s8 [1,4,3], [1,1,3] -> [1,4,3]  axis 1
     * portable/push: test */
    case 0:
        push_s8_one(arena + 0x0000, state + 0x0000);
        break;
    /* push_1: "push_1"  s8 [1,2,3,4], [1,2,3,2] -> [1,2,3,4]  axis 3
     * portable/push: test */
    case 1:
        push_s8(arena + 0x0004, state + 0x000c);
        break;
    default:
        break;
    }
}
