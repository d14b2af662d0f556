"""What differs between versions of PyAV."""

from __future__ import annotations

from typing import Any

import av

MAJOR = int(av.__version__.partition(".")[0])

TAGS_AS_THEY_ARE: dict[str, Any] = {"metadata_errors": "replace"} if MAJOR < 19 else {}
"""Keywords of `av.open` with which a tag in no known encoding is no error. PyAV 19 has no such setting any more."""
