// fakeuvc: a USB camera in user space. It is plugged into the running kernel through vhci-hcd (USB/IP) over a
// socketpair, so the kernel's own uvcvideo driver binds to it and makes a real /dev/videoN.
//   modprobe vhci-hcd; modprobe uvcvideo
//   fakeuvc [-m FILE.mjpeg] [-h FILE.h264] [-y] [-s WxH] [-r FPS] [-i] [-p place|speed] [-u] [-a FILE.h264 [-g BYTES]] [-w MS]
//     [-v]
// Formats are offered in the order given: -m Motion-JPEG, -h frame-based H.264, -y YUYV; 640x480 and 30
// frames a second unless -s and -r say otherwise, and half as many; YUYV has the half only. -i: isochronous, else bulk. A file goes
// round and round.
// -p: it turns, to a place (10 degrees each way, and a zoom) or at a speed.
// -u: it has an H.264 extension unit (10) and Logitech's (11), gives a key frame when that asks for one, and like some
// cameras forgets its encoder's config when the format is set. -a is that and a Motion-JPEG of one small picture, in which
// FILE rides as APP4 segments of -g bytes (65531) if the encoder's config says so, between two streams of raw video.
// -w: it takes so long to set its brightness.
// Signals:
//   USR1   unplug / plug again
//   USR2   stall / go on
//   HUP    mark the next frame as damaged (ERR bit of the payload header)
//   WINCH  cut the next frame to two bytes; of one with APP4 segments, leave out the last one of the H.264
//   INT, TERM  unplug and end
// Protocols: Linux Documentation/usb/usbip_protocol.rst; USB Device Class Definition for Video Devices 1.1, and its H.264
// Payload 1.0.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define VHCI "/sys/devices/platform/vhci_hcd.0/"
enum { CMD_SUBMIT = 1, CMD_UNLINK = 2, RET_SUBMIT = 3, RET_UNLINK = 4 };
enum { MJPG, H264, YUYV };

struct format {
    int kind;
    const char *file;
    uint8_t *data;
    size_t size, pos;
};
struct urb {
    uint32_t seq, len, npkt;
    struct iso {
        uint32_t off, len, actual, status;
    } *iso;
};

static struct format fmts[3], aux = {.kind = H264};
static int nfmt, W = 640, H = 480, isoc, verbose, sock = -1, port;
static double fps = 30;
static volatile sig_atomic_t want_plug = 1, stalled, mark_error, cut, quit;
static struct urb q[64]; // pending IN URBs of the streaming endpoint
static int nq;
static uint8_t probe[34], commit[34];
static int units, segment = 65531, next_key;
static double late, late_at; // how long it takes to set its brightness, and when that is done
static uint32_t late_seq, late_len; // the request that waits for it
static enum { FIXED, PLACE, SPEED } turns;
static int brightness = 128, alt, streaming, fid, zlp;
static uint8_t *pay;
static size_t paylen, payoff; // frame being sent (without payload headers when isochronous)
static uint32_t pts;
static unsigned long sent;
static double next_frame, next_iso;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
static void p16(uint8_t *p, unsigned v)
{
    p[0] = v;
    p[1] = v >> 8;
}
static void p32(uint8_t *p, unsigned v)
{
    p16(p, v);
    p16(p + 2, v >> 16);
}
static unsigned g32(const uint8_t *p) { return p[0] | p[1] << 8 | p[2] << 16 | (unsigned)p[3] << 24; }
static size_t max_frame(void) { return (size_t)W * H * 2; }

// ---------------------------------------------------------------- descriptors
static uint8_t cfg[1024];
static int ncfg;
static void d(const uint8_t *b, int n)
{
    memcpy(cfg + ncfg, b, n);
    ncfg += n;
}
#define D(...) d((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
#define LE16(v) (uint8_t)(v), (uint8_t)((v) >> 8)
#define LE32(v) LE16((v) & 0xffff), LE16((v) >> 16)
#define XU(id, ...) D(27, 0x24, 6, id, __VA_ARGS__, 0)
#define GUID(a, b, c, e) a, b, c, e, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71

