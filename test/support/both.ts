/** Ways to run the halves of a step in a compiled program: BONSAI_BOTH is `both`. */

/** Sanitizers of all programs, unless the halves of steps need others. */
export const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover'];

/**
 * 'in order': the first half, then the second. 'reversed': the second half first. 'threads': at the
 * same time, under the thread sanitizer. 'recorded': records every byte that each half touches and
 * fails if they conflict; the thread sanitizer alone forgets all but the last accesses to a word.
 */
export type Both = 'in order' | 'reversed' | 'threads' | 'recorded';

interface Runner {
  /** C before the driver's main. */
  readonly text: string;
  /** Compiler flags of the model, and of the whole program; null: `sanitizers`. */
  readonly model: readonly string[];
  readonly all: readonly string[] | null;
}

const signature = `
void both(void (*first)(int8_t *), void (*second)(int8_t *), int8_t *arena)
`;

const sizes = [1, 2, 4, 8, 16];
const recorders = ['read', 'write'].flatMap((kind) =>
  sizes.flatMap((bytes) =>
    ['', 'unaligned_'].map(
      (prefix) =>
        `void __tsan_${prefix}${kind}${bytes}(const void *p) { touch(p, ${bytes}, ${kind}s); }`,
    ),
  ),
);

export const runners: Readonly<Record<Both, Runner>> = {
  'in order': { text: '', model: [], all: null },
  reversed: {
    text: `${signature}{
    second(arena);
    first(arena);
}
`,
    model: ['-DBONSAI_BOTH=both'],
    all: null,
  },
  threads: {
    text: `
#include <pthread.h>

static void (*half)(int8_t *);

static void *compute(void *arena)
{
    half(arena);
    return NULL;
}
${signature}{
    pthread_t thread;
    half = second;
    if (pthread_create(&thread, NULL, compute, arena) != 0)
        abort();
    first(arena);
    pthread_join(thread, NULL);
}
`,
    model: ['-DBONSAI_BOTH=both'],
    all: ['-fsanitize=thread', '-pthread'],
  },
  recorded: {
    // Implements the functions that the compiler calls for the thread sanitizer.
    text: `
static int8_t *shared;
static size_t shared_bytes;
static uint8_t reads[2][1 << 22], writes[2][1 << 22];
static int now = -1;
/* All bytes that the halves have touched. */
static size_t begin, end;

static void touch(const void *p, size_t bytes, uint8_t kind[2][1 << 22])
{
    const size_t at = (size_t)((const int8_t *)p - shared);
    for (size_t i = 0; now >= 0 && i < bytes; i++) {
        if (at + i >= shared_bytes)
            continue;
        kind[now][at + i] = 1;
        if (at + i < begin)
            begin = at + i;
        if (at + i >= end)
            end = at + i + 1;
    }
}

${recorders.join('\n')}
void __tsan_init(void) {}
void __tsan_func_entry(void *p) { (void)p; }
void __tsan_func_exit(void) {}

void *__real_memcpy(void *to, const void *from, size_t bytes);
void *__wrap_memcpy(void *to, const void *from, size_t bytes)
{
    touch(from, bytes, reads);
    touch(to, bytes, writes);
    return __real_memcpy(to, from, bytes);
}

void *__real_memmove(void *to, const void *from, size_t bytes);
void *__wrap_memmove(void *to, const void *from, size_t bytes)
{
    touch(from, bytes, reads);
    touch(to, bytes, writes);
    return __real_memmove(to, from, bytes);
}

void *__real_memset(void *to, int byte, size_t bytes);
void *__wrap_memset(void *to, int byte, size_t bytes)
{
    touch(to, bytes, writes);
    return __real_memset(to, byte, bytes);
}

${signature}{
    shared = arena;
    shared_bytes = driver_program.arena_bytes;
    if (shared_bytes > sizeof reads[0])
        abort();
    begin = shared_bytes;
    end = 0;
    now = 0;
    first(arena);
    now = 1;
    second(arena);
    now = -1;
    for (size_t i = begin; i < end; i++) {
        for (int one = 0; one < 2; one++) {
            if (writes[one][i] && (writes[!one][i] || reads[!one][i])) {
                fprintf(stderr, "the halves meet in byte %zu of the arena\\n", i);
                exit(1);
            }
        }
        reads[0][i] = reads[1][i] = writes[0][i] = writes[1][i] = 0;
    }
}
`,
    model: ['-DBONSAI_BOTH=both', '-fsanitize=thread', '-fno-builtin'],
    all: ['-Wl,--wrap=memcpy,--wrap=memmove,--wrap=memset'],
  },
};
