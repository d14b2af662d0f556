"""vdeblur: motion deblurring of video as a stream."""