static void build_descriptors(void)
{
    uint32_t iv = 1e7 / fps, iv2 = iv * 2;
    ncfg = 0;
    D(9, 2, 0, 0, 2, 1, 0, 0x80, 250); // configuration, total length patched below
    D(8, 0x0b, 0, 2, 14, 3, 0, 0);     // interface association: video
    D(9, 4, 0, 0, 0, 14, 1, 0, 0);     // video control interface
    D(13, 0x24, 1, LE16(0x110), LE16(13 + 18 + 11 + 9 + (units ? 54 : 0)), LE32(48000000), 1, 1);
    int turning = turns == PLACE ? 0x0a : turns == SPEED ? 0x10 : 0; // the second byte of its controls
    D(18, 0x24, 2, 1, LE16(0x201), 0, 0, LE16(0), LE16(0), LE16(0), 3, 0, turning, 0); // camera terminal 1
    D(11, 0x24, 5, 2, 1, LE16(0), 2, 1, 0, 0); // processing unit 2: brightness
    if (units) { // each with its GUID, how many controls, one input, and which controls
        XU(10, 0x41, 0x76, 0x9e, 0xa2, 0x04, 0xde, 0xe3, 0x47, 0x8b, 0x2b, 0xf4, 0x34, 0x1a, 0xff, 0x00, 0x3b, 3, 1,
           2, 2, LE16(0x103));
        XU(11, 0x21, 0x2d, 0xe5, 0xff, 0x30, 0x80, 0x2c, 0x4e, 0x82, 0xd9, 0xf5, 0x87, 0xd0, 0x05, 0x40, 0xbd, 1, 1,
           2, 2, LE16(0x100));
    }
    D(9, 0x24, 3, 3, LE16(0x101), 0, 2, 0);    // output terminal 3 <- unit 2
    D(9, 4, 1, 0, !isoc, 14, 2, 0, 0);         // video streaming interface, alternate 0
    int in_hdr = ncfg;
    cfg[ncfg++] = 13 + nfmt;
    D(0x24, 1, nfmt, 0, 0, 0x81, 0, 3, 0, 0, 0, 1);
    for (int i = 0; i < nfmt; i++)
        D(0);
    for (int i = 0; i < nfmt; i++)
        switch (fmts[i].kind) {
        case MJPG:
            D(11, 0x24, 6, i + 1, 1, 0, 1, 0, 0, 0, 0);
            D(34, 0x24, 7, 1, 0, LE16(W), LE16(H), LE32(1000000), LE32(100000000), LE32(max_frame()),
              LE32(iv), 2, LE32(iv), LE32(iv2));
            break;
        case YUYV:
            D(27, 0x24, 4, i + 1, 1, GUID('Y', 'U', 'Y', '2'), 16, 1, 0, 0, 0, 0);
            D(30, 0x24, 5, 1, 0, LE16(W), LE16(H), LE32(1000000), LE32(100000000), LE32(max_frame()),
              LE32(iv2), 1, LE32(iv2));
            break;
        case H264:
            D(28, 0x24, 16, i + 1, 1, GUID('H', '2', '6', '4'), 0, 1, 0, 0, 0, 0, 1);
            D(34, 0x24, 17, 1, 0, LE16(W), LE16(H), LE32(1000000), LE32(100000000), LE32(iv), 2, LE32(0),
              LE32(iv), LE32(iv2));
            break;
        }
    D(6, 0x24, 13, 1, 1, 4); // colour matching
    p16(cfg + in_hdr + 4, ncfg - in_hdr);
    if (isoc) {
        D(9, 4, 1, 1, 1, 14, 2, 0, 0); // alternate 1: 3 x 1024 bytes each ms
        D(7, 5, 0x81, 5, LE16(0x1400), 4);
    } else D(7, 5, 0x81, 2, LE16(512), 0);
    p16(cfg + 2, ncfg);
}
static const uint8_t device_desc[18] = {18,           1, 0, 2, 0xef, 2, 1, 64, LE16(0x1d6b), LE16(0x0104),
                                        LE16(0x0001), 1, 2, 3, 1};

