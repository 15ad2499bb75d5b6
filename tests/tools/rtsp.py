#!/usr/bin/env python3
"""CLIENT TRANSPORT URL: plays the test picture (320x240) by one of PyPI's RTSP clients, and writes 60 pictures of it in gray."""
import asyncio
import os
import subprocess
import sys

client, transport, url = sys.argv[1:]
PICTURES = 60


def by_av():
    import av

    with av.open(url, options={"rtsp_transport": transport}) as container:
        for number, picture in enumerate(container.decode(video=0)):
            sys.stdout.buffer.write(picture.to_ndarray(format="gray").tobytes())
            if number + 1 == PICTURES:
                break


def by_cv2():
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = f"rtsp_transport;{transport}"
    import cv2

    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
    for _ in range(PICTURES):
        good, picture = capture.read()
        assert good, "OpenCV reads no more"
        sys.stdout.buffer.write(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).tobytes())


def by_imageio_ffmpeg():
    import imageio_ffmpeg

    words = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-rtsp_transport", transport, "-i", url]
    words += ["-frames:v", str(PICTURES), "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)


def by_aiortsp():
    """It gives RTP packets, in the order of their coming, of which a byte stream is made (RFC 6184)."""
    import av
    from aiortsp.rtsp.reader import RTSPReader

    units = []

    async def read():
        pictures, before = 0, None
        async with RTSPReader(url) as reader:
            async for packet in reader.iter_packets():
                assert before is None or packet.seq == (before + 1) % 65536, "a packet is missing"
                before, data = packet.seq, packet.data
                if data[0] & 31 != 28:
                    units.append(data)
                elif data[1] & 0x80:
                    units.append(bytes([data[0] & 0xE0 | data[1] & 31]) + data[2:])
                else:
                    units[-1] += data[2:]
                pictures += packet.m
                if pictures == PICTURES:
                    return

    asyncio.run(asyncio.wait_for(read(), 60))
    decoder = av.CodecContext.create("h264", "r")
    packets = decoder.parse(b"".join(b"\0\0\0\1" + unit for unit in units)) + decoder.parse(None)
    for packet in packets + [None]:
        for picture in decoder.decode(packet):
            sys.stdout.buffer.write(picture.to_ndarray(format="gray").tobytes())


{"av": by_av, "cv2": by_cv2, "imageio_ffmpeg": by_imageio_ffmpeg, "aiortsp": by_aiortsp}[client]()
