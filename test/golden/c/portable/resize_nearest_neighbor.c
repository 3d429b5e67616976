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


struct resize_nearest_neighbor_s8_args {
    const uint16_t *rows;
    const uint16_t *columns;
    uint8_t out_h;
    uint8_t out_w;
    uint8_t row_bytes;
    uint8_t image_bytes;
};

/* Copies to each output pixel the input pixel that `rows` and `columns` name: the nearest one,
 * computed when the model was compiled. */
static void resize_nearest_neighbor_s8(const int8_t *restrict in, int8_t *restrict out,
                                       const struct resize_nearest_neighbor_s8_args *restrict args)
{
    const uint16_t *const rows = args->rows;
    const uint16_t *const columns = args->columns;
    const int32_t out_h = args->out_h;
    const int32_t out_w = args->out_w;
    const int32_t channels = 3;
    for (int32_t n = 0; n < 1; n++) {
        for (int32_t oy = 0; oy < out_h; oy++) {
            const int8_t *const row = in + rows[oy] * args->row_bytes;
            for (int32_t c = 0; c < channels; c++) {
                for (int32_t ox = 0; ox < out_w; ox++)
                    out[ox * channels + c] = row[columns[ox] * channels + c];
            }
            out += out_w * channels;
        }
        in += args->image_bytes;
    }
}

static const struct resize_nearest_neighbor_s8_args model_resize_nearest_neighbor_0_args
    BONSAI_FLASH = {
    .rows = model_resize_nearest_neighbor_0_rows, .columns = model_resize_nearest_neighbor_0_rows,
    .out_h = 8, .out_w = 8, .row_bytes = 12, .image_bytes = 48,
};

static const struct resize_nearest_neighbor_s8_args model_resize_nearest_neighbor_1_args
    BONSAI_FLASH = {
    .rows = model_resize_nearest_neighbor_1_rows,
    .columns = model_resize_nearest_neighbor_1_columns, .out_h = 5, .out_w = 3, .row_bytes = 24,
    .image_bytes = 192,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* resize_nearest_neighbor_0: "resize_nearest_neighbor_0"  s8 [1,4,4,3] -> [1,8,8,3] */
    case 0:
        resize_nearest_neighbor_s8(arena + 0x0000, arena + 0x0030,
                                   &model_resize_nearest_neighbor_0_args);
        break;
    /* resize_nearest_neighbor_1: "resize_nearest_neighbor_1"  s8 [1,8,8,3] -> [1,5,3,3] */
    case 1:
        resize_nearest_neighbor_s8(arena + 0x0030, arena + 0x00f0,
                                   &model_resize_nearest_neighbor_1_args);
        break;
    default:
        break;
    }
}
