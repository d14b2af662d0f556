"""Chooses the encoder, its pixel format and its settings: close to the source in codec and visually in quality."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import av
from av.codec.codec import find_best_pix_fmt_of_list
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from ..errors import UsageError, did_you_mean
from ..frames import Layout, StreamInfo
from .containers import WITHOUT_PTS, can_encode
from .encoder_ranges import CHECKED, check_value, options_of
from .encoder_trial import gives_packets
from .options import SinkOptions
from .planes import native_format, storage_of
from .quality import STEPS

log = logging.getLogger(__name__)

os.environ.setdefault("SVT_LOG", "1")  # else SVT-AV1 prints its settings to stderr


ENCODERS = {
    "h264": "libx264",
    "avc": "libx264",
    "x264": "libx264",
    "hevc": "libx265",
    "h265": "libx265",
    "x265": "libx265",
    "vp8": "libvpx",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "prores": "prores_ks",
    "ffv1": "ffv1",
    "mjpeg": "mjpeg",
    "dnxhd": "dnxhd",
    "huffyuv": "huffyuv",
    "ffvhuff": "ffvhuff",
    "utvideo": "utvideo",
    "qtrle": "qtrle",
    "png": "png",
    "rawvideo": "rawvideo",
    "wrapped_avframe": "rawvideo",
}
"""Codec -> encoder. Sources in any other codec are written as H.264, which plays everywhere."""

_SETTINGS: dict[str, dict[str, str]] = {
    "libx265": {"x265-params": "log-level=none"},
    "libvpx-vp9": {"b": "0", "row-mt": "1"},
    "libvpx": {"b": "40M"},
    "mjpeg": {"global_quality": "236", "flags": "+qscale", "strict": "-1"},  # 2 x FF_QP2LAMBDA: the finest step but one
    "mpeg4": {"global_quality": "236", "flags": "+qscale"},
    "mpeg2video": {"global_quality": "236", "flags": "+qscale"},
    "h264_nvenc": {"cq": "17", "preset": "p5", "b": "0"},
    "hevc_nvenc": {"cq": "18", "preset": "p5", "b": "0"},
    "av1_nvenc": {"cq": "20", "preset": "p5", "b": "0"},
    "h264_qsv": {"global_quality": "17"},
    "hevc_qsv": {"global_quality": "18"},
    "av1_qsv": {"global_quality": "20"},
    "h264_videotoolbox": {"global_quality": "8850", "flags": "+qscale"},  # 75 of 100, times FF_QP2LAMBDA
    "hevc_videotoolbox": {"global_quality": "8850", "flags": "+qscale"},
    "h264_amf": {"rc": "cqp", "qp_i": "17", "qp_p": "18"},
    "hevc_amf": {"rc": "cqp", "qp_i": "18", "qp_p": "19"},
    "h264_v4l2m2m": {"b": "20M"},  # these support bit rates only
    "hevc_v4l2m2m": {"b": "15M"},
    "prores_ks": {"vendor": "apl0"},
    "ffv1": {"level": "3", "g": "1", "slicecrc": "1"},
    "dnxhd": {"profile": "dnxhr_hq"},
}
"""Encoder -> further options beside those of `quality.STEPS`, with quality values chosen like those."""
_CRF_KEY = {"h264_nvenc": "cq", "hevc_nvenc": "cq", "av1_nvenc": "cq"}
_QSCALED = ("mjpeg", "mpeg4", "mpeg2video")
_PRORES_PROFILES = {"Proxy": "0", "LT": "1", "Standard": "2", "HQ": "3", "4444": "4", "XQ": "5"}
_FFV1_MANY_SLICES = 1 << 26
"""Frames with more pixels get an explicit number of FFV1 slices: the default number cannot be decoded."""
_REORDERING = ("libx264", "libx265")
"""Codecs whose frames readers show late in a container without presentation times, even without B-frames."""
_COARSE_TIME = {"mpeg4": 65535}
"""Encoders with a limited time base: the largest denominator."""
_ENCODED_RATE_ONLY = ("mpeg2video", "mpeg1video")
"""Encoders with frame rates in place of time bases."""
_OWN_OPTIONS = "use one of its own options"
_LOSS_NAMES = {1: "chroma resolution", 2: "bit depth", 4: "exact RGB", 8: "alpha"}


def choose_encoder(container: str, info: StreamInfo, options: SinkOptions, name: str) -> str:
    """The encoder for this container. Raises UsageError if it is unknown or the container refuses its codec."""
    if container == "yuv4mpegpipe":
        if options.codec not in (None, "rawvideo"):
            raise UsageError(f"{name}: Y4M holds raw video only; leave out the codec", settings=("codec",))
        return "rawvideo"
    if options.codec is not None:
        encoder = ENCODERS.get(options.codec, options.codec)
        if software := software_of(encoder):
            if _works_in_hardware(encoder, container, info, options):
                return encoder
            log.info("%s does not work on this machine; using %s", encoder, software)
            encoder = software
        if hardware := _hardware(encoder, container, info, options):
            return hardware
        check_codec(options.codec)
        if not can_encode(container, encoder):
            message = f"{name}: {container} cannot hold {options.codec}; choose another codec or use .mkv"
            raise UsageError(message, settings=("codec",))
        return encoder
    similar = ENCODERS.get(info.codec, "libx264")
    if container in WITHOUT_PTS and similar in _REORDERING:
        similar = "mpeg4"
    if hardware := _hardware(similar, container, info, options):
        return hardware
    possible = [e for e in dict.fromkeys((similar, *_ALTERNATIVES)) if can_encode(container, e)]
    if not possible:
        raise UsageError(f"{name}: no encoder for {container} is available; use .mkv or .mp4")
    return next((e for e in possible if _keeps_samples(e, info, options)), possible[0])


def check_codec(codec: str | None) -> None:
    """Raise UsageError for an unknown codec or encoder."""
    if codec is None:
        return
    encoder = ENCODERS.get(codec, codec)
    try:
        known = av.Codec(software_of(encoder) or encoder, "w").type == "video"
    except av.codec.codec.UnknownCodecError:
        known = False
    if not known:
        meant = did_you_mean(codec, [*ENCODERS, *ENCODERS.values()])
        message = f"codec {codec}: no such video encoder{meant or '; try h264, hevc, av1, vp9, prores or ffv1'}"
        raise UsageError(message, settings=("codec",))


_ALTERNATIVES = ("libx265", "libx264", "libsvtav1", "libvpx-vp9", "prores_ks", "ffv1", "mjpeg", "gif")
"""Tried in this order if the source's codec cannot hold all samples: this FFmpeg has no 10-bit VP9, H.264 and HEVC have
no odd sizes in 4:2:0, and most have no alpha."""


_ENCODER_SUFFIXES = {
    "cuda": "nvenc",
    "videotoolbox": "videotoolbox",
    "qsv": "qsv",
    "d3d11va": "amf",
    "amf": "amf",
    "drm": "v4l2m2m",
    "vaapi": "vaapi",
}
"""FFmpeg's device type -> suffix of its encoders' names."""
_CONSTANT_QUALITY = ("nvenc", "videotoolbox", "qsv", "amf")
"""Tried by `auto`, in this order. V4L2 supports bit rates only; VAAPI takes no frames from memory."""
_IN_HARDWARE = {"libx264": "h264", "libx265": "hevc", "libsvtav1": "av1"}
_SHORT_NAMES = {"mpeg2": "mpeg2video", "mpeg1": "mpeg1video"}


def software_of(encoder: str) -> str | None:
    """The software encoder of the same codec for a hardware encoder (`h264_nvenc`); None for any other."""
    codec, _, suffix = encoder.rpartition("_")
    return ENCODERS.get(codec, _SHORT_NAMES.get(codec, codec)) if suffix in _ENCODER_SUFFIXES.values() else None


def options_for(encoder: str, options: SinkOptions) -> SinkOptions:
    """`options` for `encoder`. If it replaces a hardware encoder, the preset and options of that one are dropped."""
    is_replacement = options.codec is not None and options.codec != encoder and software_of(options.codec) is not None
    return replace(options, preset=None, encoder_options={}) if is_replacement else options


def _hardware(encoder: str, container: str, info: StreamInfo, options: SinkOptions) -> str | None:
    """With `hwaccel`: a hardware encoder of the same codec that passes a trial with such frames, or None."""
    if options.hwaccel == "none" or encoder not in _IN_HARDWARE:
        return None
    suffixes = _CONSTANT_QUALITY if options.hwaccel == "auto" else (_ENCODER_SUFFIXES.get(options.hwaccel, ""),)
    names = (f"{_IN_HARDWARE[encoder]}_{suffix}" for suffix in suffixes)
    return next((name for name in names if _works_in_hardware(name, container, info, options)), None)


def _works_in_hardware(encoder: str, container: str, info: StreamInfo, options: SinkOptions) -> bool:
    """Whether a hardware encoder encodes such frames without loss of samples, by a trial."""
    if encoder not in av.codecs_available or not can_encode(container, encoder):
        return False
    try:
        pix_fmt, loss = choose_pix_fmt(encoder, info.layout, options.pix_fmt, encoder)
        trial = _trial(encoder, info, pix_fmt)
        trial.options = encoder_settings(encoder, info, None, options)
        trial.open()
        works = gives_packets(trial)
    except (av.FFmpegError, UsageError, ValueError):
        return False
    return works and loss in (None, _LOSS_NAMES[4]) and not trial.options


def _keeps_samples(encoder: str, info: StreamInfo, options: SinkOptions) -> bool:
    """Whether the encoder opens for such frames and keeps all samples."""
    try:
        pix_fmt, loss = choose_pix_fmt(encoder, info.layout, options.pix_fmt, encoder)
        trial = _trial(encoder, info, pix_fmt)
        trial.options = {k: v for k, v in _SETTINGS.get(encoder, {}).items() if k.endswith("-params")}
        trial.open()
    except (av.FFmpegError, UsageError, ValueError):
        return False
    return loss in (None, _LOSS_NAMES[4])


def _trial(encoder: str, info: StreamInfo, pix_fmt: str) -> VideoCodecContext:
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = info.width, info.height, pix_fmt
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.color_range = 2 if info.color.full_range else 0
    return context


def choose_pix_fmt(encoder: str, layout: Layout, wanted: str | None, name: str) -> tuple[str, str | None]:
    """The pixel format to encode, and a description of what it loses (None if all samples survive)."""
    native = native_format(layout)
    formats = [f.name for f in av.Codec(encoder, "w").video_formats or ()]
    if encoder == "libx265":
        formats = [f for f in formats if not f.startswith("yuva")]  # an extension that FFmpeg cannot decode
    if encoder == "rawvideo" or not formats:
        formats = [native]
    if wanted is not None:
        if wanted not in formats and encoder != "rawvideo":
            message = f"{name}: {encoder} does not support pixel format {wanted}; choose {' '.join(formats)}"
            raise UsageError(message, settings=("pix_fmt",))
        try:
            av.VideoFormat(wanted)
        except ValueError:
            raise UsageError(f"{wanted}: no such pixel format", settings=("pix_fmt",)) from None
        return wanted, None
    if native in formats:
        return native, None
    if encoder == "gif":
        return "pal8", "all but 256 colours of each frame"
    planar = [f for f in formats if (s := storage_of(f)) and not f.startswith("yuvj") and _is_related(layout, s.layout)]
    if layout.model == "gray" and (least := native.replace("gray", "yuv420p")) in formats:
        return least, None  # luma with neutral chroma looks the same
    best, loss = find_best_pix_fmt_of_list(planar or formats, native, layout.alpha)
    if best is None:
        message = f"{name}: {encoder} has no pixel format close to the input's; choose another codec"
        raise UsageError(message, settings=("codec",))
    if layout.model == "gray":
        loss &= ~5  # there is no chroma to lose
    return best.name, " and ".join(word for bit, word in _LOSS_NAMES.items() if loss & bit) or None


def _is_related(source: Layout, target: Layout) -> bool:
    """Whether a conversion keeps luma as luma; RGB may become anything."""
    return source.model == "rgb" or target.model != "rgb"


def encoder_time_base(encoder: str, info: StreamInfo) -> Fraction:
    """The time base of the source, or for the few encoders that do not support it, the nearest one."""
    if encoder in _ENCODED_RATE_ONLY:
        return 1 / (info.frame_rate or Fraction(25))
    if info.time_base.denominator > _COARSE_TIME.get(encoder, 2**31 - 1):
        return Fraction(1, 60000)  # whole ticks for every common rate, 1001 rates included
    return info.time_base


def encoder_settings(encoder: str, info: StreamInfo, profile: str | None, options: SinkOptions) -> dict[str, str]:
    """The options of the encoder: its defaults, then the user's settings. Raises UsageError."""
    settings = _SETTINGS.get(encoder, {}) | STEPS[options.quality].get(encoder, {})
    if encoder == "prores_ks" and profile in _PRORES_PROFILES:
        settings["profile"] = _PRORES_PROFILES[profile]
    if encoder == "ffv1" and info.width * info.height > _FFV1_MANY_SLICES:
        settings["slices"] = "256"
    names = {option.name for option in av.CodecContext.create(encoder, "w").supported_options.private}
    if options.crf is not None:
        if encoder in _QSCALED:
            settings["global_quality"] = str(round(options.crf * 118))  # FF_QP2LAMBDA
        elif (key := _CRF_KEY.get(encoder, "crf")) in names:
            settings[key] = f"{options.crf:g}"
            check_value(encoder, key, settings[key], "crf")
        else:
            raise UsageError(f"{encoder} has no crf; {_OWN_OPTIONS}", settings=("crf", "encoder_options"))
    if options.preset is not None:
        key = "preset" if "preset" in names else "cpu-used"
        if key not in names:
            raise UsageError(f"{encoder} has no preset; {_OWN_OPTIONS}", settings=("preset", "encoder_options"))
        settings[key] = options.preset
        check_value(encoder, key, options.preset, "preset")
    if set(options.encoder_options) & {"qp", "b", "cq", "q"}:
        settings.pop("crf", None)
    if "a53cc" in names:
        settings["a53cc"] = "1"  # closed captions, off by default in some encoders
    if info.color.chroma_location:
        settings["chroma_sample_location"] = str(info.color.chroma_location)
    for key, value in options.encoder_options.items():
        if key in CHECKED:
            check_value(encoder, key, value, "encoder_options")
        settings[key] = value
    return settings


