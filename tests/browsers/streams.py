"""Streams of x264 with the test picture's frame numbers, and what may stand in their SPS."""
import functools
import re
import subprocess

from driver import OUT, check, needs


def raw_frames(width, height, count):
    """Gray pictures (yuv420p) with the row of blocks and a bar that runs across."""
    block, chroma = width // 40 // 2 * 2, bytes([128]) * (width * height // 2)
    shade = bytes(40 + 120 * x // width for x in range(width))
    for number in range(count):
        bits = [1, 0] + [number >> (31 - i) & 1 for i in range(32)]
        blocks = b"".join(bytes([235 if bit else 16]) * block for bit in bits)
        row = bytearray(shade)
        at = number * 5 % (width - 20)
        row[at:at + 20] = bytes([220]) * 20
        yield (blocks + shade[len(blocks):]) * block + bytes(row) * (height - block) + chroma


def coded(path, count, *options):
    """A file of such pictures, at 30 a second, coded by ffmpeg."""
    needs("ffmpeg")
    width, height = 640, 480
    encoder = subprocess.Popen(
        ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", "30",
         "-i", "-", *options, path], stdin=subprocess.PIPE)
    for frame in raw_frames(width, height, count):
        encoder.stdin.write(frame)
    encoder.stdin.close()
    check(encoder.wait() == 0, "ffmpeg failed")
    return path


@functools.cache
def high_file():
    """x264's High profile, 30 s, no B-frames, three reference pictures, its own full VUI."""
    return coded(OUT / "high.h264", 900, "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-bf", "0",
                 "-g", "30", "-x264-params", "aud=1:repeat-headers=1:ref=3", "-f", "h264")


@functools.cache
def baseline_file():
    """Baseline, whose slices are CAVLC, 10 s."""
    return coded(OUT / "baseline.h264", 300, "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "baseline", "-g", "30",
                 "-x264-params", "repeat-headers=1", "-f", "h264")


@functools.cache
def jpeg_file():
    """90 s of JPEG pictures."""
    return coded(OUT / "pictures.mjpeg", 2700, "-c:v", "mjpeg", "-q:v", "5", "-f", "mjpeg")


class Bits:
    def __init__(self, data):
        self.text, self.at = "".join(f"{byte:08b}" for byte in data), 0

    def u(self, count):
        self.at += count
        return int(self.text[self.at - count:self.at], 2)

    def ue(self):
        zeros = self.text.index("1", self.at) - self.at
        self.at += zeros
        return self.u(zeros + 1) - 1


def vui_flag(sps):
    """The place of vui_parameters_present_flag: H.264 7.3.2.1.1, as far as x264 makes use of it."""
    bits = Bits(sps[1:].replace(b"\0\0\3", b"\0\0"))
    profile, _, _ = bits.u(8), bits.u(16), bits.ue()
    if profile == 100:
        chroma, _, _, _, matrix = bits.ue(), bits.ue(), bits.ue(), bits.u(1), bits.u(1)
        check((chroma, matrix) == (1, 0), "an SPS of another kind")
    bits.ue()                               # log2_max_frame_num_minus4
    order = bits.ue()                       # pic_order_cnt_type
    check(order in (0, 2), "an SPS of another kind")
    if order == 0:
        bits.ue()                           # log2_max_pic_order_cnt_lsb_minus4
    bits.ue(), bits.u(1), bits.ue(), bits.ue()
    if not bits.u(1):                       # frame_mbs_only_flag
        bits.u(1)
    bits.u(1)                               # direct_8x8_inference_flag
    if bits.u(1):                           # frame_cropping_flag
        bits.ue(), bits.ue(), bits.ue(), bits.ue()
    return bits.at


def edit_sps(stream, edit):
    """The Annex-B stream with every SPS's bits, without the stop bit, gone through `edit`."""
    def edited(found):
        sps = found[0]
        text = Bits(sps[1:].replace(b"\0\0\3", b"\0\0")).text
        text = edit(text[:text.rindex("1")], vui_flag(sps)) + "1"
        text += "0" * (-len(text) % 8)
        rbsp = bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8))
        return sps[:1] + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\0\0\3", rbsp)
    return re.sub(rb"(?<=\x00\x00\x01)\x67.*?(?=\x00\x00[\x00\x01])", edited, stream, flags=re.S)


def no_vui(text, flag):
    check(text[flag] == "1", "no VUI to take away")
    return text[:flag] + "0"


def reorder_two(text, _):
    """max_num_reorder_frames 2 in place of 0; it and max_dec_frame_buffering, here 3, are the last (E.1.1)."""
    check(text.endswith("1" + "00100"), "another VUI than x264's")
    return text[:-6] + "011" + "00100"
