"""The VapourSynth filter in real `vspipe` processes, whose frames are compared with those of `vdeblur`.

VapourSynth lives in an environment of its own, which `tests/make-vapoursynth` makes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.averaging import Averaging
from support.commands import ROOT, run
from support.in_memory import distance, restored_by
from support.needs import VAPOURSYNTH
from support.videos import decoded, footage
from vdeblur.converting import export_model
from vdeblur.frames import Frame
from vdeblur.loading import ModelOptions, load_restorer
from vdeblur.scenes import SceneCuts

COUNT, CUT = 60, 35

pytestmark = pytest.mark.needs("vapoursynth")

PREAMBLE = """
import vapoursynth as vs
from support.averaging import WARM_UP, Averaging
from vdeblur.vapoursynth import Deblur, deblurred
core = vs.core
core.num_threads = int(globals().get("threads", 4))
clip = core.bs.VideoSource({input!r}, cachemode=0) if {input!r} else None
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(footage(tmp_path_factory.mktemp("clip") / "clip.mp4", COUNT, cut_at=CUT))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """VapourSynth notes in the user's configuration which Python is its own: here in a folder of the tests."""
    home = str(tmp_path_factory.mktemp("config"))
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment = os.environ | {"XDG_CONFIG_HOME": home, "APPDATA": home, "PYTHONPATH": paths}
    subprocess.run([VAPOURSYNTH / "vapoursynth", "config"], env=environment, check=True, capture_output=True)
    return environment


class VSPipe:
    def __init__(self, folder: Path, environment: dict[str, str], input: str) -> None:
        self.folder, self.environment, self.input = folder, environment, input

    def run(self, script: str, *options: str, output: str = "--") -> subprocess.CompletedProcess[str]:
        """Run a script that begins with PREAMBLE; a hang is an error."""
        path = self.folder / "script.vpy"
        path.write_text(PREAMBLE.format(input=self.input) + script, encoding="utf-8")
        command = [str(VAPOURSYNTH / "vspipe"), *options, str(path), output]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120, check=False)

    def frames(self, script: str, *options: str) -> list[Frame]:
        """The frames that come out as Y4M."""
        video = str(self.folder / "out.y4m")
        done = self.run(script, "-c", "y4m", *options, output=video)
        assert done.returncode == 0, done.stderr
        assert "still allocated" not in done.stderr
        return decoded(video)


@pytest.fixture
def vspipe(tmp_path: Path, environment: dict[str, str], clip: str) -> VSPipe:
    return VSPipe(tmp_path, environment, clip)


@pytest.fixture(scope="module")
def unbroken(clip: str) -> list[Frame]:
    """The clip restored in order by the restorer with a memory."""
    return restored_by(Averaging(), decoded(clip), SceneCuts())


@pytest.mark.parametrize("threads", [1, 4])
def test_the_filter_gives_what_the_command_gives(vspipe: VSPipe, threads: int) -> None:
    output = str(vspipe.folder / "out.mkv")
    command = [vspipe.input, "-o", output, "-m", "richardson-lucy", "--codec", "ffv1", "--progress", "none"]
    done = run(*command)
    assert done.exit_code == 0, done.output
    script = 'Deblur(clip, "richardson-lucy", strength=1).set_output()'
    served = vspipe.frames(script, "-a", f"threads={threads}")
    expected = decoded(output)
    assert len(served) == len(expected) == COUNT
    assert all(distance(one, other) == 0 for one, other in zip(served, expected, strict=True))
    assert any(distance(one, other) for one, other in zip(served, decoded(vspipe.input), strict=True))


@pytest.mark.parametrize(("threads", "requests"), [(1, 1), (1, 16), (3, 3), (8, 32)])
def test_parallel_requests_change_no_bit(vspipe: VSPipe, unbroken: list[Frame], threads: int, requests: int) -> None:
    script = "deblurred(clip, Averaging(), warm_up=WARM_UP).set_output()"
    served = vspipe.frames(script, "-a", f"threads={threads}", "-r", str(requests))
    assert len(served) == COUNT
    assert all(distance(one, other) == 0 for one, other in zip(served, unbroken, strict=True))


def test_a_shuffled_order_is_within_one_level_of_the_unbroken_run(vspipe: VSPipe, unbroken: list[Frame]) -> None:
    order = np.random.default_rng(7).permutation(COUNT).tolist()
    script = f"""
restored = deblurred(clip, Averaging(), warm_up=WARM_UP)
core.std.Splice([restored[n] for n in {order}]).set_output()
"""
    served = vspipe.frames(script)
    assert len(served) == COUNT
    assert max(distance(frame, unbroken[number]) for frame, number in zip(served, order, strict=True)) <= 1


