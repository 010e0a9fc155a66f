/*
 * A clock for User Mode Linux that leaves out the time in which nothing happens.
 *
 * When the kernel inside has nothing to do, it arms its timer for the next thing that is due and waits for a signal.
 * Here it does not wait: its clock is put forward by what the timer has left, and the timer rings at once. So a minute
 * of sleep takes no time, whoever is inside sees it pass, and work takes as long as ever. (The kernel has such a mode
 * of its own, time-travel, which Debian's is built without.) Nothing inside waits for anybody outside.
 * Needs no headers: they would be one more package.
 */

enum { SYS_RT_SIGSUSPEND = 130, SYS_CLOCK_GETTIME = 228, SIGNALS_BYTES = 8, SECOND = 1000000000 };

struct moment {
    long seconds, nanoseconds;
};

struct setting {
    struct moment interval, left;
};

extern long syscall(long number, ...);
extern void *dlsym(void *library, const char *name);
extern int timer_gettime(void *timer, struct setting *found);
extern int timer_settime(void *timer, int flags, const struct setting *wanted, struct setting *before);

static void *const next_library = (void *)-1;
static void *timer;
static int timer_exists;
static long left_out_nanoseconds;

/* The kernel makes one timer. */
int timer_create(int clock, void *event, void **made)
{
    int (*create)(int, void *, void **) = dlsym(next_library, "timer_create");
    int result = create(clock, event, made);
    timer = *made;
    timer_exists = result == 0;
    return result;
}

int clock_gettime(int clock, struct moment *now)
{
    if (syscall(SYS_CLOCK_GETTIME, clock, now) < 0)
        return -1;
    long nanoseconds = now->nanoseconds + left_out_nanoseconds;
    now->seconds += nanoseconds / SECOND;
    now->nanoseconds = nanoseconds % SECOND;
    return 0;
}

/* Called by the idle kernel alone, with the timer's signal blocked until it waits. */
int sigsuspend(const void *signals)
{
    struct setting set;
    if (timer_exists && timer_gettime(timer, &set) == 0 && (set.left.seconds || set.left.nanoseconds)) {
        left_out_nanoseconds += set.left.seconds * SECOND + set.left.nanoseconds;
        set.left.seconds = 0;
        set.left.nanoseconds = 1;
        timer_settime(timer, 0, &set, 0);
    }
    return syscall(SYS_RT_SIGSUSPEND, signals, SIGNALS_BYTES);
}