static int string_desc(int i, uint8_t *o)
{
    static const char *s[] = {"", "fmp4streamer", "fakeuvc camera", "0001"};
    if (i == 0) {
        o[0] = 4;
        o[1] = 3;
        p16(o + 2, 0x409);
        return 4;
    }
    if (i > 3) return -1;
    int n = strlen(s[i]);
    o[0] = 2 + 2 * n;
    o[1] = 3;
    for (int k = 0; k < n; k++)
        p16(o + 2 + 2 * k, s[i][k]);
    return o[0];
}

// ---------------------------------------------------------------- control requests
static void fill_probe(uint8_t *p) // what the device makes of the host's wish
{
    int f = p[2] < 1 || p[2] > nfmt ? 1 : p[2];
    unsigned iv = g32(p + 4), base = 1e7 / fps;
    p[2] = f;
    p[3] = 1;
    p32(p + 4, iv > base * 3 / 2 || fmts[f - 1].kind == YUYV ? base * 2 : base);
    p32(p + 18, max_frame());
    p32(p + 22, isoc ? 3072 : max_frame() + 12);
    p32(p + 26, 48000000);
    p[30] = 3;
    p[31] = p[32] = p[33] = 1;
}

// ---------------------------------------------------------------- extension units
enum { NONE, MIN, MAX, RES, DEF };
static uint8_t encoder[2][46], picture_type[4], led[5];

// a field of uvcx_video_config_probe_commit_t and its ranges
static const struct {
    int at, bytes;
    unsigned range[5];
} fields[] = {
    {0, 4, {0, 333333, 2000000, 1, 333333}}, // frame interval
    {4, 4, {0, 100000, 6000000, 0, 3000000}}, // bitrate
    {12, 2, {0, 160, 1920, 16, 1280}},        // width
    {14, 2, {0, 120, 1080, 16, 720}},         // height
    {16, 2, {0, 0, 100, 1, 0}},               // slice units
    {18, 2, {0, 0, 3, 1, 0}},                 // slice mode
    {20, 2, {0, 0x4200, 0x4d00, 0, 0x4d00}},  // profile: Baseline, Constrained, Main
    {22, 2, {0, 0, 20000, 500, 2000}},        // key frame period
    {28, 1, {0, 1, 3, 1, 1}},                 // usage
    {29, 1, {0, 1, 3, 1, 1}},                 // rate control
    {33, 1, {0, 0, 3, 1, 0}},                 // stream mux
    {35, 1, {0, 0, 1, 1, 0}},                 // entropy
    {44, 2, {0, 0, 5000, 10, 1000}},          // leaky bucket
};

static unsigned get(const uint8_t *p, int bytes)
{
    unsigned v = 0;
    while (bytes--)
        v = v << 8 | p[bytes];
    return v;
}
static void fill_encoder(uint8_t *p, int which)
{
    memset(p, 0, 46);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        for (int k = 0; k < fields[i].bytes; k++)
            p[fields[i].at + k] = fields[i].range[which] >> 8 * k;
}
static int set_encoder(uint8_t *p, const uint8_t *wanted)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const unsigned *r = fields[i].range, v = get(wanted + fields[i].at, fields[i].bytes);
        // Sizes are in a list and profiles are; what else is wrong it does not take.
        int listed = fields[i].at == 12 || fields[i].at == 14 || fields[i].at == 20;
        if (!listed && (v < r[MIN] || v > r[MAX] || (r[RES] && (v - r[MIN]) % r[RES]))) return -1;
    }
    memcpy(p, wanted, 46);
    if (get(p + 20, 2) == 0x6400) p16(p + 20, 0x4d00); // no High
    return 0;
}

