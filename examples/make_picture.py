"""Make examples/before_after.png: crops of the example clip before and after, one row per moment.

python examples/make_picture.py [-m MODEL]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from vdeblur import load_restorer, restored
from vdeblur.media.planes import video_frame
from vdeblur.media.sources import open_source

HERE = Path(__file__).parent
MOMENTS = {31: (130, 95), 81: (210, 115)}
"""Frame -> left, top of a crop of 240x150; the frames that change most."""


def main() -> None:
    """Write the picture."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("-m", "--model", default="fast")
    restorer = load_restorer(arguments.parse_args().model)
    rows = []
    with open_source(str(HERE / "handheld.mp4")) as source:
        for index, result in enumerate(restored(source, restorer)):
            if index in MOMENTS:
                x, y = MOMENTS[index]
                pair = []
                for frame, label in ((result.before, "before"), (result.after, "after")):
                    picture = video_frame(frame).to_ndarray(format="bgr24")[y : y + 150, x : x + 240]
                    picture = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
                    cv2.putText(picture, label, (12, 288), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 4, cv2.LINE_AA)
                    cv2.putText(
                        picture, label, (12, 288), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 1, cv2.LINE_AA
                    )
                    pair.append(picture)
                rows.append(np.hstack(pair))
    cv2.imwrite(str(HERE / "before_after.png"), np.vstack(rows))


if __name__ == "__main__":
    main()
