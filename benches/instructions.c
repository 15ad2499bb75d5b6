/* A plugin of QEMU's for the user mode, which counts the instructions and the system calls of all threads of a program: into the file
 * that its argument `into=` names, where they are found at any moment, as two numbers of 8 bytes. Debian's packages have no header for
 * plugins; these are the parts of QEMU's qemu-plugin.h that this takes. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
enum { NO_REGISTERS };
struct qemu_plugin_tb;
typedef uint64_t plugin_id;
typedef void translate(plugin_id, struct qemu_plugin_tb *);
typedef void execute(unsigned thread, void *data);
typedef void call(plugin_id, unsigned thread, int64_t number, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                  uint64_t);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, translate *);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, execute *, int, void *);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id, call *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);

EXPORT int qemu_plugin_version = 1;
static struct counts {
    uint64_t instructions, calls;
} *counts;

static void executed(unsigned thread, void *instructions) {
    (void)thread;
    __atomic_fetch_add(&counts->instructions, (uintptr_t)instructions, __ATOMIC_RELAXED);
}

/* A block has one way in, and is left at its end: that is where system calls and branches are. */
static void translated(plugin_id id, struct qemu_plugin_tb *block) {
    (void)id;
    void *instructions = (void *)(uintptr_t)qemu_plugin_tb_n_insns(block);
    qemu_plugin_register_vcpu_tb_exec_cb(block, executed, NO_REGISTERS, instructions);
}

static void called(plugin_id id, unsigned thread, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                   uint64_t g, uint64_t h) {
    (void)id, (void)thread, (void)number, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    __atomic_fetch_add(&counts->calls, 1, __ATOMIC_RELAXED);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int count, char **arguments) {
    (void)info;
    if (count != 1 || strncmp(arguments[0], "into=", 5)) return -1;
    int file = open(arguments[0] + 5, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, sizeof *counts)) return -1;
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (counts == MAP_FAILED) return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
