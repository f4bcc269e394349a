"""Where Hydra looks for sweepers: ``hydra/sweeper=hdcore`` is `hdcore.bindings.hydra`.

`hydra_plugins` is Hydra's namespace; this module has to stay as small as it is, since every program with Hydra imports
it when it starts.
"""

from __future__ import annotations

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper

# Hydra runs this module before it stands in sys.modules, so a dataclass cannot be made here.
OPTIONS = {
    "_target_": "hydra_plugins.hdcore_sweeper.HdcoreSweeper",
    "sampler": "bayesian",
    "goal": "minimize",
    "max_runs": 20,
    "max_concurrent": 1,
    "seed": None,
    "max_failure_rate": 0.0,
    "params": {},
}
ConfigStore.instance().store(group="hydra/sweeper", name="hdcore", node=OPTIONS, provider="hdcore")


class HdcoreSweeper(Sweeper):  # type: ignore[misc]
    """Proposes overrides and launches them; `hdcore.bindings.hydra.Sweep` does the work."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        from hydra.core.plugins import Plugins

        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        from hdcore.bindings.hydra import Sweep

        return Sweep(self, **self._options).run(arguments)