// a request to a unit or a terminal, whose control has n bytes at p
static int unit_request(int req, int n, uint8_t *p, const uint8_t *out, uint8_t *o)
{
    switch (req) {
    case 0x01: memcpy(p, out, n); return 0;
    case 0x81: memcpy(o, p, n); return n;
    case 0x85: p16(o, n); return 2;
    case 0x86: o[0] = 3; return 1;
    default: return -1;
    }
}
// a request to the camera terminal
static int terminal(int cs, int req, const uint8_t *out, uint8_t *o)
{
    // pan and tilt in seconds of arc; zoom; direction and speed of pan, then of tilt
    static int32_t place[2];
    static uint16_t zoom = 100;
    static uint8_t speed[4];
    static const int32_t places[][2] = {{0}, {-36000, -36000}, {36000, 36000}, {3600, 3600}, {0, 0}};
    static const uint16_t zooms[] = {0, 100, 500, 1, 100};
    static const uint8_t speeds[][4] = {{0}, {1, 1, 1, 1}, {1, 8, 1, 8}, {1, 1, 1, 1}, {0, 1, 0, 1}};
    int which = req == 0x87 ? DEF : req - 0x81; // MIN, MAX and RES are 0x82 to 0x84
    int range = which >= MIN && which <= DEF && req != 0x85;
    if (turns == PLACE && cs == 0x0d) {
        if (range) return memcpy(o, places[which], 8), 8;
        return unit_request(req, 8, (uint8_t *)place, out, o);
    }
    if (turns == PLACE && cs == 0x0b) {
        if (range) return p16(o, zooms[which]), 2;
        return unit_request(req, 2, (uint8_t *)&zoom, out, o);
    }
    if (turns == SPEED && cs == 0x0e) {
        if (range) return memcpy(o, speeds[which], 4), 4;
        return unit_request(req, 4, speed, out, o);
    }
    return -1;
}
static int unit(int id, int cs, int req, const uint8_t *out, uint8_t *o)
{
    if (id == 11 && cs == 9) return unit_request(req, sizeof led, led, out, o);
    if (id == 10 && cs == 9) {
        if (req == 0x01) next_key = 1;
        return unit_request(req, sizeof picture_type, picture_type, out, o);
    }
    if (id != 10 || cs < 1 || cs > 2) return -1;
    uint8_t *p = encoder[cs - 1];
    switch (req) {
    case 0x01:
        if (set_encoder(p, out)) return -1;
        return 0;
    case 0x82: fill_encoder(o, MIN); return 46;
    case 0x83: fill_encoder(o, MAX); return 46;
    case 0x84: fill_encoder(o, RES); return 46;
    case 0x87: fill_encoder(o, DEF); return 46;
    default: return unit_request(req, 46, p, out, o);
    }
}

// returns the length of the answer in o, -1 = stall
static int control(const uint8_t *s, const uint8_t *out, uint8_t *o)
{
    int type = s[0], req = s[1], val = s[2] | s[3] << 8, idx = s[4] | s[5] << 8, len = s[6] | s[7] << 8;
    if (verbose > 1)
        fprintf(stderr, "fakeuvc: control %02x %02x val %04x idx %04x len %d\n", type, req, val, idx, len);
    if ((type & 0x60) == 0) switch (req) { // standard
        case 0: p16(o, 0); return 2;       // GET_STATUS
        case 6:
            switch (val >> 8) { // GET_DESCRIPTOR
            case 1: memcpy(o, device_desc, 18); return 18;
            case 2: memcpy(o, cfg, ncfg); return ncfg;
            case 3: return string_desc(val & 255, o);
            default: return -1;
            }
        case 8: o[0] = 1; return 1;
        case 10: o[0] = idx == 1 ? alt : 0; return 1;
        case 11:
            if (idx == 1) {
                alt = val;
                streaming = alt > 0;
                next_iso = now();
                if (verbose) fprintf(stderr, "fakeuvc: alternate %d\n", alt);
            }
            return 0;
        case 1:
        case 3:
        case 5:
        case 9: return 0; // features, address, configuration
        default: return -1;
        }
    if ((type & 0x7f) != 0x21) return -1; // class, interface
    int cs = val >> 8, ent = idx >> 8, intf = idx & 255;
    if (intf == 1 && (cs == 1 || cs == 2)) { // VS_PROBE / VS_COMMIT
        uint8_t *p = cs == 1 ? probe : commit;
        switch (req) {
        case 0x01:
            memcpy(p, out, len < 34 ? len : 34);
            fill_probe(p);
            if (cs == 1) fill_encoder(encoder[1], DEF);
            if (cs == 2) {
                if (verbose) fprintf(stderr, "fakeuvc: commit format %d interval %u\n", p[2], g32(p + 4));
                if (!isoc) streaming = 1;
                next_frame = now();
                payoff = paylen = 0;
            }
            return 0;
        case 0x85: p16(o, 34); return 2; // GET_LEN
        case 0x86: o[0] = 3; return 1;   // GET_INFO
        case 0x81:
        case 0x82:
        case 0x83:
        case 0x87: {
            uint8_t t[34] = {0};
            if (req == 0x81 || req == 0x87) memcpy(t, p, 34);
            if (req == 0x87) memset(t, 0, 34);
            fill_probe(t);
            memcpy(o, t, 34);
            return 34;
        }
        default: return -1;
        }
    }
    if (intf == 0 && units && (ent == 10 || ent == 11)) return unit(ent, cs, req, out, o);
    if (intf == 0 && ent == 1) return terminal(cs, req, out, o);
    if (intf == 0 && ent == 2 && cs == 2) switch (req) { // processing unit: brightness
        case 0x01:
            brightness = (int16_t)(out[0] | out[1] << 8);
            if (verbose) fprintf(stderr, "fakeuvc: brightness %d\n", brightness);
            if (late) late_at = now() + late;
            return 0;
        case 0x81: p16(o, brightness); return 2;
        case 0x82: p16(o, 0); return 2;
        case 0x83: p16(o, 255); return 2;
        case 0x84: p16(o, 1); return 2;
        case 0x85: p16(o, 2); return 2;
        case 0x86: o[0] = 3; return 1;
        case 0x87: p16(o, 128); return 2;
        }
    return -1;
}

