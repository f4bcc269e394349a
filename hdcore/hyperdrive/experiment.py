"""Experiments: a name that runs have in common. Standard library only at import."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from hdcore.hyperdrive.exceptions import ExperimentException, UserErrorException
from hdcore.hyperdrive.unserved import Served

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hdcore.hyperdrive.run import Run
    from hdcore.hyperdrive.workspace import Workspace

_NAME = re.compile(r"[A-Za-z0-9][\w. -]{0,254}")


class Experiment(Served):
    """A name under which runs are submitted and found.

    Parameters
    ----------
    workspace : Workspace
    name : str

    Raises
    ------
    UserErrorException
        If it cannot be a name.
    """

    def __init__(self, workspace: Workspace, name: str, _skip_name_validation: bool = False, **_: Any) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UserErrorException(
                f"Experiment: the name is {name!r}; use at most 255 letters, digits, '_' and '-', and begin with a"
                " letter or digit"
            )
        self.workspace = workspace
        self._name = name
        self.tags: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Experiment(Name: {self.name},\nWorkspace: {self.workspace.name})"

    @property
    def name(self) -> str:
        return self._name

    @property
    def id(self) -> str:
        """The same for the same name."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self._name))

    def get_portal_url(self) -> str:
        """Return the URL of the folder that holds the sweeps."""
        return (self.workspace._root / "sweeps").as_uri()

    def submit(self, config: Any, tags: Mapping[str, Any] | None = None, **kwargs: Any) -> Any:
        """Start what a configuration says, in a process of its own that outlives this one; return at once.

        Parameters
        ----------
        config : HyperDriveConfig, ScriptRunConfig, Estimator or Pipeline

        Returns
        -------
        HyperDriveRun, ScriptRun or PipelineRun
        """
        start = getattr(config, "_submit", None)
        if start is None:
            from hdcore.hyperdrive.submit import submit

            return submit(self, config, tags)
        return start(self, tags, **kwargs)

    def start_logging(self, *args: Any, **kwargs: Any) -> Run:
        """Begin a run of this very process, which logs to it and completes it.

        Parameters
        ----------
        display_name : str, keyword, optional
        outputs, snapshot_directory
            Not used: nothing is copied.
        """
        from hdcore.hyperdrive.homes import begin_journal_run
        from hdcore.hyperdrive.run import Run

        home = begin_journal_run(self.workspace._root, str(uuid.uuid4()), self.name)
        run = Run(self, home.id, _home=home)
        if kwargs.get("display_name"):
            run.display_name = kwargs["display_name"]
        return run

    def get_runs(
        self,
        type: str | None = None,
        tags: Any = None,
        properties: Any = None,
        include_children: bool = False,
    ) -> Iterator[Run]:
        """Yield the runs of the experiment, the newest first.

        Parameters
        ----------
        type : str, optional
            ``hyperdrive``, ``azureml.scriptrun`` or ``azureml.run``.
        include_children : bool
            The runs of sweeps too.
        """
        from hdcore.hyperdrive.homes import JournalHome
        from hdcore.hyperdrive.run import as_run, matches
        from hdcore.hyperdrive.stored import all_sweeps

        homes: list[tuple[float, Any]] = []
        for sweep in all_sweeps(self.workspace._root):
            if sweep.experiment_name == self.name and (include_children or sweep.parent_id is None):
                with sweep.reader() as reader:
                    created = reader.sweep().created
                homes.append((created, sweep.child(0) if sweep.is_single else sweep))
        for path in (self.workspace._place / "runs").glob("*"):
            home = JournalHome(path.name, self.workspace._root)
            if home.experiment_name == self.name and (include_children or home.parent_id is None):
                homes.append((home._began or 0.0, home))
        homes.sort(key=lambda pair: pair[0], reverse=True)
        for _, home in homes:
            run = as_run(self.workspace, home, self)
            if matches(run, tags, properties, type):
                yield run
            if include_children and home.type == "hyperdrive":
                yield from run.get_children(tags=tags, properties=properties, type=type)

    @staticmethod
    def list(workspace: Workspace, experiment_name: str | None = None, **_: Any) -> list[Experiment]:
        """Return the experiments that have runs."""
        from hdcore.hyperdrive.homes import JournalHome
        from hdcore.hyperdrive.stored import all_sweeps

        names = dict.fromkeys(sweep.experiment_name for sweep in all_sweeps(workspace._root))
        for path in (workspace._place / "runs").glob("*"):
            names.setdefault(JournalHome(path.name, workspace._root).experiment_name)
        return [Experiment(workspace, name) for name in names if name and experiment_name in (None, name)]

    def delete(self, *_: Any) -> None:
        """Refuse: sweeps are removed by hand."""
        raise ExperimentException(f"Experiment.delete: nothing is deleted; remove sweeps under {self.workspace._root}")
