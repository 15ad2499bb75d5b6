/* For LD_PRELOAD: a wall clock that can be set. It is ahead by the seconds that stand in the file that SET_CLOCK names. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    const char *name = getenv("SET_CLOCK");
    FILE *file = !failed && clock == CLOCK_REALTIME && name ? fopen(name, "r") : NULL;
    long ahead = 0;
    if (file) {
        if (fscanf(file, "%ld", &ahead) != 1) ahead = 0;
        fclose(file);
    }
    now->tv_sec += ahead;
    return failed;
}
