"""What one does with a trained snapshot: pictures, strips, animations, files to take elsewhere."""
