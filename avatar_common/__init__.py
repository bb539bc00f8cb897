"""What the stages agree on: records, the attribute vocabulary, tables and atomic files."""

from avatar_common.errors import Unavailable, UserError

__all__ = ["Unavailable", "UserError"]