// ---------------------------------------------------------------- USB/IP wire
static int rd(void *b, size_t n)
{
    for (size_t k = 0; k < n;) {
        ssize_t r = read(sock, (char *)b + k, n - k);
        if (r <= 0) {
            if (r < 0 && errno == EINTR) continue;
            return -1;
        }
        k += r;
    }
    return 0;
}
static int wr(const void *b, size_t n)
{
    for (size_t k = 0; k < n;) {
        ssize_t r = send(sock, (const char *)b + k, n - k, MSG_NOSIGNAL);
        if (r < 0) {
            if (errno == EINTR) continue;
            return -1;
        }
        k += r;
    }
    return 0;
}

static int reply(uint32_t cmd, uint32_t seq, int status, uint32_t actual, uint32_t npkt, const void *data,
                 size_t n)
{
    static uint8_t m[1 << 21];
    uint32_t h[12] = {htonl(cmd), htonl(seq), 0, 0, 0, htonl(status), htonl(actual), 0, htonl(npkt), 0, 0, 0};
    if (48 + n > sizeof m) return -1;
    memcpy(m, h, 48);
    if (n) memcpy(m + 48, data, n);
    return wr(m, 48 + n);
}

static size_t frame_len(struct format *f) // length of the frame at f->pos
{
    const uint8_t *d = f->data + f->pos;
    size_t n = f->size - f->pos;
    if (f->kind == MJPG) {
        for (size_t i = 2; i + 1 < n; i++)
            if (d[i] == 0xff && d[i + 1] == 0xd8) return i;
        return n;
    }
    for (size_t i = 0, vcl = 0; i + 4 < n; i++) {
        if (d[i] || d[i + 1] || d[i + 2] != 1) continue;
        int t = d[i + 3] & 31;
        size_t s = i && !d[i - 1] ? i - 1 : i;
        if (vcl && (t == 6 || t == 7 || t == 8 || t == 9 || ((t == 1 || t == 5) && d[i + 4] & 0x80)))
            return s;
        if (t == 1 || t == 5) vcl = 1;
        i += 3;
    }
    return n;
}

static int is_key(struct format *f) // whether the frame at f->pos has an IDR slice
{
    const uint8_t *d = f->data + f->pos;
    for (size_t i = 0, n = frame_len(f); i + 3 < n; i++)
        if (!d[i] && !d[i + 1] && d[i + 2] == 1 && (d[i + 3] & 31) == 5) return 1;
    return 0;
}

static size_t next_frame_of(struct format *f, uint8_t *p)
{
    size_t n, looked = 0;
    while (next_key && f->kind == H264 && !is_key(f) && looked < f->size) {
        looked += n = frame_len(f);
        f->pos = f->pos + n < f->size ? f->pos + n : 0;
    }
    if (f->kind == H264) next_key = 0;
    n = frame_len(f);
    memcpy(p, f->data + f->pos, n);
    f->pos = f->pos + n < f->size ? f->pos + n : 0;
    return n;
}

