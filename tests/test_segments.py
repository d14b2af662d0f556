"""Segments: whatever the file, restored in pieces it is what it would have been whole."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from support import videos
from support.networks import tiny
from support.videos import decoded, largest_difference
from vdeblur.backends.checkpoints import save
from vdeblur.backends.published import UNMEASURED_WARM_UP, published
from vdeblur.errors import InputError, OutputError
from vdeblur.jobs.fingerprints import job_from_json, job_to_json
from vdeblur.jobs.folder import JobFolder, folder_of
from vdeblur.jobs.job import Job, Summary
from vdeblur.jobs.joining import join
from vdeblur.jobs.plan import Cutting, _segments, cut
from vdeblur.jobs.restore import prepare, restore
from vdeblur.jobs.segment import restore_segment
from vdeblur.jobs.whole import restore_whole
from vdeblur.loading import ModelOptions, default_model, warm_up_of
from vdeblur.media.options import SinkOptions, SourceOptions
from vdeblur.models.convlstm import ConvLSTM

SHORT = Cutting(min_seconds=0.4, max_seconds=0.9, warm_up=4)
LOSSLESS = SinkOptions(codec="ffv1")
VFR = [int(pts) for pts in np.cumsum(np.random.default_rng(0).integers(300, 900, 40)) + 700]
TICK = Fraction(1, 15360)


def both(tmp_path: Path, file: str, suffix: str, **settings: Any) -> tuple[Summary, Summary]:
    """The same job whole and in segments."""
    settings = dict[str, Any](model=ModelOptions("unsharp"), sink=LOSSLESS) | settings
    whole = restore_whole(Job(file, str(tmp_path / f"whole{suffix}"), **settings))
    pieces = restore(Job(file, str(tmp_path / f"pieces{suffix}"), **settings), cutting=SHORT)
    assert not folder_of(pieces.output).exists()
    return whole, pieces


CASES = {
    "constant rate, B-frames": ("in.mp4", videos.Recipe(videos.frames(40), options={"g": "11"}, bframes=3), ".mkv"),
    "variable rate, B-frames": (
        "in.mp4",
        videos.Recipe(videos.frames(40, pts=VFR, time_base=TICK), options={"g": "9"}, bframes=2),
        ".mov",
    ),
    "an offset start in a transport stream": (
        "in.ts",
        videos.Recipe(videos.frames(40), options={"g": "11"}, bframes=2),
        ".mkv",
    ),
    "one keyframe for all": ("in.mkv", videos.Recipe(videos.frames(40), options={"g": "999"}, bframes=2), ".mkv"),
    "turned, with wide pixels": (
        "in.mp4",
        videos.Recipe(videos.frames(40), matrix=videos.ROTATED_90, aspect=Fraction(4, 3)),
        ".mov",
    ),
    "wide pixels that no codec knows of": (
        "in.mp4",
        videos.Recipe(videos.frames(40), options={"g": "11"}, aspect=Fraction(16, 11)),
        ".mkv",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_segmented_equals_whole(tmp_path: Path, case: str) -> None:
    name, recipe, suffix = CASES[case]
    source = videos.write(tmp_path / name, replace(recipe, audio="aac", audio_seconds=1.6, chapters=2))
    sink = LOSSLESS if suffix == ".mkv" else SinkOptions(crf=0)
    whole, pieces = both(tmp_path, source, suffix, sink=sink)
    assert (pieces.frames, pieces.scene_cuts, pieces.damaged) == (40, whole.scene_cuts, False)
    assert largest_difference(decoded(whole.output), decoded(pieces.output)) == 0
    assert videos.packets(pieces.output, "audio") == videos.packets(whole.output, "audio")
    assert replace(videos.info_of(pieces.output), bit_rate=None) == replace(videos.info_of(whole.output), bit_rate=None)


def test_what_the_output_cannot_hold_is_told_of_segments_too(tmp_path: Path) -> None:
    recipe = videos.Recipe(videos.frames(40), options={"g": "11"}, aspect=Fraction(16, 11))
    source = videos.write(tmp_path / "in.mp4", recipe)
    for summary in both(tmp_path, source, ".nut"):
        assert any("ffv1 in nut drops the pixel ratio 16:11" in warning for warning in summary.warnings)


def test_times_and_decoding_order_are_those_of_one_encode(tmp_path: Path) -> None:
    """With B-frames in the output, in MP4, to the tick; and no packet is decoded after it is shown."""
    import av

    frames = videos.frames(40, pts=VFR, time_base=TICK)
    source = videos.write(tmp_path / "in.mp4", videos.Recipe(frames, options={"g": "9"}))
    _, pieces = both(tmp_path, source, ".mp4", sink=SinkOptions(crf=12, encoder_options={"bf": "3"}))
    times = [[frame.pts * frame.time_base for frame in decoded(path)] for path in (source, pieces.output)]
    assert times[0] == times[1]
    with av.open(pieces.output) as container:
        packets = [(p.dts, p.pts) for p in container.demux(video=0) if p.size]
    assert packets != sorted(packets, key=lambda packet: packet[1] or 0)  # B-frames there are
    assert all(dts <= pts for dts, pts in packets if dts is not None and pts is not None)
    assert all(a[0] < b[0] for a, b in pairwise(packets) if a[0] is not None and b[0] is not None)


def test_a_cut_of_the_input_is_cut_into_segments(tmp_path: Path) -> None:
    source = videos.write(tmp_path / "in.mp4", videos.Recipe(videos.frames(60), options={"g": "7"}, audio="aac"))
    whole, pieces = both(tmp_path, source, ".mkv", source=SourceOptions(start_seconds=0.4, end_seconds=2.0))
    assert pieces.frames == 40
    assert largest_difference(decoded(whole.output), decoded(pieces.output)) == 0


def forgetful(path: Path) -> str:
    """A model file whose network remembers, but not for long: its forget gate is at most 0.7 wherever it looks.

    Its residual is about as large as those of published models, 20 to 50 levels of 255. A bf16 number has 8 bits, so
    rounding alone moves larger residuals by more than a level, with or without segments.
    """
    network = tiny("convlstm", residual=0.2)
    assert isinstance(network, ConvLSTM)
    cell, hidden = network.cell, network.cell.hidden
    with torch.no_grad():
        forget = slice(hidden, 2 * hidden)
        assert cell.from_input.bias is not None
        cell.from_input.bias[forget] = 0.8
        cell.from_input.weight[forget] = cell.from_hidden.weight[forget] = 0
        cell.peephole[1] = 0
    save(path, network, "convlstm", network.state_dict(), {})
    return str(path)


MOVING = 120
TIMES = {
    "constant rate": [512 * i for i in range(MOVING)],
    "variable rate": [int(t) for t in np.cumsum(np.random.default_rng(1).integers(300, 700, MOVING)) + 700],
}


def differences(tmp_path: Path, model: str, precision: str, times: str, warm_ups: list[int | None]) -> list[int]:
    """Between whole and segmented, in levels, for each warm-up; sound, times and number of frames are the same."""
    frames = videos.frames(MOVING, pts=TIMES[times], time_base=TICK)
    recipe = videos.Recipe(frames, options={"g": "11"}, bframes=3, audio="aac", audio_seconds=4)
    source = videos.write(tmp_path / "in.mp4", recipe)
    job = Job(source, str(tmp_path / "whole.mkv"), ModelOptions(model, "cpu", precision), sink=LOSSLESS)
    whole = restore_whole(job).output
    found = []
    for warm_up in warm_ups:
        output = str(tmp_path / f"pieces{warm_up}.mkv")
        cutting = replace(SHORT, warm_up=warm_up)
        restore(replace(job, output=output), cutting=cutting)
        found.append(largest_difference(decoded(whole), decoded(output)))
        assert videos.packets(output, "audio") == videos.packets(whole, "audio")
    return found


PRECISIONS = ("fp32", "bf16")
"""Both on every machine: processors without bf16 emulate it."""


@pytest.mark.arithmetic
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("times", TIMES)
def test_a_recurrent_network_warms_up_to_the_same_frames(tmp_path: Path, times: str, precision: str) -> None:
    """With the warm-up of model files, which no one has measured; without any, the pieces can be told apart."""
    model = forgetful(tmp_path / "forgetful.safetensors")
    cold, warm = differences(tmp_path, model, precision, times, [0, None])
    assert cold > 1
    assert warm <= 1


@pytest.mark.arithmetic
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("times", TIMES)
def test_the_published_model_warms_up_to_the_same_frames(tmp_path: Path, times: str, precision: str) -> None:
    assert differences(tmp_path, default_model("cpu"), precision, times, [None])[0] <= 1


@pytest.mark.needs("openvino")
@pytest.mark.arithmetic
def test_in_int8_it_warms_up_to_nearly_the_same_frames(tmp_path: Path) -> None:
    """Steps of int8 are wider: what is left of another past may tip a value over to the next."""
    assert differences(tmp_path, default_model("cpu"), "int8", "constant rate", [None])[0] <= 3


def test_every_model_says_how_long_it_warms_up() -> None:
    assert all(warm_up_of(ModelOptions(model.name)) >= model.warm_up for model in published())
    assert warm_up_of(ModelOptions("my.safetensors")) == UNMEASURED_WARM_UP
    assert 1 <= warm_up_of(ModelOptions("richardson-lucy")) < UNMEASURED_WARM_UP  # it looks one frame back


def test_the_other_streams_and_tags_are_kept_as_in_one_piece(tmp_path: Path) -> None:
    import av

    recipe = videos.Recipe(
        videos.frames(40), options={"g": "11"}, audio="aac", subtitles="subrip", attachment=True, chapters=2,
        metadata={"title": "a film"},
    )  # fmt: skip
    source = videos.write(tmp_path / "in.mkv", recipe)
    whole, pieces = both(tmp_path, source, ".mkv")

    def streams(path: str) -> Any:
        with av.open(path) as container:
            described = [(s.type, s.metadata.get("language"), int(s.disposition)) for s in container.streams]
            return described, container.chapters(), container.metadata.get("title")

    assert streams(pieces.output) == streams(whole.output)
    assert videos.packets(pieces.output, "subtitle") == videos.packets(source, "subtitle")


rising = st.lists(st.integers(1, 80), min_size=1, max_size=120).map(lambda steps: list(accumulate(steps)))


@given(rising, st.sets(st.integers(0, 119)), st.integers(0, 20), st.booleans())
def test_segments_tile_time(times: list[int], keyed: set[int], warm_up: int, ends: bool) -> None:
    keyframes = {times[i] for i in keyed if i < len(times)}
    cutting = Cutting(min_seconds=0.5, max_seconds=1.5)
    segments = _segments(times, keyframes, Fraction(1, 1000), cutting, warm_up, ends)
    owners = [[s.index for s in segments if inside_of(s.start, s.end, pts)] for pts in times]
    assert all(len(owner) == 1 for owner in owners)
    assert [owners.count([s.index]) for s in segments] == [s.frames for s in segments]
    assert [a.end for a in segments[:-1]] == [b.start for b in segments[1:]]
    for segment in segments:
        assert segment.frames > 0
        inside = [pts for pts in times if inside_of(segment.start, segment.end, pts)]
        before = [pts for pts in times if pts < inside[0] and inside_of(segment.read_from, segment.read_until, pts)]
        assert len(before) == min(warm_up, times.index(inside[0]))
        if segment is not segments[-1]:
            assert inside[-1] - inside[0] <= 1500


def inside_of(start: int | None, end: int | None, pts: int) -> bool:
    return (start is None or pts >= start) and (end is None or pts < end)


def test_inputs_that_cannot_be_cut_are_restored_in_one_piece(tmp_path: Path) -> None:
    source = videos.write(tmp_path / "in.mkv", videos.Recipe(videos.frames(40)))
    raw = videos.write(tmp_path / "in.h264", videos.Recipe(videos.frames(40)))
    assert cut(Job(source, "out.mkv"), "out.mkv", SHORT) is not None
    assert cut(Job(source, "out.mkv"), "out.mkv", Cutting()) is None  # a single segment
    assert cut(Job(source, "-"), "-", SHORT) is None
    assert cut(Job(source, "out/"), "out/", SHORT) is None
    assert cut(Job(source, "out.y4m"), "out.y4m", SHORT) is None
    assert cut(Job(raw, "out.mkv"), "out.mkv", SHORT) is None  # its packets have no times
    restored = restore(Job(raw, str(tmp_path / "out.mkv"), ModelOptions("unsharp"), sink=LOSSLESS), cutting=SHORT)
    assert restored.frames == 40
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.h264", "in.mkv", "out.mkv"]


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    source = videos.write(tmp_path / "in.mkv", videos.Recipe(videos.frames(40), options={"g": "11"}))
    output = str(tmp_path / "out.mkv")
    folder = prepare(Job(source, output, ModelOptions("unsharp"), sink=LOSSLESS), output, folder_of(output), SHORT)
    assert folder is not None
    return folder


def test_a_segment_is_the_same_however_often_it_is_restored(folder: JobFolder) -> None:
    first = restore_segment(folder, 1)
    assert restore_segment(folder, 1) == first  # that is there already
    folder.video(1).with_suffix(".json").unlink()
    again = restore_segment(JobFolder.open(folder.path), 1)
    assert (again.pts, again.sha256) == (first.pts, first.sha256)
    assert sorted(p.name for p in folder.path.iterdir()) == ["00001.json", "00001.mkv", "job.json", "times.json"]


def test_a_segment_that_is_passed_through_contains_the_original_frames(folder: JobFolder) -> None:
    for segment in folder.segments:
        restore_segment(folder, segment.index, pass_through=segment.index == 1)
    join(folder)
    whole, source = decoded(folder.output), decoded(folder.job.input)
    manifest = folder.manifest(1)
    assert manifest is not None
    assert manifest.passed_through
    assert manifest.touched == 0
    inside = set(manifest.pts)
    for before, after in zip(source, whole, strict=True):
        assert (largest_difference([before], [after]) == 0) == (before.pts in inside)


def test_joining_refuses_what_is_missing_or_altered(folder: JobFolder) -> None:
    for segment in folder.segments[:-1]:
        restore_segment(folder, segment.index)
    with pytest.raises(OutputError, match="run the same command again"):
        join(folder)
    restore_segment(folder, folder.segments[-1].index)
    data = bytearray(folder.video(0).read_bytes())
    data[len(data) // 2] ^= 1
    folder.video(0).write_bytes(data)
    with pytest.raises(OutputError, match="altered on disk"):
        join(folder)
    assert not Path(folder.output).exists()
    restore_segment(folder, 0)
    assert join(folder).frames == 40


def test_joining_refuses_frames_that_do_not_tile_the_source(folder: JobFolder) -> None:
    import json

    for segment in folder.segments:
        restore_segment(folder, segment.index)
    path = folder.video(1).with_suffix(".json")
    manifest = json.loads(path.read_text())
    for pts, said in ((manifest["pts"][1:], "1 frames missing"), (manifest["pts"][::-1], "frames of other segments")):
        path.write_text(json.dumps(manifest | {"pts": pts}))
        with pytest.raises(OutputError, match=said):
            join(folder)
    assert not Path(folder.output).exists()


def test_a_job_round_trips_through_json() -> None:
    job = Job(
        "in.mkv", "out.mkv", ModelOptions("fast", tile=0, views=2), strength=0.5, only_blurred=3.5,
        source=SourceOptions(1.5, 3, frame_rate=Fraction(30000, 1001), pts_range=(None, 4)),
        sink=SinkOptions(encoder_options={"bf": "2"}),
    )  # fmt: skip
    assert job_from_json(job_to_json(job)) == job


def test_a_folder_that_is_no_job_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no prepared job"):
        JobFolder.open(tmp_path)


def test_damage_is_counted_once(tmp_path: Path) -> None:
    """Frames that two segments decode, one of them to warm up, count in one."""
    source = videos.write(tmp_path / "in.ts", videos.Recipe(videos.frames(60, size=(160, 120)), options={"g": "10"}))
    data = bytearray(Path(source).read_bytes())
    middle = len(data) // 2 // 188 * 188
    data[middle : middle + 188 * 12] = bytes(188 * 12)
    Path(source).write_bytes(data)
    whole, pieces = both(tmp_path, source, ".mkv")
    assert whole.damaged
    assert pieces.damaged
    assert pieces.frames == whole.frames
    assert pieces.concealed == whole.concealed > 0
