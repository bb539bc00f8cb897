"""The web page on which to make avatars (extra `ui`)."""
