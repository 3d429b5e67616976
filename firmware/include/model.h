/* The model as the firmware sees it. The generated <model>_model.c defines the one instance. */
#ifndef BONSAI_MODEL_H
#define BONSAI_MODEL_H

#include <stdint.h>

/* Called after each step of a run, on the stack of the run. */
typedef void bonsai_hook(void *context, int32_t step);

/* A run of the model; `hook` may be NULL. */
typedef void bonsai_run(void *arena, bonsai_hook *hook, void *context);

/* The bytes in the arena of a tensor that a step writes. */
struct bonsai_span {
    int32_t step;
    int32_t offset;
    int32_t bytes;
};

struct bonsai_model {
    /* "bonsaic:", then the target, bonsaic's version and the model's name, each ended by a zero, and
     * 16 hexadecimal digits: the length of the image, and the CRC-32 of the image with zeros in place
     * of the digits. bonsaic build fills them in; zeros mean that it has not. Programs that flash
     * refuse an image for another target, or one that is not whole: so the record lies near the
     * start of the image, where a file that is cut off still has it. */
    const char *about;
    const uint8_t *sha256; /* hash of the model file: 32 bytes */
    uint32_t tag;          /* hash of the generated source (docs/protocol.md) */
    int32_t arena_bytes;
    int32_t steps;
    int32_t spans;
    int32_t inputs;
    int32_t outputs;
    const struct bonsai_span *span; /* in the order of steps */
    const int32_t *input_bytes;
    const int32_t *output_bytes;
    uint8_t *arena;
    uint64_t *counts;    /* one per step: filled by the profile command */
    uint32_t *checksums; /* one per span: filled by the checksums command */
    int8_t *(*input)(void *arena, int32_t index);
    int8_t *(*output)(void *arena, int32_t index);
    bonsai_run *run;
    void (*reset)(void *arena); /* states to their initial values */
};

extern const struct bonsai_model bonsai_model;

#endif
