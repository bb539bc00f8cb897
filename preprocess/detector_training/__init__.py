"""Training of the face detector: an LBP cascade that proposes, a small network that verifies."""
