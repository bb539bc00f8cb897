"""What the stages agree on: records, the attribute vocabulary, tables and atomic files."""

from manifest.errors import Unavailable, UserError

__all__ = ["Unavailable", "UserError"]
