#!/usr/bin/env python3
"""CLIENT TRANSPORT URL [PICTURES]: plays the test picture by one of PyPI's RTSP clients, all of it or so many pictures, and
writes the top row of each, in which its number is, in gray."""
import asyncio
import itertools
import os
import subprocess
import sys

client, transport, url, *count = sys.argv[1:]
PICTURES = int(count[0]) if count else None


def show(picture):
    """The row is as high as its blocks are wide."""
    row = picture[:picture.shape[1] // 40 // 2 * 2]
    sys.stdout.buffer.write(row.tobytes())
    sys.stdout.buffer.flush()


def by_av():
    import av

    with av.open(url, options={"rtsp_transport": transport}) as container:
        for picture in itertools.islice(container.decode(video=0), PICTURES):
            show(picture.to_ndarray(format="gray"))


def by_cv2():
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = f"rtsp_transport;{transport}"
    import cv2

    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
    for _ in itertools.islice(itertools.count(), PICTURES):
        good, picture = capture.read()
        if not good:
            sys.exit("OpenCV reads no more")
        show(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))


def by_imageio_ffmpeg():
    import imageio_ffmpeg

    words = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-rtsp_transport", transport, "-i", url]
    words += ["-frames:v", str(PICTURES), "-vf", "crop=iw:floor(iw/80)*2:0:0", "-fps_mode", "passthrough"]
    subprocess.run(words + ["-f", "rawvideo", "-pix_fmt", "gray", "-"], check=True, stdin=subprocess.DEVNULL)


def by_aiortsp():
    """It gives RTP packets, in the order of their coming, of which a byte stream is made (RFC 6184)."""
    import av
    from aiortsp.rtsp.reader import RTSPReader

    decoder = av.CodecContext.create("h264", "r")

    def decode(units):
        for picture in decoder.decode(units and av.Packet(b"".join(b"\0\0\0\1" + unit for unit in units))):
            show(picture.to_ndarray(format="gray"))

    async def read():
        pictures, before, units = 0, None, []
        async with RTSPReader(url.replace("rtsp", "rtspt" if transport == "tcp" else "rtsp", 1)) as reader:
            async for packet in reader.iter_packets():
                assert before is None or packet.seq == (before + 1) % 65536, "a packet is missing"
                before, data = packet.seq, packet.data
                if data[0] & 31 != 28:
                    units.append(data)
                elif data[1] & 0x80:
                    units.append(bytes([data[0] & 0xE0 | data[1] & 31]) + data[2:])
                else:
                    units[-1] += data[2:]
                if not packet.m:
                    continue
                decode(units)
                pictures, units = pictures + 1, []
                if pictures == PICTURES:
                    return

    asyncio.run(read())
    decode(None)


{"av": by_av, "cv2": by_cv2, "imageio_ffmpeg": by_imageio_ffmpeg, "aiortsp": by_aiortsp}[client]()