@pytest.mark.parametrize(("first", "last"), [(0, 0), (3, 8), (CUT - 1, CUT + 2), (50, COUNT - 1)])
def test_a_seek_is_within_one_level_of_the_unbroken_run(
    vspipe: VSPipe, unbroken: list[Frame], first: int, last: int
) -> None:
    script = "deblurred(clip, Averaging(), warm_up=WARM_UP).set_output()"
    served = vspipe.frames(script, "-s", str(first), "-e", str(last))
    assert len(served) == last - first + 1
    assert all(distance(one, other) <= 1 for one, other in zip(served, unbroken[first:], strict=False))


def test_a_seek_costs_only_the_warm_up_frames(vspipe: VSPipe) -> None:
    script = """
restorer = Averaging()
out = deblurred(clip, restorer, warm_up=WARM_UP)
out.get_frame(40)
assert restorer.restored == list(range(40 - WARM_UP, 41)), restorer.restored
out.get_frame(41)
assert restorer.restored[-1] == 41 and len(restorer.restored) == WARM_UP + 2, restorer.restored
out.set_output()
"""
    done = vspipe.run(script, "-e", "0")
    assert done.returncode == 0, done.stderr


def test_two_filters_in_one_script_can_be_chained(vspipe: VSPipe, unbroken: list[Frame]) -> None:
    script = """
once = deblurred(clip, Averaging(), warm_up=WARM_UP)
twice = deblurred(once, Averaging(), warm_up=WARM_UP)
core.std.Interleave([once, twice]).set_output()
"""
    served = vspipe.frames(script, "-a", "threads=2")
    assert len(served) == 2 * COUNT
    assert all(distance(one, other) == 0 for one, other in zip(served[::2], unbroken, strict=True))


def test_scene_changes_are_where_the_properties_say(vspipe: VSPipe) -> None:
    """_SceneChangePrev wins over what the frames look like, both ways."""
    script = """
def mark(n, f):
    marked = f.copy()
    marked.props["_SceneChangePrev"] = int(n == 20)
    return marked
restored = deblurred(clip.std.ModifyFrame(clip, mark), Averaging(), warm_up=WARM_UP)
restored.set_output()
"""
    frames = decoded(vspipe.input)
    at = frames[20].pts
    expected = restored_by(Averaging(), frames, lambda previous, following: following.pts == at)
    served = vspipe.frames(script)
    assert all(distance(one, other) == 0 for one, other in zip(served, expected, strict=True))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    """`fast` as an exported model: there is no torch where VapourSynth is."""
    folder = str(tmp_path_factory.mktemp("exported") / "fast")
    export_model("fast", folder)
    return folder


def test_a_network_gives_the_same_without_torch(vspipe: VSPipe, network: str) -> None:
    """In order, the frames that the command gives on the same engine; and next to those of torch."""
    served = vspipe.frames(f'Deblur(clip, {network!r}, engine="onnx").set_output()')
    frames = decoded(vspipe.input)
    for options, most in ((ModelOptions(network, engine="onnx"), 0), (ModelOptions("fast", "cpu", "fp32"), 1)):
        expected = restored_by(load_restorer(options), frames, SceneCuts())
        assert len(served) == len(expected)
        assert max(distance(one, other) for one, other in zip(served, expected, strict=True)) <= most
    assert max(distance(one, other) for one, other in zip(served, frames, strict=True)) > 1


def test_a_network_asked_in_a_shuffled_order_is_within_one_level(vspipe: VSPipe, network: str) -> None:
    order = [COUNT - 1, 30, 31, 5, 45, 44]
    script = f"""
restored = Deblur(clip, {network!r}, engine="onnx")
core.std.Splice([restored[n] for n in {order}]).set_output()
"""
    served = vspipe.frames(script, "-a", "threads=2")
    restorer = load_restorer(ModelOptions(network, engine="onnx"))
    unbroken = restored_by(restorer, decoded(vspipe.input), SceneCuts())
    assert max(distance(frame, unbroken[number]) for frame, number in zip(served, order, strict=True)) <= 1


def test_a_network_that_needs_torch_is_an_error_that_says_so(vspipe: VSPipe) -> None:
    done = vspipe.run('Deblur(clip, "fast").set_output()')
    assert done.returncode != 0
    assert "the torch engine is not installed" in done.stderr
    assert "vdeblur export" in done.stderr


