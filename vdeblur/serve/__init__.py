"""The web server: its page, its queue of videos and its webcams."""
