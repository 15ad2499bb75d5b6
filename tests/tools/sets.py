#!/usr/bin/env python3
"""Has an H.264 stream change its parameter sets: sets.py IN OUT HOW

IN is a byte stream of CAVLC slices, whose parameter sets have the ids 0 and come before each IDR picture.
HOW is `ids` (their ids count up at each IDR picture) or `pps` (each third picture has a new PPS of another id before it,
which it and those behind it use).
"""
import re
import sys


def nal_units(data):
    starts = [m.start() for m in re.finditer(b"\0\0\1", data)] + [len(data)]
    return [data[a + 3 : b].rstrip(b"\0") for a, b in zip(starts, starts[1:])]


def bits_of(nal):
    """The bits of a NAL unit's RBSP up to its stop bit."""
    bits = "".join(f"{byte:08b}" for byte in re.sub(b"\0\0\3", b"\0\0", nal[1:]))
    return bits[: bits.rindex("1")]


def nal_of(header, bits):
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    out, zeros = bytearray([header]), 0
    for byte in int(bits, 2).to_bytes(len(bits) // 8, "big"):
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def ue(value):
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def skip_ue(bits, at):
    return bits.index("1", at) * 2 - at + 1


def with_ids(nal, sps_id, pps_id):
    bits, kind = bits_of(nal), nal[0] & 31
    if kind == 7:
        bits = bits[:24] + ue(sps_id) + bits[skip_ue(bits, 24) :]
    elif kind == 8:
        bits = ue(pps_id) + ue(sps_id) + bits[skip_ue(bits, skip_ue(bits, 0)) :]
    elif kind in (1, 5):
        at = skip_ue(bits, skip_ue(bits, 0))
        bits = bits[:at] + ue(pps_id) + bits[skip_ue(bits, at) :]
    else:
        return nal
    return nal_of(nal[0], bits)


def main():
    source, target, how = sys.argv[1:]
    with open(source, "rb") as file:
        units = nal_units(file.read())
    out, group, picture, pps_id, pps = [], -1, -1, 0, b""
    for nal in units:
        kind = nal[0] & 31
        group += kind == 7
        first = kind in (1, 5) and nal[1] & 0x80
        picture += bool(first)
        if how == "ids":
            out.append(with_ids(nal, group % 32, group % 57))
            continue
        if kind == 8:
            pps, pps_id = nal, 0
        elif first and kind == 1 and picture % 3 == 0:
            pps_id = 1 + picture % 200
            out.append(with_ids(pps, 0, pps_id))
        out.append(with_ids(nal, 0, pps_id))
    with open(target, "wb") as file:
        file.write(b"".join(b"\0\0\0\1" + nal for nal in out))


main()
