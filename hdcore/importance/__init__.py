"""How much each parameter matters: for reaching good results (PED-ANOVA), for the variance of all of them (fANOVA)."""

from hdcore.importance.fanova import fanova
from hdcore.importance.ped_anova import ped_anova

__all__ = ["fanova", "ped_anova"]
