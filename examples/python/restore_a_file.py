"""Restore a file from Python: what `vdeblur INPUT` does, with a callback for every frame.

python examples/python/restore_a_file.py INPUT OUTPUT
"""

from __future__ import annotations

import sys

import vdeblur


def main(source: str, target: str) -> None:
    """Restore `source` into `target`; errors that have a remedy are one line, and nothing half written is left."""
    done = 0

    def on_frame(info: vdeblur.StreamInfo, frame: vdeblur.Frame) -> None:
        nonlocal done
        done += 1
        if done % 25 == 0:
            print(f"{frame.seconds:.1f} s of {info.duration_seconds or 0:.1f}", file=sys.stderr)

    job = vdeblur.Job(
        source,
        target,
        model=vdeblur.ModelOptions("fast", views=1),
        strength=0.9,
        sink=vdeblur.SinkOptions(overwrite=True, crf=16),
    )
    try:
        summary = vdeblur.restore(job, on_frame)
    except vdeblur.VdeblurError as error:  # InputError, OutputError, ModelError, DeviceError, UsageError
        sys.exit(f"{type(error).__name__}: {error}")
    print(summary.to_text())


if __name__ == "__main__":
    main(*sys.argv[1:])
