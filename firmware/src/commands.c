/* The commands of docs/protocol.md. An answer overwrites its request, so a handler reads the body
 * before it writes. */
#include "commands.h"

#include <stddef.h>
#include <string.h>

#include "bytes.h"
#include "counters.h"
#include "crc32.h"
#include "frame.h"
#include "model.h"
#include "port.h"

#define VERSION 1
#define TYPE_HELLO 0x01
#define TYPE_REBOOT 0x0b
#define TYPE_ANSWER 0x80
#define TYPE_ERROR 0xff

enum error {
    ERROR_VERSION = 1,
    ERROR_MODEL = 2,
    ERROR_COMMAND = 3,
    ERROR_RANGE = 4,
    ERROR_LENGTH = 5,
};

/* A handler returns the length of the answer's body, or minus an error. */
typedef int32_t handler(uint8_t *body, int32_t length);

static uint8_t *store64(uint8_t *p, uint64_t value)
{
    return store32(store32(p, (uint32_t)value), (uint32_t)(value >> 32));
}

/* Whether `length` items from `first` on lie within `limit`. */
static bool within(uint32_t first, uint32_t length, int32_t limit)
{
    return first <= (uint32_t)limit && length <= (uint32_t)limit - first;
}

static int32_t hello(uint8_t *body, int32_t length)
{
    const char *text = bonsai_model.about + sizeof "bonsaic:" - 1;
    (void)length;
    memcpy(body, bonsai_model.sha256, 32);
    uint8_t *end = store32(body + 32, CLOCK_HZ);
    *end++ = bonsai_port_unit();
    end = store16(end, FRAME_BODY_BYTES);
    for (int32_t texts = 0; texts < 3; text++) {
        texts += *text == 0;
        *end++ = (uint8_t)*text;
    }
    return (int32_t)(end - body);
}

static int32_t info(uint8_t *body, int32_t length)
{
    (void)length;
    uint8_t *end = store32(body, (uint32_t)bonsai_model.arena_bytes);
    end = store16(end, (uint32_t)bonsai_model.steps);
    end = store16(end, (uint32_t)bonsai_model.spans);
    end = store16(end, (uint32_t)bonsai_model.inputs);
    end = store16(end, (uint32_t)bonsai_model.outputs);
    if (bonsai_model.inputs + bonsai_model.outputs > (FRAME_BODY_BYTES - (end - body)) / 4) {
        return -ERROR_RANGE;
    }
    for (int32_t i = 0; i < bonsai_model.inputs; i++) {
        end = store32(end, (uint32_t)bonsai_model.input_bytes[i]);
    }
    for (int32_t i = 0; i < bonsai_model.outputs; i++) {
        end = store32(end, (uint32_t)bonsai_model.output_bytes[i]);
    }
    return (int32_t)(end - body);
}

static int32_t write_input(uint8_t *body, int32_t length)
{
    const int32_t index = (int32_t)load16(body);
    const uint32_t offset = load32(body + 2);
    const uint32_t bytes = (uint32_t)length - 6;
    if (index >= bonsai_model.inputs || !within(offset, bytes, bonsai_model.input_bytes[index])) {
        return -ERROR_RANGE;
    }
    memcpy(bonsai_model.input(bonsai_model.arena, index) + offset, body + 6, bytes);
    return 0;
}

static int32_t infer(uint8_t *body, int32_t length)
{
    (void)length;
    return (int32_t)(store64(body, bonsai_count_run()) - body);
}

static int32_t read_output(uint8_t *body, int32_t length)
{
    (void)length;
    const int32_t index = (int32_t)load16(body);
    const uint32_t offset = load32(body + 2);
    const uint32_t bytes = load16(body + 6);
    if (index >= bonsai_model.outputs || bytes > FRAME_BODY_BYTES ||
        !within(offset, bytes, bonsai_model.output_bytes[index])) {
        return -ERROR_RANGE;
    }
    memcpy(body, bonsai_model.output(bonsai_model.arena, index) + offset, bytes);
    return (int32_t)bytes;
}

static int32_t profile(uint8_t *body, int32_t length)
{
    (void)length;
    return (int32_t)(store64(body, bonsai_count_steps()) - body);
}

static int32_t read_counts(uint8_t *body, int32_t length)
{
    (void)length;
    const uint32_t first = load16(body);
    const uint32_t n = load16(body + 2);
    if (n > FRAME_BODY_BYTES / 8 || !within(first, n, bonsai_model.steps)) {
        return -ERROR_RANGE;
    }
    uint8_t *end = body;
    for (uint32_t i = 0; i < n; i++) {
        end = store64(end, bonsai_model.counts[first + i]);
    }
    return (int32_t)(end - body);
}

/* Takes the checksums of a step's spans. Branches skip steps, and loops go back: it looks at all. */
static void check_step(void *context, int32_t step)
{
    (void)context;
    for (int32_t i = 0; i < bonsai_model.spans; i++) {
        const struct bonsai_span *span = &bonsai_model.span[i];
        if (span->step == step) {
            bonsai_model.checksums[i] = bonsai_crc32(bonsai_model.arena + span->offset, span->bytes);
        }
    }
}

