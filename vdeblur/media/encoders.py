"""Chooses the encoder: close to the source in codec, in hardware if requested and working."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext

from ..errors import UsageError, did_you_mean
from ..frames import StreamInfo
from .containers import WITHOUT_PTS, can_encode
from .encoder_settings import EXACT_RGB, SETTINGS, choose_pix_fmt, encoder_settings
from .encoder_trial import gives_packets
from .options import SinkOptions

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

_REORDERING = ("libx264", "libx265")
"""Codecs whose frames readers show late in a container without presentation times, even without B-frames."""


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
        if _hangs_on(encoder, info):
            message = f"{encoder} cannot encode {info.width}x{info.height}; choose another codec, such as vp9"
            raise UsageError(message, settings=("codec",))
        if not can_encode(container, encoder):
            message = f"{name}: {container} cannot hold {options.codec}; choose another codec or use .mkv"
            raise UsageError(message, settings=("codec",))
        return encoder
    similar = ENCODERS.get(info.codec, "libx264")
    if container in WITHOUT_PTS and similar in _REORDERING:
        similar = "mpeg4"
    if hardware := _hardware(similar, container, info, options):
        return hardware
    candidates = dict.fromkeys((similar, *_ALTERNATIVES))
    possible = [e for e in candidates if can_encode(container, e) and not _hangs_on(e, info)]
    if not possible:
        raise UsageError(f"{name}: no encoder for {container} is available; use .mkv or .mp4")
    return next((e for e in possible if _keeps_samples(e, info, options)), possible[0])


def _hangs_on(encoder: str, info: StreamInfo) -> bool:
    """Whether the encoder would wait for ever: SVT-AV1 does, where a side is up to 24 px and the other over 64."""
    sides = info.width, info.height
    return encoder == "libsvtav1" and min(sides) < 32 and max(sides) > 64


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
    return works and loss in (None, EXACT_RGB) and not trial.options


def _keeps_samples(encoder: str, info: StreamInfo, options: SinkOptions) -> bool:
    """Whether the encoder opens for such frames and keeps all samples."""
    try:
        pix_fmt, loss = choose_pix_fmt(encoder, info.layout, options.pix_fmt, encoder)
        trial = _trial(encoder, info, pix_fmt)
        trial.options = {k: v for k, v in SETTINGS.get(encoder, {}).items() if k.endswith("-params")}
        trial.open()
    except (av.FFmpegError, UsageError, ValueError):
        return False
    return loss in (None, EXACT_RGB)


def _trial(encoder: str, info: StreamInfo, pix_fmt: str) -> VideoCodecContext:
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = info.width, info.height, pix_fmt
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.color_range = 2 if info.color.full_range else 0
    return context
