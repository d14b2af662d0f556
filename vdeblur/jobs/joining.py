"""Joins segments into one file with all other streams of the input, each frame at its exact time.

Matroska rounds times to milliseconds, and decoding times of separate encodes overlap where B-frames reorder. So both
are computed again: the position of a packet in presentation order selects its exact pts from the manifest, and its
decoding time is the pts of the frame as many positions earlier as the deepest reordering needs, as a single encode
would have written it.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from ..errors import NotInSegments, OutputError
from ..files import file_sha256
from ..media.joined_sink import JoinedSink, PacketTimes, packet_pts
from ..media.sources import open_source
from ..media.video_source import VideoSource
from .folder import JobFolder, Manifest
from .job import Summary

NEAR = 0.6
"""Share of the frame duration within which a packet without its own frame lies from another (see `VideoSource`)."""


def join(folder: JobFolder) -> Summary:
    """Join the segments of a job into its output; all must be finished.

    Raises OutputError if segments are missing or altered, NotInSegments if they do not cover the input exactly, and
    what `open_sink` raises.
    """
    manifests = [_verified_manifest(folder, index) for index in range(len(folder.segments))]
    check_tiling(folder, manifests)
    filled = [manifest for manifest in manifests if manifest.frames]
    job = folder.job
    writing = replace(job.sink, partial_folder=str(folder.path))  # a killed join leaves nothing elsewhere
    with open_source(job.input, job.source) as source:
        assert isinstance(source, VideoSource)
        with JoinedSink(folder.output, source, writing, folder.video(filled[0].index)) as sink:
            for manifest, times in zip(filled, _retimed(folder, filled, source.shift), strict=True):
                sink.append(folder.video(manifest.index), times, folder.time_base)
        warnings = list(dict.fromkeys((*(w for m in manifests for w in m.warnings), *source.warnings, *sink.warnings)))
    return summary_of(folder, manifests, tuple(warnings))


def summary_of(folder: JobFolder, manifests: Sequence[Manifest], warnings: tuple[str, ...]) -> Summary:
    """The results of all segments together."""
    first = manifests[0]
    return Summary(
        frames=sum(m.frames for m in manifests),
        seconds=sum(m.seconds for m in manifests),
        model=first.model,
        device=first.device,
        precision=first.precision,
        fallbacks=sum(m.fallbacks for m in manifests),
        scene_cuts=max(sum(m.scene_starts for m in manifests) - 1, 0),
        concealed=sum(m.concealed for m in manifests),
        damaged=any(m.damaged for m in manifests),
        output=folder.output,
        warnings=warnings,
        retreats=tuple(dict.fromkeys(retreat for m in manifests for retreat in m.retreats)),
    )


def check_tiling(folder: JobFolder, manifests: Sequence[Manifest]) -> None:
    """Raise NotInSegments unless the segments contain each frame of the input once, in order."""
    written: list[int] = []
    for segment, manifest in zip(folder.segments, manifests, strict=True):
        inside = all(map(segment.holds, manifest.pts))
        if not inside or any(a >= b for a, b in pairwise((*written[-1:], *manifest.pts))):
            raise NotInSegments(f"{folder.output}: segment {segment.index} contains frames of other segments")
        written += manifest.pts
    if not written:
        raise NotInSegments(f"{folder.output}: the segments contain no frames")
    missing = sorted(set(folder.times()) - set(written))
    if missing and not any(manifest.damaged for manifest in manifests):
        near = NEAR * min((b - a for a, b in pairwise(written)), default=1)
        lost = [pts for pts in missing if min(abs(pts - other) for other in _neighbours(written, pts)) > near]
        if lost:
            at = float(lost[0] * folder.time_base)
            raise NotInSegments(f"{folder.output}: {len(lost)} frames missing in the segments, first at {at:.3f} s")


def _neighbours(rising: Sequence[int], value: int) -> Sequence[int]:
    place = bisect(rising, value)
    return rising[max(place - 1, 0) : place + 1]


def _verified_manifest(folder: JobFolder, index: int) -> Manifest:
    manifest = folder.manifest(index)
    if manifest is None:
        raise OutputError(f"{folder.output}: segment {index} is missing; run the same command again")
    if file_sha256(folder.video(index)) != manifest.sha256:
        folder.video(index).unlink()
        raise OutputError(f"{folder.video(index)}: altered on disk; run the same command again")
    return manifest


def _retimed(folder: JobFolder, manifests: Sequence[Manifest], shift: int) -> Iterator[list[PacketTimes]]:
    """For each segment the times of its packets in decoding order, in ticks of the input stream less `shift`."""
    times = [pts - shift for manifest in manifests for pts in manifest.pts]
    step = _median_step(times)
    ends = [*times[1:], times[-1] + (manifests[-1].last_duration or step)]
    ranked = [_presentation_ranks(folder, manifest) for manifest in manifests]
    depth = max(map(_reorder_depth, ranked))
    first = 0
    for ranks in ranked:
        retimed = []
        for decoded, place in enumerate((first + rank for rank in ranks), first):
            before = decoded - depth
            dts = times[before] if before >= 0 else times[0] + before * step
            retimed.append(PacketTimes(times[place], dts, ends[place] - times[place]))
        yield retimed
        first += len(ranks)


def _presentation_ranks(folder: JobFolder, manifest: Manifest) -> list[int]:
    """Position in presentation order of each packet of a segment, in decoding order."""
    pts = packet_pts(folder.video(manifest.index))
    if len(pts) != manifest.frames or None in pts or len(set(pts)) != len(pts):
        place = f"{folder.output}: segment {manifest.index}"
        raise NotInSegments(f"{place} cannot be joined: the encoder did not write one packet per frame")
    order = {value: rank for rank, value in enumerate(sorted(value for value in pts if value is not None))}
    return [order[value] for value in pts if value is not None]


def _reorder_depth(ranks: Sequence[int]) -> int:
    """Number of positions by which decoding times must precede presentation, so that none is later than its pts."""
    return max((place - rank for place, rank in enumerate(ranks)), default=0)


def _median_step(times: Sequence[int]) -> int:
    steps = sorted(b - a for a, b in pairwise(times))
    return steps[len(steps) // 2] if steps else 1
