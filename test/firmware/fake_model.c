/* A model for the firmware's tests: 130 steps, 260 spans of a byte, arithmetic that tests redo.
 *
 *   step k writes  a[k] = input0[k] + 1  and  b[k] = input1[0] ^ k;
 *   in the end     output0 = input0 backwards,  output1 = input1.
 *
 * input1[1] asks for a deep stack, input1[4..7] for rounds of two instructions, test_work for a long
 * run. */
#include "model.h"

#include <stddef.h>

#define TEXT_OF(word) #word
#define TEXT(macro) TEXT_OF(macro)

#define STEPS 130
#define BYTES0 1500
#define BYTES1 16
#define INPUT0 0
#define INPUT1 1500
#define OUTPUT0 1516
#define OUTPUT1 3016
#define SPANS 3032
#define ARENA (SPANS + 2 * STEPS)

volatile int32_t test_work = 10;

static uint8_t arena[ARENA] __attribute__((aligned(8)));
static uint64_t counts[STEPS];
static uint32_t checksums[2 * STEPS];
static struct bonsai_span span[2 * STEPS];
static const uint8_t sha256[32] = {0xde, 0xad, [31] = 0x7f};
static const int32_t bytes[] = {BYTES0, BYTES1};

static int8_t *input(void *memory, int32_t index)
{
    return (int8_t *)memory + (index == 0 ? INPUT0 : INPUT1);
}

static int8_t *output(void *memory, int32_t index)
{
    return (int8_t *)memory + (index == 0 ? OUTPUT0 : OUTPUT1);
}

__attribute__((noinline)) static uint8_t use_stack(int32_t end)
{
    volatile uint8_t deep[3000];
    for (int32_t i = 0; i < 3000; i++) {
        deep[i] = (uint8_t)i;
    }
    return deep[end];
}

/* On Arm just two instructions a round, and four around them all. */
__attribute__((noinline)) static void two_instructions(uint32_t rounds)
{
#if defined(__arm__)
    __asm volatile(".syntax unified\n"
                   "1: subs %0, #1\n"
                   "bne 1b"
                   : "+l"(rounds)
                   :
                   : "cc");
#else
    while (--rounds > 0) {
        __asm volatile("");
    }
#endif
}

static void run(void *memory, bonsai_hook *hook, void *context)
{
    uint8_t *const a = memory;
    if (a[INPUT1 + 1] != 0) {
        a[INPUT1 + 1] = use_stack(a[INPUT1 + 1]);
    }
    uint32_t rounds = 0;
    for (int32_t i = 3; i >= 0; i--) {
        rounds = rounds << 8 | a[INPUT1 + 4 + i];
    }
    if (rounds > 0) {
        two_instructions(rounds);
    }
    for (int32_t left = test_work; left > 0; left--) {
        __asm volatile("");
    }
    for (int32_t step = 0; step < STEPS; step++) {
        a[SPANS + 2 * step] = (uint8_t)(a[INPUT0 + step] + 1);
        a[SPANS + 2 * step + 1] = (uint8_t)(a[INPUT1] ^ step);
        if (step == STEPS - 1) {
            for (int32_t i = 0; i < BYTES0; i++) {
                a[OUTPUT0 + i] = a[INPUT0 + BYTES0 - 1 - i];
            }
            for (int32_t i = 0; i < BYTES1; i++) {
                a[OUTPUT1 + i] = a[INPUT1 + i];
            }
        }
        if (hook != NULL) {
            hook(context, step);
        }
    }
}

static void reset(void *memory)
{
    ((uint8_t *)memory)[OUTPUT0] = 77; /* shows that the state was reset */
    for (int32_t i = 0; i < 2 * STEPS; i++) {
        span[i].step = i / 2;
        span[i].offset = SPANS + i;
        span[i].bytes = 1;
    }
}

const struct bonsai_model bonsai_model = {
    .about = "bonsaic:" TEXT(TARGET_NAME) "\0" "1.2.3\0" "fake\0",
    .sha256 = sha256,
    .tag = 0x0badcafe,
    .arena_bytes = ARENA,
    .steps = STEPS,
    .spans = 2 * STEPS,
    .inputs = 2,
    .outputs = 2,
    .span = span,
    .input_bytes = bytes,
    .output_bytes = bytes,
    .arena = arena,
    .counts = counts,
    .checksums = checksums,
    .input = input,
    .output = output,
    .run = run,
    .reset = reset,
};
