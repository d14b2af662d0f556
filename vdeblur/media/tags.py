"""Metadata that is kept: tags of files and streams, and chapters."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from .video_source import VideoSource

# Tags of the old encoding; the new file gets its own.
STALE_TAGS = ("encoder", "major_brand", "minor_version", "compatible_brands", "duration", "bps")
_STALE_PREFIXES = ("number_of_", "_statistics", "bps-", "duration-")


def kept_tags(tags: dict[str, str]) -> dict[str, str]:
    """Tags without those of the old encoding (encoder, brands, sizes and rates)."""
    return {
        key: value
        for key, value in tags.items()
        if key.lower() not in STALE_TAGS and not key.lower().startswith(_STALE_PREFIXES)
    }


def track_tags(tags: dict[str, str]) -> dict[str, str]:
    """The kept tags of a stream. FFmpeg's MP4 demuxer calls the title of a track "name", its muxer expects "title"."""
    kept = kept_tags(tags)
    if name := kept.pop("name", None):
        kept.setdefault("title", name)
    return kept


def copied_tags(tags: dict[str, str]) -> dict[str, str]:
    """Tags of a copied stream, which keeps the name of its encoder."""
    encoder = {key: value for key, value in tags.items() if key.lower() == "encoder"}
    return track_tags(tags) | encoder


def cut_chapters(media: VideoSource) -> list[Any]:
    """The chapters of the source, cut and shifted like its frames."""
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
