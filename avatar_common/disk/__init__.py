"""What lies on disk: raw posts, face sets, runs, snapshots, scores; read and written here."""
