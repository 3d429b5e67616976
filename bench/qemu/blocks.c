/* A TCG plugin for QEMU (docs/devel/tcg-plugins.rst, interface version 1). Counts how often each
 * block of instructions ran, and how often it ended with a jump.
 *
 *     -plugin blocks.so,mark=ADDRESS,out=FILE
 *
 * Before each execution of the instruction at `mark` (the first one of a function), appends the
 * counts since the last time to FILE: a line 'mark', then for each block a line
 *
 *     first-address last-address end-address runs jumps
 *
 * with addresses in hex: of the first and the last instruction, and of the end behind the last one.
 * `jumps` counts how often execution did not continue at `end`. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The part of QEMU's interface that is used; Debian does not package the header. */
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
typedef void translation_callback(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void execution_callback(unsigned vcpu, void *data);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translation_callback *callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, execution_callback *callback,
                                          enum qemu_plugin_cb_flags flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

struct block {
    struct block *next;
    uint64_t first, last, end;
    uint64_t runs, jumps;
};

static struct block *blocks;
static struct block *before; /* the block that ran last */
static uint64_t mark;
static FILE *out;

static void report(void)
{
    fputs("mark\n", out);
    for (struct block *block = blocks; block != NULL; block = block->next) {
        if (block->runs > 0) {
            fprintf(out, "%" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIu64 " %" PRIu64 "\n", block->first,
                    block->last, block->end, block->runs, block->jumps);
        }
        block->runs = 0;
        block->jumps = 0;
    }
    /* QEMU will be killed, so flush. */
    fflush(out);
}

static void run(unsigned vcpu, void *data)
{
    struct block *block = data;
    (void)vcpu;
    if (before != NULL && before->end != block->first) {
        before->jumps++;
    }
    if (block->first == mark) {
        report();
    }
    block->runs++;
    before = block;
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    struct block *block = calloc(1, sizeof *block);
    const struct qemu_plugin_insn *last =
        qemu_plugin_tb_get_insn(tb, qemu_plugin_tb_n_insns(tb) - 1);
    (void)id;
    if (block == NULL) {
        abort();
    }
    block->first = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
    block->last = qemu_plugin_insn_vaddr(last);
    block->end = block->last + qemu_plugin_insn_size(last);
    block->next = blocks;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, run, QEMU_PLUGIN_CB_NO_REGS, block);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count, char **arguments)
{
    (void)info;
    for (int i = 0; i < count; i++) {
        if (strncmp(arguments[i], "mark=", 5) == 0) {
            mark = strtoull(arguments[i] + 5, NULL, 0);
        } else if (strncmp(arguments[i], "out=", 4) == 0) {
            out = fopen(arguments[i] + 4, "w");
        }
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    return mark != 0 && out != NULL ? 0 : -1;
}
