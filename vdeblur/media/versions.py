"""Differences between versions of PyAV."""

from __future__ import annotations

from typing import Any

import av

MAJOR = int(av.__version__.partition(".")[0])

REPLACE_INVALID_TAGS: dict[str, Any] = {"metadata_errors": "replace"} if MAJOR < 19 else {}
"""Arguments of `av.open` that tolerate tags in an unknown encoding; PyAV 19 always does."""
