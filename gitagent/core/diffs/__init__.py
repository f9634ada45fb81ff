"""Unified diffs: making them, reading them out of replies, and applying them exactly or not at all."""

from gitagent.core.diffs.apply import Applied, apply_reply
from gitagent.core.diffs.paths import check_path
from gitagent.core.diffs.refusals import Refused
from gitagent.core.diffs.render import between
from gitagent.core.texts import lines_of

__all__ = ["Applied", "Refused", "apply_reply", "between", "check_path", "lines_of"]
