"""What turns out not to be made up of its segments goes through in one piece: resume, batch and clusters share this.

Damage can make times up, so that a plan from the packets holds frames that no decoder gives, and an encoder can change
its headers on the way. Whoever meets that marks the job's folder; the other segments need not be done any more, and the
end of the job, which would join them, restores the whole input instead.
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
    """`restore_segment`; None, now and for every other segment, once one has shown that the input has none.

    Raises what `restore_segment` raises but for NotInSegments.
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
    """Join the segments; what they cannot make up is restored in one piece, and `say` gets the reason in a line.

    `on_frame` and `around` are for that as in `restore_whole`. No one else may be at work on this folder. Raises what
    `join` raises but for NotInSegments, and what `restore_whole` raises.
    """
    try:
        if folder.refusal is None:
            return join(folder)
    except NotInSegments as error:
        folder.refuse(str(error))
    say(f"{folder.refusal}; going on in one piece")
    folder.remove_temporaries()
    job = folder.job
    sink = replace(job.sink, partial_folder=str(folder.path))  # a kill leaves nothing elsewhere
    return restore_whole(replace(job, output=folder.output, sink=sink), on_frame, around)