// An auxiliary stream's segments; the answer is where they end.
static uint8_t *app4(uint8_t *o, const char *kind, const uint8_t *data, size_t n, int lose_last)
{
    static uint8_t b[1 << 22];
    uint8_t *before = o;
    memset(b, 0, 26);
    b[1] = 1;
    p16(b + 2, 22);
    memcpy(b + 4, kind, 4);
    memcpy(b + 8, encoder[1] + 12, 4);  // width, height
    memcpy(b + 12, encoder[1], 4);      // frame interval
    p32(b + 18, pts);
    p32(b + 22, n);
    memcpy(b + 26, data, n);
    n += 26;
    for (size_t k = 0, part; k < n; k += part) {
        part = n - k < (size_t)segment ? n - k : (size_t)segment;
        before = o;
        *o++ = 0xff;
        *o++ = 0xe4;
        *o++ = (part + 2) >> 8;
        *o++ = part + 2;
        memcpy(o, b + k, part);
        o += part;
    }
    return lose_last ? before : o;
}

// A picture that carries the next frame of the encoder, if it is told to: 16x16, one colour.
static size_t carrier(uint8_t *p)
{
    static const uint8_t begin[] = {0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0},
                         end[] = {0xff, 0xc0, 0,    11,   8, 0,    16, 0, 16, 1,    1, 0x11, 0,
                                  0xff, 0xda, 0,    8,    1, 1,    0,  0, 63, 0,    0x28, 0xa0, 0x02,
                                  0x8a, 0x00, 0xff, 0xd9};
    static uint8_t frame[1 << 22], raw[300];
    uint8_t *o = p;
    memcpy(o, begin, sizeof begin);
    o += sizeof begin;
    if (encoder[1][33] & 1) {
        size_t n = next_frame_of(&aux, frame);
        o = app4(o, "YUY2", raw, sizeof raw, 0);
        o = app4(o, "H264", frame, n, cut);
        o = app4(o, "NV12", raw, sizeof raw, 0);
        cut = 0;
    }
    memcpy(o, end, sizeof end);
    return o + sizeof end - p;
}

static void header(uint8_t *h, int eof) // 12-byte payload header with PTS and SCR
{
    h[0] = 12;
    h[1] = 0x80 | 0x0c | (eof ? 2 : 0) | fid | (mark_error ? 0x40 : 0);
    p32(h + 2, pts);
    p32(h + 6, (uint32_t)(now() * 48e6));
    p16(h + 10, (unsigned)(now() * 1000) & 0x7ff);
}

static void next_payload(void) // prepare the next frame when it is due
{
    double t = now(), iv = g32(commit + 4) / 1e7;
    if (payoff < paylen || stalled || t < next_frame) return;
    next_frame = next_frame + iv < t - 0.2 ? t : next_frame + iv;
    struct format *f = &fmts[commit[2] - 1];
    uint8_t *p = pay + 12;
    size_t n;
    if (f->kind == YUYV) {
        n = max_frame();
        for (size_t i = 0; i < n; i += 2)
            p[i] = brightness, p[i + 1] = 128 + (sent & 63);
    } else if (f->kind == MJPG && aux.file) {
        n = carrier(p);
    } else {
        n = next_frame_of(f, p);
        if (cut) n = 2, cut = 0;
    }
    fid ^= 1;
    pts = t * 48e6;
    sent++;
    header(pay, 1);
    paylen = n + 12;
    payoff = isoc ? 12 : 0;
    if (!isoc) mark_error = 0;
}

