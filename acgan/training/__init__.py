"""Training: presets, the plan of a run, its steps and what it writes."""