def open_encoder(stream: VideoStream, name: str) -> None:
    """Open the encoder of an output stream. Raises UsageError for settings that it refuses."""
    context = stream.codec_context
    requested = dict(context.options)
    try:
        context.open()
    except (av.FFmpegError, ValueError) as error:
        size = f"{context.width}x{context.height} {context.pix_fmt}"
        settings = " ".join(f"{k}={v}" for k, v in requested.items())
        hint = ""
        if (context.width | context.height) & 1 and "420" in (context.pix_fmt or ""):
            hint = "; odd sizes need the pixel format yuv444p, or the codec vp9, av1 or ffv1"
        message = f"{name}: {context.name} cannot be opened for {size} with {settings}{hint}"
        raise UsageError(message, settings=("pix_fmt", "codec") if hint else ()) from error
    if context.options:
        unknown = " ".join(context.options)
        meant = did_you_mean(unknown, [option.name for option in options_of(context.name)])
        message = f"{name}: {context.name} has no option {unknown}{meant}; `vdeblur encoders {context.name}` lists them"
        raise UsageError(message, settings=("encoder_options",))


def merge_settings(settings: dict[str, str], more: Mapping[str, str]) -> None:
    """Add settings; parameter strings are joined so that existing parameters (the user's) take precedence."""
    for key, value in more.items():
        settings[key] = f"{value}:{settings[key]}" if settings.get(key) else value
