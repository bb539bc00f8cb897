"""Reads attributes from faces: the network that labels where tags say nothing."""
