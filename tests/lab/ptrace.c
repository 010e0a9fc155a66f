/*
 * ptrace(2) as User Mode Linux calls it, for processors with more registers than it knows of.
 *
 * The kernel takes a process's extended registers (XSAVE) only as a whole. User Mode Linux 6.1 hands over the first
 * 2696 bytes; with AMX there are 11008, the kernel answers EFAULT, and no process runs. So the rest is handed over as
 * it is. Needs no headers: they would be one more package.
 */

enum { SYS_PTRACE = 101, PEEK_FIRST = 1, PEEK_LAST = 3, GETREGSET = 0x4204, SETREGSET = 0x4205, X86_XSTATE = 0x202 };

struct part {
    char *bytes;
    unsigned long count;
};

extern long syscall(long number, ...);

static char registers[65536];

static long set_registers(int pid, const struct part *known)
{
    struct part all = {registers, sizeof registers};
    if (syscall(SYS_PTRACE, GETREGSET, pid, X86_XSTATE, &all) < 0)
        return -1;
    for (unsigned long i = 0; i < known->count; i++)
        registers[i] = known->bytes[i];
    return syscall(SYS_PTRACE, SETREGSET, pid, X86_XSTATE, &all);
}

long ptrace(long request, int pid, long address, void *data)
{
    long word;
    if (request == SETREGSET && address == X86_XSTATE)
        return set_registers(pid, data);
    if (request < PEEK_FIRST || request > PEEK_LAST)
        return syscall(SYS_PTRACE, request, pid, address, data);
    /* The system call stores the word that the function returns. */
    return syscall(SYS_PTRACE, request, pid, address, &word) < 0 ? -1 : word;
}