static int32_t checksums(uint8_t *body, int32_t length)
{
    (void)body;
    (void)length;
    bonsai_model.run(bonsai_model.arena, check_step, NULL);
    return 0;
}

static int32_t read_checksums(uint8_t *body, int32_t length)
{
    (void)length;
    const uint32_t first = load16(body);
    const uint32_t n = load16(body + 2);
    if (n > FRAME_BODY_BYTES / 4 || !within(first, n, bonsai_model.spans)) {
        return -ERROR_RANGE;
    }
    uint8_t *end = body;
    for (uint32_t i = 0; i < n; i++) {
        end = store32(end, bonsai_model.checksums[first + i]);
    }
    return (int32_t)(end - body);
}

static int32_t memory(uint8_t *body, int32_t length)
{
    struct bonsai_port_memory used;
    (void)length;
    bonsai_port_memory(&used);
    uint8_t *end = store32(store32(body, used.stack_peak), used.stack_size);
    /* Without the arena, which is reported separately. */
    end = store32(end, used.static_ram - (uint32_t)bonsai_model.arena_bytes);
    return (int32_t)(end - body);
}

static int32_t reboot(uint8_t *body, int32_t length)
{
    (void)body;
    (void)length;
    return 0;
}

static int32_t reset(uint8_t *body, int32_t length)
{
    (void)body;
    (void)length;
    bonsai_model.reset(bonsai_model.arena);
    return 0;
}

/* Indexed by type, from TYPE_HELLO on. The body's length must be from `least` to `most`. */
static const struct command {
    handler *run;
    uint16_t least;
    uint16_t most;
} commands[] = {
    {hello, 0, 0},       {info, 0, 0},           {write_input, 6, FRAME_BODY_BYTES},
    {infer, 0, 0},       {read_output, 8, 8},    {profile, 0, 0},
    {read_counts, 4, 4}, {checksums, 0, 0},      {read_checksums, 4, 4},
    {memory, 0, 0},      {reboot, 0, 0},         {reset, 0, 0},
};

static int32_t answer_error(uint8_t *body, int32_t error)
{
    static const char *const texts[] = {
        [ERROR_VERSION] = "another protocol version", [ERROR_MODEL] = "another model",
        [ERROR_COMMAND] = "unknown command",          [ERROR_RANGE] = "out of range",
        [ERROR_LENGTH] = "wrong body length",
    };
    int32_t length = 1;
    body[0] = (uint8_t)error;
    for (const char *text = texts[error]; *text != 0; text++) {
        body[length++] = (uint8_t)*text;
    }
    return length;
}

/* The host asks again, by the same number, when an answer is lost. A run has overwritten its input,
 * so its answer is kept until another request comes. */
static int32_t run_once(const struct command *command, uint8_t *frame, int32_t length)
{
    static uint32_t answered; /* version, type and number of the last request; 0: it was no run */
    static int32_t kept_length;
    static uint8_t kept[8]; /* a count, or nothing */
    uint8_t *const body = frame + FRAME_HEADER_BYTES;
    const uint32_t request = load32(frame);
    if (request == answered) {
        memcpy(body, kept, sizeof kept);
        return kept_length;
    }
    const int32_t answer_length = command->run(body, length);
    const bool is_run = command->run == infer || command->run == profile || command->run == checksums;
    answered = is_run ? request : 0;
    kept_length = answer_length;
    memcpy(kept, body, sizeof kept);
    return answer_length;
}

/* Returns the length of the answer's body, or minus an error. */
static int32_t run_command(uint8_t *frame, int32_t length)
{
    const int32_t body_length = length - FRAME_HEADER_BYTES;
    const uint32_t index = (uint32_t)frame[1] - TYPE_HELLO;
    if (frame[0] != VERSION) {
        return -ERROR_VERSION;
    }
    if (frame[1] != TYPE_HELLO && load32(frame + 4) != bonsai_model.tag) {
        return -ERROR_MODEL;
    }
    if (index >= sizeof commands / sizeof commands[0]) {
        return -ERROR_COMMAND;
    }
    const struct command *command = &commands[index];
    if (body_length < command->least || body_length > command->most) {
        return -ERROR_LENGTH;
    }
    return run_once(command, frame, body_length);
}

int32_t bonsai_answer(uint8_t *frame, int32_t length, bool *must_reboot)
{
    int32_t body_length = run_command(frame, length);
    *must_reboot = body_length >= 0 && frame[1] == TYPE_REBOOT;
    frame[0] = VERSION;
    frame[1] |= TYPE_ANSWER;
    if (body_length < 0) {
        frame[1] = TYPE_ERROR;
        body_length = answer_error(frame + FRAME_HEADER_BYTES, -body_length);
    }
    store32(frame + 4, bonsai_model.tag);
    return FRAME_HEADER_BYTES + body_length;
}
