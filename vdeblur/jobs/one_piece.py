"""Falls back to one piece if the segments do not fit together; shared by resuming, batches and clusters.

Damaged files can have wrong time stamps, so that a plan from the packets contains frames that no decoder returns, and
an encoder can change its headers midway. The worker that finds this marks the folder of the job; the other segments
are then skipped, and the last step restores the whole input instead of joining.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..errors import NotInSegments
from ..frames import StreamInfo
from ..restorer import Restorer
from .folder import JobFolder, Manifest
from .job import OnFrame, Summary
from .joining import join
from .segment import restore_segment
from .whole import restore_whole


def restore_piece(
    folder: JobFolder,
    index: int,
    on_frame: OnFrame | None = None,
    *,
    pass_through: bool = False,
) -> Manifest | None:
    """Restore a segment as `restore_segment` does; None if this or another segment shows that segments do not work.

    Raises what `restore_segment` raises except NotInSegments.
    """
    if folder.refusal is not None:
        return None
    try:
        return restore_segment(folder, index, on_frame, pass_through=pass_through)
    except NotInSegments as error:
        folder.refuse(str(error))
        return None


def finish(
    folder: JobFolder,
    say: Callable[[str], object],
    on_frame: OnFrame | None = None,
    around: Callable[[Restorer, StreamInfo], Restorer] | None = None,
) -> Summary:
    """Join the segments, or restore the input in one piece if that fails; then `say` is called with the reason.

    `on_frame` and `around` are those of `restore_whole`. No other process may work on this folder. Raises what `join`
    raises except NotInSegments, and what `restore_whole` raises.
    """
    try:
        if folder.refusal is None:
            return join(folder)
    except NotInSegments as error:
        folder.refuse(str(error))
    say(f"{folder.refusal}; restoring it in one piece")
    folder.remove_temporaries()
    job = folder.job
    sink = replace(job.sink, partial_folder=str(folder.path))  # a killed run leaves nothing elsewhere
    return restore_whole(replace(job, output=folder.output, sink=sink), on_frame, around)
