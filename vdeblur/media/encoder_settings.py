"""Settings of an encoder: pixel format, time base and options, close to the source and visually lossless."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import av
from av.codec.codec import find_best_pix_fmt_of_list
from av.video.stream import VideoStream

from ..errors import UsageError, did_you_mean
from ..frames import Layout, StreamInfo
from .encoder_ranges import CHECKED, check_value, options_of
from .options import SinkOptions
from .planes import native_format, storage_of
from .quality import STEPS

SETTINGS: dict[str, dict[str, str]] = {
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
_COARSE_TIME = {"mpeg4": 65535}
"""Encoders with a limited time base: the largest denominator."""
_ENCODED_RATE_ONLY = ("mpeg2video", "mpeg1video")
"""Encoders with frame rates in place of time bases."""
_OWN_OPTIONS = "use one of its own options"
EXACT_RGB = "exact RGB"
"""Loss of `choose_pix_fmt` when RGB is converted to YCbCr of the same depth and resolution."""
_LOSS_NAMES = {1: "chroma resolution", 2: "bit depth", 4: EXACT_RGB, 8: "alpha"}


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
    names = _LOSS_NAMES | ({4: "exact YCbCr"} if layout.model == "yuv" else {})
    return best.name, " and ".join(word for bit, word in names.items() if loss & bit) or None


def _is_related(source: Layout, target: Layout) -> bool:
    """Whether a conversion keeps luma as luma, and colour as colour; RGB may become any of those with colour.

    (FFmpeg does not count gray as a loss of chroma: of RGB and gray alone, as PNG has them, it takes gray for YCbCr.)
    """
    return (source.model == "rgb" or target.model != "rgb") and (source.model == "gray" or target.model != "gray")


def encoder_time_base(encoder: str, info: StreamInfo) -> Fraction:
    """The time base of the source, or for the few encoders that do not support it, the nearest one."""
    if encoder in _ENCODED_RATE_ONLY:
        return 1 / (info.frame_rate or Fraction(25))
    if info.time_base.denominator > _COARSE_TIME.get(encoder, 2**31 - 1):
        return Fraction(1, 60000)  # whole ticks for every common rate, 1001 rates included
    return info.time_base


def encoder_settings(encoder: str, info: StreamInfo, profile: str | None, options: SinkOptions) -> dict[str, str]:
    """The options of the encoder: its defaults, then the user's settings. Raises UsageError."""
    settings = SETTINGS.get(encoder, {}) | STEPS[options.quality].get(encoder, {})
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
