"""The page in the browser, its jobs and its webcam."""
