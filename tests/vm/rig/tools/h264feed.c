// h264feed DEVICE FILE WIDTHxHEIGHT FPS: feeds a v4l2loopback device as a camera program would.
// FILE is H.264 in the byte stream format (Annex B); each access unit is one write(2). The file goes round
// and round until a signal ends it.
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

// Length of the first access unit: after a slice, a delimiter, parameter set, SEI or a slice with
// first_mb_in_slice = 0 begins the next one (H.264, 7.4.1.2.3).
static size_t access_unit(const unsigned char *d, size_t n)
{
    int slice = 0;
    for (size_t i = 0; i + 4 < n; i++) {
        if (d[i] || d[i + 1] || d[i + 2] != 1) continue;
        int type = d[i + 3] & 31, coded = type == 1 || type == 5;
        if (slice && ((type >= 6 && type <= 9) || (coded && d[i + 4] & 0x80)))
            return d[i - 1] ? i : i - 1; // a fourth zero byte belongs to the start code
        slice |= coded;
        i += 3;
    }
    return n;
}

static int fail(const char *what)
{
    perror(what);
    return 1;
}

int main(int count, char **args)
{
    int width, height, rate;
    if (count != 5 || sscanf(args[3], "%dx%d", &width, &height) != 2 || (rate = atoi(args[4])) < 1) return 2;
    FILE *file = fopen(args[2], "r");
    if (!file || fseek(file, 0, SEEK_END)) return fail(args[2]);
    size_t size = ftell(file);
    rewind(file);
    unsigned char *data = malloc(size);
    if (!data || fread(data, 1, size, file) != size) return fail(args[2]);

    int device = open(args[1], O_RDWR);
    if (device < 0) return fail(args[1]);
    struct v4l2_format format = {.type = V4L2_BUF_TYPE_VIDEO_OUTPUT};
    format.fmt.pix.width = width;
    format.fmt.pix.height = height;
    format.fmt.pix.pixelformat = V4L2_PIX_FMT_H264;
    format.fmt.pix.field = V4L2_FIELD_NONE;
    format.fmt.pix.sizeimage = width * height;
    struct v4l2_streamparm step = {.type = V4L2_BUF_TYPE_VIDEO_OUTPUT};
    step.parm.output.timeperframe = (struct v4l2_fract){1, rate};
    if (ioctl(device, VIDIOC_S_FMT, &format) || ioctl(device, VIDIOC_S_PARM, &step)) return fail("format");

    double start = now();
    for (size_t at = 0, sent = 0;; at %= size) {
        size_t length = access_unit(data + at, size - at);
        if (write(device, data + at, length) != (ssize_t)length) return fail("write");
        at += length;
        double wait = start + ++sent / (double)rate - now();
        if (wait > 0) usleep(wait * 1e6);
    }
}
