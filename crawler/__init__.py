"""From a booru query to `data/raw`: polite, resumable, exact."""
