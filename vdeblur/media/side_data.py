"""What decoded frames carry beside their samples, and what of it each encoder writes on.

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

"Rides": copied from the source's packets where that is H.264 or HEVC as well, see `vdeblur.media.sei`.
What is not carried is named in a warning when the first frame has it. Found by trial: tests/test_side_data.py encodes
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

from .sei import is_encoders_own

# FFmpeg's tables grow faster than PyAV's, which raises ValueError for a frame with any type that it has no name for.
NEW_NAMES = {28: "LCEVC", 29: "VIEW_ID", 30: "3D_REFERENCE_DISPLAYS", 31: "EXIF"}
"""Types of libavutil's AVFrameSideDataType that PyAV 18 does not know."""


def _unnamed(cls: type[Enum], value: object) -> Enum:
    """Enum's hook for a value without a member: one is made for it."""
    member = object.__new__(cls)
    member._name_ = NEW_NAMES.get(value, f"TYPE_{value}") if isinstance(value, int) else str(value)
    member._value_ = value
    return cls._value2member_map_.setdefault(value, member)


Type._missing_ = classmethod(_unnamed)  # type: ignore[assignment]

WORDS = {
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
"""How people call what a type holds."""

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
        "GOP_TIMECODE",  # MPEG-2 cannot leave it out; see `Carriage`
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
"""Hours, minutes, seconds and pictures of MPEG-2's timecode (ISO/IEC 13818-2, 6.2.2.6): zero where nobody set it."""


class SideData:
    """Reads what frames carry, off a copy of each that is a few samples large.

    PyAV keeps what it hands out together with the frame, in a cycle that holds all of its memory until Python collects
    garbage, and that points to freed memory once the frame is made writable.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def of(self, frame: av.VideoFrame) -> dict[str, bytes]:
        """The raw side data by the names of FFmpeg's AV_FRAME_DATA types; the first of each, as a decoder gave it."""
        width, height = (max(8, side >> _LARGEST_STEP) for side in (frame.width, frame.height))
        small = self._reformatter.reformat(frame, width, height, "gray", interpolation=Interpolation.POINT, threads=1)
        found: dict[str, bytes] = {}
        entries: Any = small.side_data
        for entry in entries:
            data = bytes(entry)
            if entry.type.name != "SEI_UNREGISTERED" or not is_encoders_own(data):
                found.setdefault(entry.type.name, data)
        return found


def kinds(found: Mapping[str, bytes]) -> frozenset[str]:
    """Of what a frame carries, that which a viewer or a later tool could miss."""
    return frozenset(found) - _NOT_LOST


def words(kinds: Iterable[str]) -> list[str]:
    """The kinds in words, each once."""
    return sorted({WORDS.get(kind, f"side data {kind}") for kind in kinds})


class Carriage:
    """Watches what frames carry into one encoder, and names once in a warning what that drops."""

    def __init__(
        self, encoder: str, name: str, warnings: list[str], first: Mapping[str, bytes], held: Iterable[str] = ()
    ) -> None:
        """`name` is the output's, `warnings` where to tell, `first` the side data of the source's first frame.

        `held` are kinds that the container keeps.
        """
        self._encoder, self._name, self._warnings = encoder, name, warnings
        self._known = _CARRIED.get(encoder, frozenset()).union(held)
        if int.from_bytes(first.get("GOP_TIMECODE", b""), sys.byteorder) & _GOP_TIME:
            self.note(frozenset({"GOP_TIMECODE"}))

    def note(self, kinds: frozenset[str], riding: Iterable[str] = ()) -> None:
        """Look at what a frame carries on its way into the encoder, and what rides along beside it.

        A decoder keeps some kinds for the frames that follow, so what rode once stands for those.
        """
        self._known = self._known.union(riding)
        if dropped := kinds - self._known:
            self._known |= dropped
            for what in words(dropped):
                self._warnings.append(f"{self._name}: {self._encoder} does not carry the {what} of the source: dropped")