static int pump(void) // answer pending URBs
{
    while (streaming && nq) {
        next_payload();
        struct urb *u = &q[0];
        if (!isoc) {
            if (payoff >= paylen && !zlp) break;
            size_t n = paylen - payoff < u->len ? paylen - payoff : u->len;
            if (reply(RET_SUBMIT, u->seq, 0, n, 0, pay + payoff, n)) return -1;
            payoff += n;
            zlp = payoff >= paylen && n == u->len; // a payload ends with a short packet
        } else {
            static uint8_t b[1 << 20];
            size_t total = 0;
            if (now() < next_iso) break;
            next_iso = (next_iso < now() - 0.1 ? now() : next_iso) + u->npkt * 1e-3;
            for (uint32_t i = 0; i < u->npkt; i++) {
                struct iso *p = &u->iso[i];
                p->actual = p->status = 0;
                next_payload();
                if (payoff < paylen && p->len > 12) {
                    size_t n = paylen - payoff < p->len - 12 ? paylen - payoff : p->len - 12;
                    header(b + total, payoff + n == paylen);
                    memcpy(b + total + 12, pay + payoff, n);
                    payoff += n;
                    p->actual = n + 12;
                    total += n + 12;
                    if (payoff == paylen) {
                        mark_error = 0;
                    }
                }
            }
            for (uint32_t i = 0; i < u->npkt; i++) {
                uint32_t w[4] = {htonl(u->iso[i].off), htonl(u->iso[i].len), htonl(u->iso[i].actual), 0};
                memcpy(b + total + 16 * i, w, 16);
            }
            if (reply(RET_SUBMIT, u->seq, 0, total, u->npkt, b, total + 16 * u->npkt)) return -1;
            free(u->iso);
        }
        memmove(q, q + 1, --nq * sizeof *q);
    }
    return 0;
}

static int handle(void)
{
    uint32_t h[12];
    uint8_t out[4096], o[2048];
    if (rd(h, 48)) return -1;
    uint32_t cmd = ntohl(h[0]), seq = ntohl(h[1]), in = ntohl(h[3]), ep = ntohl(h[4]), len = ntohl(h[6]),
             npkt = ntohl(h[8]);
    if (cmd == CMD_UNLINK) {
        uint32_t victim = ntohl(h[5]);
        int found = late_len && late_seq == victim;
        if (found) late_len = late_at = 0;
        for (int i = 0; i < nq; i++)
            if (q[i].seq == victim) {
                free(q[i].iso);
                memmove(q + i, q + i + 1, (--nq - i) * sizeof *q);
                found = 1;
                break;
            }
        if (!nq && !isoc) {
            zlp = 0;
            payoff = paylen = 0;
        }
        return reply(RET_UNLINK, seq, found ? -ECONNRESET : 0, 0, 0, NULL, 0);
    }
    if (cmd != CMD_SUBMIT) return -1;
    if (!in && len) {
        if (len > sizeof out || rd(out, len)) return -1;
    }
    if (ep == 0) {
        int n = control((uint8_t *)&h[10], out, o),
            max = ((uint8_t *)&h[10])[6] | ((uint8_t *)&h[10])[7] << 8;
        if (n < 0) return reply(RET_SUBMIT, seq, -EPIPE, 0, 0, NULL, 0);
        if (n > max) n = max;
        if (!in && late_at) {
            late_seq = seq;
            late_len = len;
            return 0;
        }
        return in ? reply(RET_SUBMIT, seq, 0, n, 0, o, n) : reply(RET_SUBMIT, seq, 0, len, 0, NULL, 0);
    }
    if (nq == 64) return -1;
    struct urb *u = &q[nq++];
    *u = (struct urb){.seq = seq, .len = len};
    if (isoc) {
        u->npkt = npkt;
        u->iso = malloc(npkt * sizeof *u->iso);
        if (rd(u->iso, npkt * 16)) return -1;
        for (uint32_t i = 0; i < npkt; i++) {
            u->iso[i].off = ntohl(u->iso[i].off);
            u->iso[i].len = ntohl(u->iso[i].len);
        }
    }
    return 0;
}

static void unplug(void)
{
    // A pulled cable: tell vhci the port is gone (closing the socket alone does the same, asynchronously).
    int fd = open(VHCI "detach", O_WRONLY);
    if (fd >= 0) {
        dprintf(fd, "%d", port);
        close(fd);
    }
    close(sock);
    sock = -1;
    nq = alt = streaming = zlp = 0;
    payoff = paylen = 0;
    fprintf(stderr, "fakeuvc: unplugged after %lu frames\n", sent);
}

