/*
 * A plugin for qemu-aarch64 7.2 to 8.2 that counts how often each translated block of code is executed.
 *
 *     cc -O2 -shared -fPIC -o instructions.so instructions.c
 *     qemu-aarch64 -plugin instructions.so,out=FILE PROGRAM
 *
 * A block is a run of instructions that ends at a branch or at the end of a page, so the number of executed
 * instructions is the sum over all blocks of executions times length. At exit, FILE gets a line for each block that
 * was executed: executions, address, and the instructions as hexadecimal words. What an instruction is can be told
 * from its word, later and elsewhere.
 *
 * Counters are not atomic: only what a single thread executes is counted exactly.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is used of version 1 of the interface. Debian has its header only in the source package of QEMU. */
#define EXPORT __attribute__((visibility("default")))
typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { ADD_U64 };
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int op, void *counter, uint64_t add);
extern void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
EXPORT int qemu_plugin_version = 1;

/* A block that was translated. Code that is translated again, because memory for code ran out or because the code
 * changed, gets a new one; the old one keeps its count. */
struct block {
    struct block *next;
    uint64_t executions, address;
    size_t length;
    uint32_t words[];
};

static struct block *blocks;
static FILE *out;

/* QEMU holds a lock while it translates in several threads at once: not around this, hence the atomic exchange. */
static void push(struct block *block)
{
    block->next = __atomic_load_n(&blocks, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&blocks, &block->next, block, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
    size_t length = qemu_plugin_tb_n_insns(tb);
    struct block *block = calloc(1, sizeof *block + length * sizeof block->words[0]);
    if (!block) {
        fputs("instructions.so: out of memory\n", stderr);
        abort();
    }
    block->address = qemu_plugin_tb_vaddr(tb);
    block->length = length;
    for (size_t i = 0; i < length; i++)
        memcpy(&block->words[i], qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, i)), sizeof block->words[i]);
    push(block);
    qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &block->executions, 1);
}

static void finished(plugin_id id, void *unused)
{
    for (struct block *block = blocks; block; block = block->next) {
        if (block->executions == 0)
            continue;
        fprintf(out, "%" PRIu64 " %" PRIx64, block->executions, block->address);
        for (size_t i = 0; i < block->length; i++)
            fprintf(out, " %08" PRIx32, block->words[i]);
        fputc('\n', out);
    }
    /* A program may be killed before it ends: only a complete file has this line. */
    fputs("end\n", out);
    fclose(out);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    if (argc != 1 || strncmp(argv[0], "out=", 4) != 0) {
        fputs("instructions.so: expected out=FILE\n", stderr);
        return 1;
    }
    out = fopen(argv[0] + 4, "w");
    if (!out) {
        perror(argv[0]);
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finished, NULL);
    return 0;
}
