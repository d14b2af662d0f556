"""Metadata that outlives a new encoding: tags of files and streams, and chapters."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from .video_source import VideoSource

# Tags of an encoding that is no more; the new file gets its own.
STALE_TAGS = ("encoder", "major_brand", "minor_version", "compatible_brands", "duration", "bps")
_STALE_PREFIXES = ("number_of_", "_statistics", "bps-", "duration-")


def lasting(tags: dict[str, str]) -> dict[str, str]:
    """Metadata without what described the old encoding (encoder, brands, sizes and rates)."""
    return {
        key: value
        for key, value in tags.items()
        if key.lower() not in STALE_TAGS and not key.lower().startswith(_STALE_PREFIXES)
    }


def track_tags(tags: dict[str, str]) -> dict[str, str]:
    """`lasting` tags of a stream. MP4's reader calls a track's title "name", its writer takes only "title"."""
    kept = lasting(tags)
    if name := kept.pop("name", None):
        kept.setdefault("title", name)
    return kept


def copied_tags(tags: dict[str, str]) -> dict[str, str]:
    """Tags of a stream whose packets are copied: who encoded it stays true."""
    encoder = {key: value for key, value in tags.items() if key.lower() == "encoder"}
    return track_tags(tags) | encoder


def cut_chapters(media: VideoSource) -> list[Any]:
    """The source's chapters, cut and shifted as its frames are."""
    start, end, shift = media.cut
    kept = []
    for chapter in media.container.chapters():
        tick = Fraction(chapter["time_base"] or Fraction(1, 1000))
        first, last = chapter["start"] * tick, chapter["end"] * tick
        first = max(first, start) if start is not None else first
        last = min(last, end) if end is not None else last
        if first < last or (start is None and end is None):
            moved = {"start": round((first - shift) / tick), "end": round((last - shift) / tick)}
            kept.append({**chapter, **moved, "time_base": tick})
    return kept
