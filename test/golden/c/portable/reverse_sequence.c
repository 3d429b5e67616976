#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* The first elements of each sequence in reverse order, as many as its length says, and at most
 * all. */
static void reverse_sequence_f32(const float *restrict in, const int32_t *lengths,
                                 float *restrict out)
{
    const int32_t extent = 5, stride = 3;
    const int32_t count = 30, batches = 2, batch_stride = 15;
    for (int32_t i = 0; i < count; i++) {
        const int32_t given = lengths[i / batch_stride % batches];
        const int32_t length = given < extent ? given : extent;
        const int32_t place = i / stride % extent;
        out[i] = in[place < length ? i + (length - 1 - 2 * place) * stride : i];
    }
}

/* The first elements of each sequence in reverse order, as many as its length says, and at most
 * all. */
static void reverse_sequence_f32_constant(const float *restrict in, float *restrict out)
{
    const int32_t *const lengths = model_reverse_sequence_1_indices;
    const int32_t extent = 5, stride = 3;
    const int32_t count = 30, batches = 2, batch_stride = 15;
    for (int32_t i = 0; i < count; i++) {
        const int32_t given = lengths[i / batch_stride % batches];
        const int32_t length = given < extent ? given : extent;
        const int32_t place = i / stride % extent;
        out[i] = in[place < length ? i + (length - 1 - 2 * place) * stride : i];
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* reverse_sequence_0: "reverse_sequence_0"  f32 [2,5,3], [2] -> [2,5,3]  sequence 1 batch 0
     * portable/reverse_sequence: test */
    case 0:
        reverse_sequence_f32((float *)(void *)(arena + 0x0008), (int32_t *)(void *)(arena + 0x0000),
                             (float *)(void *)(arena + 0x0080));
        break;
    /* reverse_sequence_1: "reverse_sequence_1"  f32 [2,5,3] -> [2,5,3]  sequence 1 batch 0
     * portable/reverse_sequence: test */
    case 1:
        reverse_sequence_f32_constant((float *)(void *)(arena + 0x0080),
                                      (float *)(void *)(arena + 0x00f8));
        break;
    default:
        break;
    }
}
