"""How much each parameter matters for reaching good results."""

from hdcore.importance.ped_anova import ped_anova

__all__ = ["ped_anova"]
