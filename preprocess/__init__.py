"""From pictures to a labelled face set."""
