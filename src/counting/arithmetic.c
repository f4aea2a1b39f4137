// Counts the floating-point arithmetic that a program executes: a plugin for QEMU's user-mode emulation of x86-64.
//
//     qemu-x86_64 -cpu max -plugin libarithmetic.so,counts=FILE program …
//
// Every lane of an SSE or AVX addition, subtraction, product, quotient, square root, minimum and maximum is an
// operation, of a fused multiply–add two: what the processors' own counters count. Comparisons, conversions, moves
// and x87 are not counted. What goes on in the lanes that a mask of AVX-512 hides is unknown here; emulated
// processors have none.
//
// close(MARK) fails, MARK being no open file, and here it appends a line to FILE: the operations in double and in
// single precision since the start. So a program says what it wants counted, and runs without this plugin as well.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef INTERFACE
#define INTERFACE 1
#endif

// Debian ships no header. All versions of the interface have these (docs/devel/tcg-plugins.rst).
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
enum { NO_REGISTERS = 0 };
typedef void (*translation_callback)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*execution_callback)(unsigned int, void *);
typedef void (*syscall_callback)(qemu_plugin_id_t, unsigned int, int64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                 uint64_t, uint64_t, uint64_t, uint64_t);
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translation_callback);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, execution_callback, int flags, void *);
extern void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, syscall_callback);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern char *qemu_plugin_insn_disas(const struct qemu_plugin_insn *);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);

#if INTERFACE < 3
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
#else
extern size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *, void *, size_t);
#endif

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = INTERFACE;

enum { CLOSE = 3, MARK = 0x464c4f50 };

struct work {
    uint64_t in_double, in_single;
};

static struct work done;
static FILE *counts;

// Says whether the bytes of an instruction may be arithmetic. To disassemble all would take far longer than to run.
static int may_calculate(const struct qemu_plugin_insn *instruction) {
    unsigned char bytes[16] = {0};
    size_t size = qemu_plugin_insn_size(instruction);
    if (size > sizeof bytes - 1) return 0;
#if INTERFACE < 3
    memcpy(bytes, qemu_plugin_insn_data(instruction), size);
#else
    qemu_plugin_insn_data(instruction, bytes, size);
#endif
    const unsigned char *byte = bytes;
    while (*byte == 0x66 || *byte == 0xf2 || *byte == 0xf3 || (*byte >= 0x40 && *byte <= 0x4f)) byte++;
    if (*byte == 0xc4 || *byte == 0xc5 || *byte == 0x62) return 1;
    return byte[0] == 0x0f && byte[1] && strchr("\x51\x58\x59\x5c\x5d\x5e\x5f\x7c\x7d\xd0", byte[1]);
}

// Returns how many lanes the packed or scalar instruction computes on, 0 if it has no such ending.
static int lanes(const char *ending, const char *operands) {
    int bytes = strstr(operands, "%zmm") ? 64 : strstr(operands, "%ymm") ? 32 : 16;
    if (!strcmp(ending, "sd") || !strcmp(ending, "ss")) return 1;
    if (!strcmp(ending, "pd")) return bytes / 8;
    if (!strcmp(ending, "ps")) return bytes / 4;
    return 0;
}

// Adds what an instruction does, in AT&T syntax as QEMU disassembles, say "vfmadd231pd %ymm0, %ymm1, %ymm2".
static void add_work(const char *instruction, struct work *work) {
    static const char *const operations[] = {"add", "sub", "mul", "div", "sqrt", "min", "max", "addsub", "hadd", "hsub"};
    char name[32];
    size_t length = strcspn(instruction, " \t");
    if (length < 4 || length >= sizeof name) return;
    memcpy(name, instruction, length);
    name[length] = 0;
    const char *ending = name + length - 2, *stem = name + (name[0] == 'v');
    size_t stem_length = (size_t)(ending - stem);
    uint64_t each = !strncmp(stem, "fmadd", 5) || !strncmp(stem, "fmsub", 5) || !strncmp(stem, "fnmadd", 6) ||
                            !strncmp(stem, "fnmsub", 6)
                        ? 2
                        : 0;
    for (size_t k = 0; k < sizeof operations / sizeof *operations; k++)
        if (strlen(operations[k]) == stem_length && !strncmp(stem, operations[k], stem_length)) each = 1;
    each *= (uint64_t)lanes(ending, instruction + length);
    if (ending[1] == 'd')
        work->in_double += each;
    else
        work->in_single += each;
}

static void executed(unsigned int processor, void *block) {
    const struct work *work = block;
    done.in_double += work->in_double;
    done.in_single += work->in_single;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    struct work work = {0, 0};
    size_t instructions = qemu_plugin_tb_n_insns(block);
    for (size_t k = 0; k < instructions; k++) {
        const struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, k);
        if (!may_calculate(instruction)) continue;
        char *text = qemu_plugin_insn_disas(instruction);
        if (text) add_work(text, &work);
        free(text);
    }
    if (!work.in_double && !work.in_single) return;
    // QEMU may run the block until it ends.
    struct work *kept = malloc(sizeof *kept);
    if (!kept) abort();
    *kept = work;
    qemu_plugin_register_vcpu_tb_exec_cb(block, executed, NO_REGISTERS, kept);
}

static void called(qemu_plugin_id_t id, unsigned int processor, int64_t number, uint64_t descriptor, uint64_t b,
                   uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
    if (number != CLOSE || descriptor != MARK) return;
    fprintf(counts, "%llu %llu\n", (unsigned long long)done.in_double, (unsigned long long)done.in_single);
    fflush(counts);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int arguments, char **values) {
    static const char key[] = "counts=";
    if (arguments != 1 || strncmp(values[0], key, sizeof key - 1)) return -1;
    counts = fopen(values[0] + sizeof key - 1, "w");
    if (!counts) return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
