"""Avatars over HTTP, and the page (extra `serve`)."""