static int plug(void)
{
    int sv[2], fd;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv)) return -1;
    fill_probe(probe);
    fill_probe(commit);
    // A camera that was without power knows nothing of before.
    fill_encoder(encoder[0], DEF);
    fill_encoder(encoder[1], DEF);
    memset(picture_type, 0, sizeof picture_type);
    memcpy(led, (uint8_t[]){9, 3, 0, 0, 0}, sizeof led);
    for (port = 0; port < 8; port++) { // first free high-speed port
        if ((fd = open(VHCI "attach", O_WRONLY)) < 0) {
            perror(VHCI "attach (vhci-hcd loaded?)");
            return -1;
        }
        int ok = dprintf(fd, "%d %d %d %d", port, sv[1], 0x10001, 3) > 0;
        close(fd);
        if (ok) {
            close(sv[1]);
            sock = sv[0];
            fprintf(stderr, "fakeuvc: plugged into port %d\n", port);
            return 0;
        }
    }
    perror("attach");
    return -1;
}

static void on_signal(int s)
{
    if (s == SIGUSR1) want_plug = !want_plug;
    else if (s == SIGUSR2) stalled = !stalled;
    else if (s == SIGHUP) mark_error = 1;
    else if (s == SIGWINCH) cut = 1;
    else quit = 1;
}

int main(int c, char **v)
{
    int o;
    while ((o = getopt(c, v, "m:h:ys:r:ip:ua:g:w:v")) != -1)
        switch (o) {
        case 'm': fmts[nfmt++] = (struct format){.kind = MJPG, .file = optarg}; break;
        case 'h': fmts[nfmt++] = (struct format){.kind = H264, .file = optarg}; break;
        case 'y': fmts[nfmt++] = (struct format){.kind = YUYV}; break;
        case 's': sscanf(optarg, "%dx%d", &W, &H); break;
        case 'r': fps = atof(optarg); break;
        case 'i': isoc = 1; break;
        case 'p': turns = *optarg == 'p' ? PLACE : SPEED; break;
        case 'u': units = 1; break;
        case 'a':
            units = 1;
            aux.file = optarg;
            fmts[nfmt++] = (struct format){.kind = MJPG};
            break;
        case 'g': segment = atoi(optarg); break;
        case 'w': late = atof(optarg) / 1000; break;
        case 'v': verbose++; break;
        default: return 2;
        }
    if (!nfmt) fmts[nfmt++] = (struct format){.kind = YUYV};
    for (int i = 0; i <= nfmt; i++) {
        struct format *m = i < nfmt ? &fmts[i] : &aux;
        if (!m->file) continue;
        FILE *f = fopen(m->file, "r");
        if (!f) {
            perror(m->file);
            return 1;
        }
        fseek(f, 0, SEEK_END);
        m->size = ftell(f);
        rewind(f);
        m->data = malloc(m->size);
        if (fread(m->data, 1, m->size, f) != m->size) return 1;
        fclose(f);
    }
    pay = malloc(max_frame() + 4096);
    build_descriptors();
    struct sigaction sa = {.sa_handler = on_signal};
    int sigs[] = {SIGUSR1, SIGUSR2, SIGHUP, SIGWINCH, SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof sigs / sizeof *sigs; i++)
        sigaction(sigs[i], &sa, NULL);
    while (!quit) {
        if (want_plug && sock < 0 && plug()) return 1;
        if (!want_plug && sock >= 0) unplug();
        struct pollfd p = {sock, POLLIN, 0};
        double t = now(), due = isoc ? (next_iso < next_frame ? next_iso : next_frame) : next_frame;
        int ms = streaming && nq && sock >= 0 ? (due > t ? (int)((due - t) * 1000) + 1 : 1) : 100;
        if (late_len && ms > 10) ms = 10;
        int r = poll(&p, sock >= 0, ms);
        if (late_len && now() >= late_at) {
            reply(RET_SUBMIT, late_seq, 0, late_len, 0, NULL, 0);
            late_len = late_at = 0;
        }
        if (r > 0 && p.revents && handle()) {
            fprintf(stderr, "fakeuvc: host closed the connection\n");
            close(sock);
            sock = -1;
            want_plug = 0;
            nq = alt = streaming = 0;
        }
        if (sock >= 0 && pump()) {
            close(sock);
            sock = -1;
            want_plug = 0;
        }
    }
    if (sock >= 0) unplug();
    return 0;
}