FORMATS = """
import numpy as np
from dataclasses import replace

class Brighter:
    name, device, precision, past, future = "brighter", "cpu", "native", 1, 2
    def __init__(self, step): self.step = step
    def restore(self, window, state):
        frame = window.centre
        if not self.step:
            return replace(frame, planes=tuple(plane.copy() for plane in frame.planes)), None
        top = 2 ** frame.layout.bits - 1
        step = self.step * top // 255
        return replace(frame, planes=tuple(np.minimum(plane.astype(int) + step, top).astype(plane.dtype)
                                           for plane in frame.planes)), None

def noise(format):
    def fill(n, f):
        out, rng = f.copy(), np.random.default_rng(n)
        for plane in range(out.format.num_planes):
            samples = np.asarray(out[plane])
            if out.format.sample_type == vs.FLOAT:
                low = -0.5 if plane and out.format.color_family == vs.YUV else 0
                samples[...] = rng.random(samples.shape) * 1.2 + low - 0.1
            else:
                samples[...] = rng.integers(0, 2 ** out.format.bits_per_sample, samples.shape)
        out.props["Mark"] = n
        return out
    blank = core.std.BlankClip(format=format, width=32, height=24, length=6)
    return blank.std.ModifyFrame(blank, fill)

names = {names!r}
for name in names:
    before = noise(getattr(vs, name))
    same = deblurred(before, Brighter(0), warm_up=0)
    more = deblurred(before, Brighter(10), warm_up=0)
    assert (same.format, same.fps, len(same)) == (before.format, before.fps, 6), name
    for b, s, m in zip(before.frames(), same.frames(), more.frames()):
        assert dict(b.props) == dict(s.props) == dict(m.props) and "Mark" in b.props, name
        for plane in range(b.format.num_planes):
            one, other = np.asarray(b[plane]), np.asarray(s[plane])
            assert one.tobytes() == other.tobytes(), name
            change = (np.asarray(m[plane]).astype(float) - one) * 255
            if b.format.sample_type == vs.INTEGER:
                change /= 2 ** b.format.bits_per_sample - 1
            assert abs(np.median(change) - 10) < 0.5, (name, plane, np.median(change))
before.set_output()
"""

INTEGERS = [f"{family}P{bits}" for family in ("YUV420", "YUV422", "YUV444") for bits in (8, 9, 10, 12, 14, 16)]
OTHERS = ["YUV410P8", "YUV411P8", "YUV440P8", "GRAY8", "GRAY10", "GRAY16", "RGB24", "RGB30", "RGB36", "RGB48"]
FLOATS = ["YUV420PS", "YUV422PS", "YUV444PS", "YUV444PH", "YUV420PH", "GRAYS", "GRAYH", "RGBS", "RGBH"]


@pytest.mark.parametrize("names", [INTEGERS, OTHERS, FLOATS], ids=["yuv", "others", "floats"])
def test_every_format_keeps_its_samples_and_properties(vspipe: VSPipe, names: list[str]) -> None:
    vspipe.input = ""
    done = vspipe.run(FORMATS.replace("{names!r}", repr(names)), "-e", "0")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("filtered", "says"),
    [
        ("core.std.BlankClip(varformat=True, length=3)", "variable format or size; convert it"),
        ("core.std.BlankClip(varsize=True, length=3)", "variable format or size; convert it"),
        ("core.std.BlankClip(format=vs.GRAY32, length=3)", "convert the clip to 16 bits or float"),
        ("clip.std.SetFieldBased(2)", "deinterlace the clip first"),
    ],
)
def test_inputs_that_cannot_be_restored_are_one_line_errors(vspipe: VSPipe, filtered: str, says: str) -> None:
    done = vspipe.run(f'Deblur({filtered}, "unsharp").set_output()')
    assert done.returncode != 0
    assert says in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ('"fsat"', 'did you mean "fast"'),
        ('"unsharp", strength=2', "must be between 0 and 1"),
        ("views=None", "None views: choose 1 to 8"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(vspipe: VSPipe, arguments: str, says: str) -> None:
    done = vspipe.run(f"Deblur(clip, {arguments}).set_output()")
    assert done.returncode != 0
    assert says in done.stderr


def test_a_frame_that_cannot_be_read_is_an_error_not_a_hang(vspipe: VSPipe) -> None:
    script = """
def fails(n, f):
    if n == 30:
        raise OSError("unplugged")
    return f.copy()
deblurred(clip.std.ModifyFrame(clip, fails), Averaging(), warm_up=WARM_UP).set_output()
"""
    done = vspipe.run(script)
    assert done.returncode != 0
    assert "unplugged" in done.stderr


@pytest.mark.needs("linux")
def test_memory_does_not_grow_with_the_length_of_the_clip(vspipe: VSPipe) -> None:
    script = """
import resource
long = core.std.BlankClip(format=vs.YUV420P8, width=320, height=180, length={length}, keep=True)
core.max_cache_size = 64
for frame in deblurred(long, Averaging(), warm_up=WARM_UP).frames(close=True):
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
long.set_output()
"""
    peaks = []
    for length in (100, 4100):  # the four thousand more are 345 MB, twice: before and after
        done = vspipe.run(script.replace("{length}", str(length)), "-e", "0")
        peaks.append(int(done.stdout.split()[0]))
    kib = 1024 if sys.platform == "darwin" else 1
    assert (peaks[1] - peaks[0]) / kib < 84_000  # VapourSynth's own cache of 64 MB, which fills under load, and 20
