"""The command of a run: a template with references, split once, filled in one pass, executed as an argument list."""

from hdcore.command.installs import without_installs
from hdcore.command.template import FIELD, Command, Reference, as_argument, format_value, modernise, plain

__all__ = ["FIELD", "Command", "Reference", "as_argument", "format_value", "modernise", "plain", "without_installs"]
