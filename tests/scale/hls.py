"""A playlist, and what viewers do with it. A viewer is a generator: it gives a path to ask for, or seconds to wait, and is
sent a `Reply`."""
import calendar
import functools
import time
from collections import namedtuple

# `at`: when it was there, in Unix time. `body`: None of media, which is only counted.
Reply = namedtuple("Reply", "status body at")
Segment = namedtuple("Segment", "sequence init starts duration uri parts")
Part = namedtuple("Part", "uri ends")
# `first`: the first media sequence number that is listed.
Playlist = namedtuple("Playlist", "first target_s segments hint")

PLAYLIST = "/streaminf.m3u8"


def attributes(text):
    pairs = (pair.partition("=") for pair in text.split(","))
    return {name: value.strip('"') for name, _, value in pairs}


def unix(date):
    return calendar.timegm(time.strptime(date[:19], "%Y-%m-%dT%H:%M:%S")) + float(date[19:-1])


@functools.lru_cache(maxsize=64)
def parse(body):
    """Many viewers get the same bytes."""
    first = skipped = 0
    target_s, hint, init, segments = 1, None, None, []
    starts = ends = duration = None
    parts = []

    def segment(uri):
        return Segment(first + skipped + len(segments), init, starts, duration, uri, parts)

    for line in body.decode().splitlines():
        tag, _, value = line.partition(":")
        if tag == "#EXT-X-MEDIA-SEQUENCE":
            first = int(value)
        elif tag == "#EXT-X-TARGETDURATION":
            target_s = int(value)
        elif tag == "#EXT-X-SKIP":
            skipped = int(attributes(value)["SKIPPED-SEGMENTS"])
        elif tag == "#EXT-X-MAP":
            init = attributes(value)["URI"]
        elif tag == "#EXT-X-PROGRAM-DATE-TIME":
            starts = ends = unix(value)
        elif tag == "#EXT-X-PART":
            part = attributes(value)
            ends += float(part["DURATION"])
            parts.append(Part(part["URI"], ends))
        elif tag == "#EXTINF":
            duration = float(value.rstrip(","))
        elif tag == "#EXT-X-PRELOAD-HINT":
            hint = attributes(value)["URI"]
        elif line and not line.startswith("#"):
            segments.append(segment(line))
            parts, duration = [], None
    if parts:
        segments.append(segment(None))
    return Playlist(first, target_s, segments, hint)


class Seen:
    """What all viewers of a kind have seen by one way."""

    def __init__(self):
        self.requests = self.bytes = self.media = self.gaps = 0
        self.errors = {}
        # Of the newest segment or part in a playlist: how long ago it was filmed, once it has been read (s).
        self.ages = []

    def error(self, what):
        self.errors[what] = self.errors.get(what, 0) + 1


def first_playlist():
    """Its init segment, too."""
    yield "/stream.m3u8"
    while True:
        reply = yield PLAYLIST
        if reply.status == 200:
            playlist = parse(reply.body)
            yield "/" + playlist.segments[-1].init
            return playlist
        yield 1.0


def gap(seen, playlist, sequence):
    """Counts what was listed no longer, before this viewer saw it; gives the next that is."""
    seen.gaps += max(0, playlist.first - sequence)
    return max(sequence, playlist.first)


def watch_plainly(seen):
    """Without low latency: whole segments, and the playlist again when RFC 8216 (6.3.4) lets a player ask for it."""
    playlist = yield from first_playlist()
    sequence = [s for s in playlist.segments if s.uri][-1].sequence
    while True:
        asked = time.time()
        sequence = gap(seen, playlist, sequence)
        new = [s for s in playlist.segments if s.uri and s.sequence >= sequence]
        for segment in new:
            reply = yield "/" + segment.uri
            if reply.status == 200:
                seen.media += 1
                if segment is new[-1]:
                    seen.ages.append(reply.at - segment.starts - segment.duration)
            sequence = segment.sequence + 1
        wait_s = playlist.target_s if new else playlist.target_s / 2
        while True:
            yield max(0.0, asked + wait_s - time.time())
            asked = time.time()
            reply = yield PLAYLIST
            if reply.status == 200:
                break
        playlist = parse(reply.body)


def watch_closely(seen, hasty):
    """With low latency: each part, once the playlist has it, or, as `hasty`, asked for before by its hint."""
    playlist = yield from first_playlist()
    newest = playlist.segments[-1]
    sequence, part = (newest.sequence + 1, 0) if newest.uri else (newest.sequence, len(newest.parts))
    had = had_at = None
    while True:
        if hasty and playlist.hint and playlist.hint != had:
            reply = yield "/" + playlist.hint
            if reply.status == 200:
                had, had_at = playlist.hint, reply.at
        reply = yield f"{PLAYLIST}?_HLS_msn={sequence}&_HLS_part={part}&_HLS_skip=YES"
        if reply.status != 200:
            yield 0.5
            continue
        playlist = parse(reply.body)
        if playlist.first > sequence:
            sequence, part = gap(seen, playlist, sequence), 0
        newest = playlist.segments[-1]
        for segment in playlist.segments:
            if segment.sequence < sequence:
                continue
            if segment.sequence > sequence:
                sequence, part = segment.sequence, 0
            # Of an older segment the playlist has no parts any more.
            wanted = segment.parts[part:] if segment.parts else [Part(segment.uri, segment.starts + segment.duration)]
            for one in wanted:
                at = had_at if one.uri == had else None
                if at is None:
                    reply = yield "/" + one.uri
                    at = reply.at if reply.status == 200 else None
                if at is not None:
                    seen.media += 1
                    if segment is newest and one is wanted[-1]:
                        seen.ages.append(at - one.ends)
            part = len(segment.parts)
            if segment.uri:
                sequence, part = segment.sequence + 1, 0
