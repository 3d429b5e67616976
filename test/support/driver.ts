/** The program around a compiled model, the same for all of them: compiled once a process. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Both, runners, sanitizers } from './both.js';
import { execute } from './execute.js';

/** What a model tells of itself. */
export const driverHeader = `
#include <stddef.h>
#include <stdint.h>

struct driver_span { int32_t step, offset, bytes; };
struct driver_program {
    size_t arena_bytes;
    int32_t inputs, outputs, span_count;
    const size_t *input_bytes, *output_bytes;
    /* What each step has written, in the order of the steps. */
    const struct driver_span *spans;
    int8_t *(*input)(void *arena, int32_t index);
    int8_t *(*output)(void *arena, int32_t index);
    void (*reset)(void *arena);
    void (*run_hooked)(void *arena, void (*hook)(void *context, int32_t step), void *context);
};
extern const struct driver_program driver_program;
`;

/**
 * Reads inputs from stdin, run after run, and writes what each step has written. The runs are one
 * sequence: only the states stay from one to the next.
 */
const main = `
static char *seen;

/* The last turn of a loop counts; what a branch did not write is 0. */
static void written(void *arena, int32_t step)
{
    char *place = seen;
    for (int32_t i = 0; i < driver_program.span_count; i++) {
        const struct driver_span *span = &driver_program.spans[i];
        if (span->step == step)
            memcpy(place, (char *)arena + span->offset, (size_t)span->bytes);
        place += span->bytes;
    }
}

int main(void)
{
    const struct driver_program *p = &driver_program;
    void *arena = NULL;
    /* Exactly as large as promised: the address sanitizer guards both ends. */
    if (posix_memalign(&arena, 64, p->arena_bytes) != 0)
        return 1;
    memset(arena, 0xa5, p->arena_bytes);
    size_t seen_bytes = 1;
    for (int32_t i = 0; i < p->span_count; i++)
        seen_bytes += (size_t)p->spans[i].bytes;
    seen = malloc(seen_bytes);
    p->reset(arena);
    for (;;) {
        memset(arena, 0xa5, p->arena_bytes);
        for (int32_t i = 0; i < p->inputs; i++) {
            const size_t bytes = p->input_bytes[i];
            if (fread(p->input(arena, i), 1, bytes, stdin) != bytes) {
                free(arena);
                free(seen);
                return 0;
            }
        }
        memset(seen, 0, seen_bytes);
        p->run_hooked(arena, written, arena);
        fwrite(seen, 1, seen_bytes - 1, stdout);
        for (int32_t i = 0; i < p->outputs; i++)
            fwrite(p->output(arena, i), 1, p->output_bytes[i], stdout);
    }
}
`;

const objects = new Map<Both, Promise<string>>();
let directory: string | null = null;

/** Path of the driver's object file, to be linked with a model that is compiled for `both`. */
export function driverObject(both: Both): Promise<string> {
  const object = objects.get(both) ?? compile(both);
  objects.set(both, object);
  return object;
}

async function compile(both: Both): Promise<string> {
  directory ??= temporaryDirectory();
  const name = join(directory, both.replace(' ', '_'));
  const includes = ['stdio', 'stdlib', 'string'].map((header) => `#include <${header}.h>\n`);
  const { text, all } = runners[both];
  writeFileSync(`${name}.c`, `${includes.join('')}${driverHeader}${text}${main}`);
  const flags = ['-std=gnu99', '-O0', ...(all ?? sanitizers)];
  await execute('gcc', [...flags, '-c', `${name}.c`, '-o', `${name}.o`]);
  return `${name}.o`;
}

/** Removed at the end of the process. */
function temporaryDirectory(): string {
  const made = mkdtempSync(join(tmpdir(), 'bonsaic-driver-'));
  process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  return made;
}
