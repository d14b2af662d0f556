"""Side data of decoded frames, and which of it each encoder writes.

    kind                               libx264  libx265  mpeg2video  *_nvenc  elsewhere
    closed captions (A53)              yes      yes      yes         yes      -
    stereoscopic arrangement           yes      rides    yes         -        -
    user data, AFD, HDR10+, HDR Vivid  rides    rides    -           -        -
    ambient viewing environment        rides    rides    -           -        -
    timecode (SMPTE ST 12-1)           -        rides    -           yes      -
    Dolby Vision                       -        rides    -           -        -
    HDR10 (mastering display, MaxCLL)  see `vdeblur.media.hdr10`
    rotation, spherical projection     see `VideoSink`: containers hold them
    all else                           -        -        -           -        -

"Rides": copied from the packets of the source if that is H.264 or HEVC too, see `vdeblur.media.sei`.
A warning names what is dropped when a frame first has it. Determined by trial: tests/test_side_data.py encodes
every kind with every encoder and decodes it again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

import av
from av.sidedata.sidedata import Type
from av.video.reformatter import Interpolation, VideoReformatter

from .sei import is_encoder_info

# FFmpeg adds types faster than PyAV, which raises ValueError for a frame with an unknown type.
NEW_NAMES = {28: "LCEVC", 29: "VIEW_ID", 30: "3D_REFERENCE_DISPLAYS", 31: "EXIF"}
"""Types of libavutil's AVFrameSideDataType that PyAV 18 does not know."""


def _unnamed(cls: type[Enum], value: object) -> Enum:
    """Enum's hook for an unknown value: adds a member for it."""
    member = object.__new__(cls)
    member._name_ = NEW_NAMES.get(value, f"TYPE_{value}") if isinstance(value, int) else str(value)
    member._value_ = value
    return cls._value2member_map_.setdefault(value, member)


Type._missing_ = classmethod(_unnamed)  # type: ignore[assignment]

DESCRIPTIONS = {
    "A53_CC": "closed captions",
    "STEREO3D": "stereoscopic arrangement",
    "AFD": "active format description",
    "SPHERICAL": "spherical projection",
    "ICC_PROFILE": "ICC profile",
    "S12M_TIMECODE": "timecodes of frames",
    "GOP_TIMECODE": "timecodes of groups",
    "DYNAMIC_HDR_PLUS": "HDR10+ metadata",
    "DYNAMIC_HDR_VIVID": "HDR Vivid metadata",
    "DOVI_RPU_BUFFER": "Dolby Vision metadata",
    "DOVI_METADATA": "Dolby Vision metadata",
    "AMBIENT_VIEWING_ENVIRONMENT": "ambient viewing environment",
    "SEI_UNREGISTERED": "user data (SEI)",
    "FILM_GRAIN_PARAMS": "film grain parameters",
    "LCEVC": "LCEVC enhancement layer",
    "VIEW_ID": "second view (MV-HEVC)",
    "3D_REFERENCE_DISPLAYS": "3D reference displays",
    "EXIF": "Exif metadata",
}
"""Type -> description."""

_NOT_LOST = frozenset(
    {
        "DISPLAYMATRIX",  # the container's, see `VideoSink`
        "SPHERICAL",
        "MASTERING_DISPLAY_METADATA",  # the encoder's settings, see `vdeblur.media.hdr10`
        "CONTENT_LIGHT_LEVEL",
        "PANSCAN",  # of any MPEG-2 frame, whether the stream has a window for old televisions or not
        "MOTION_VECTORS",  # of the old encoding
        "VIDEO_ENC_PARAMS",
        "VIDEO_HINT",
        "DETECTION_BBOXES",
        "REGIONS_OF_INTEREST",
        "GOP_TIMECODE",  # MPEG-2 cannot leave it out; see `SideDataWarnings`
    }
)
_CARRIED: dict[str, frozenset[str]] = {
    "libx264": frozenset({"A53_CC", "STEREO3D"}),
    "libx264rgb": frozenset({"A53_CC", "STEREO3D"}),
    "libx265": frozenset({"A53_CC"}),
    "mpeg2video": frozenset({"A53_CC", "STEREO3D"}),
    "h264_nvenc": frozenset({"A53_CC", "S12M_TIMECODE"}),
    "hevc_nvenc": frozenset({"A53_CC", "S12M_TIMECODE"}),
    "av1_nvenc": frozenset({"A53_CC", "S12M_TIMECODE"}),
}
_LARGEST_STEP = 10
"""Bits by which a side is shortened at most; swscale refuses more than about 14."""
_GOP_TIME = 0xFFE_FFF
"""Hours, minutes, seconds and pictures of MPEG-2's timecode (ISO/IEC 13818-2, 6.2.2.6): zero if unset."""


class SideData:
    """Reads the side data of frames from tiny copies of them.

    PyAV's side data objects form a reference cycle with the frame, which keeps its memory until the next garbage
    collection, and which points to freed memory once the frame is made writable.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def of(self, frame: av.VideoFrame) -> dict[str, bytes]:
        """The raw side data by the name of FFmpeg's AV_FRAME_DATA type; the first entry of each type."""
        width, height = (max(8, side >> _LARGEST_STEP) for side in (frame.width, frame.height))
        small = self._reformatter.reformat(frame, width, height, "gray", interpolation=Interpolation.POINT, threads=1)
        found: dict[str, bytes] = {}
        entries: Any = small.side_data  # PyAV's stub calls it a mapping of names
        for entry in entries:
            data = bytes(entry)
            if entry.type.name != "SEI_UNREGISTERED" or not is_encoder_info(data):
                found.setdefault(entry.type.name, data)
        return found


def kinds(found: Mapping[str, bytes]) -> frozenset[str]:
    """The kinds of side data whose loss a viewer or another tool could notice."""
    return frozenset(found) - _NOT_LOST


def describe_kinds(kinds: Iterable[str]) -> list[str]:
    """Descriptions of the kinds, each once."""
    return sorted({DESCRIPTIONS.get(kind, f"side data {kind}") for kind in kinds})


class SideDataWarnings:
    """Warns once about each kind of side data that an encoder drops."""

    def __init__(
        self, encoder: str, name: str, warnings: list[str], first: Mapping[str, bytes], held: Iterable[str] = ()
    ) -> None:
        """`name` is that of the output, `warnings` collects, `first` is the side data of the source's first frame.

        `held` are kinds that the container stores.
        """
        self._encoder, self._name, self._warnings = encoder, name, warnings
        self._known = _CARRIED.get(encoder, frozenset()).union(held)
        if int.from_bytes(first.get("GOP_TIMECODE", b""), sys.byteorder) & _GOP_TIME:
            self.check(frozenset({"GOP_TIMECODE"}))

    def check(self, kinds: frozenset[str], riding: Iterable[str] = ()) -> None:
        """Check the side data of a frame for the encoder, and the kinds `riding` in its packet.

        Decoders repeat some kinds on the following frames, so a kind that rode once counts for those too.
        """
        self._known = self._known.union(riding)
        if dropped := kinds - self._known:
            self._known |= dropped
            for what in describe_kinds(dropped):
                self._warnings.append(f"{self._name}: {self._encoder} cannot carry the {what} of the source: dropped")
