"""Files and streams of video and pictures: the only home of PyAV beside `live`."""
