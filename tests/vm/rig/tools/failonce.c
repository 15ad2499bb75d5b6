// failonce.so: makes an ioctl of a program fail once, as a driver would.
//   LD_PRELOAD=failonce.so FAILONCE=FILE program
// When FILE has "REQUEST ERRNO" (numbers), the next ioctl(2) of that request fails so, and FILE is removed.
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int ioctl(int fd, unsigned long request, ...)
{
    static int (*real)(int, unsigned long, ...);
    if (!real) real = dlsym(RTLD_NEXT, "ioctl");
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);

    const char *path = getenv("FAILONCE");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (file) {
        unsigned long which = 0;
        int error = 0;
        int given = fscanf(file, "%lu %d", &which, &error);
        fclose(file);
        if (given == 2 && which == (request & 0xffffffff) && !unlink(path)) {
            errno = error;
            return -1;
        }
    }
    return real(fd, request, argument);
}
