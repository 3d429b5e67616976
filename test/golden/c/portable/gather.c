#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

struct gather_s8_args {
    const uint16_t *rows;
    const uint16_t *columns;
    uint8_t row_count;
    uint8_t row_step;
    uint8_t column_count;
};

/* Copies to each place of the output, in order, the elements of the input that `rows` and `columns`
 * name: places that were computed when the model was compiled. */
static void gather_s8(const int8_t *restrict in, int8_t *restrict out,
                      const struct gather_s8_args *restrict args)
{
    const uint16_t *const rows = args->rows;
    const uint16_t *const columns = args->columns;
    const int32_t row_count = args->row_count;
    const int32_t column_count = args->column_count;
    const int32_t run = 3;
    for (int32_t r = 0; r < row_count; r++) {
        const int8_t *const row = in + rows[r] * args->row_step;
        for (int32_t i = 0; i < run; i++) {
            for (int32_t c = 0; c < column_count; c++)
                out[c * run + i] = row[columns[c] * 3 + i];
        }
        out += column_count * run;
    }
}

static const struct gather_s8_args model_resize_nearest_neighbor_0_args BONSAI_FLASH = {
    .rows = model_resize_nearest_neighbor_0_rows, .columns = model_resize_nearest_neighbor_0_rows,
    .row_count = 8, .row_step = 12, .column_count = 8,
};

static const struct gather_s8_args model_resize_nearest_neighbor_1_args BONSAI_FLASH = {
    .rows = model_resize_nearest_neighbor_1_rows,
    .columns = model_resize_nearest_neighbor_1_columns, .row_count = 5, .row_step = 24,
    .column_count = 3,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* resize_nearest_neighbor_0: "resize_nearest_neighbor_0"  s8 [1,4,4,3] -> [1,8,8,3]
     * portable/gather: test */
    case 0:
        gather_s8(arena + 0x0000, arena + 0x0030, &model_resize_nearest_neighbor_0_args);
        break;
    /* resize_nearest_neighbor_1: "resize_nearest_neighbor_1"  s8 [1,8,8,3] -> [1,5,3,3]
     * portable/gather: test */
    case 1:
        gather_s8(arena + 0x0030, arena + 0x00f0, &model_resize_nearest_neighbor_1_args);
        break;
    default:
        break;
    }
}
