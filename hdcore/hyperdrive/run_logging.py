"""The logging methods of a run. Standard library only."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hdcore.hyperdrive.exceptions import UserErrorException
from hdcore.hyperdrive.files import RunFiles
from hdcore.hyperdrive.metrics import plain_cell, plain_list, plain_table, plain_value


class Logging:
    """What a run logs. How a value, a table and a file are kept is for the class that mixes this in."""

    def _log_value(self, name: str, value: Any, step: int | None) -> None:
        raise NotImplementedError

    def _note(self, kind: str, **fields: Any) -> None:
        raise NotImplementedError

    def _run_files(self) -> RunFiles:
        raise NotImplementedError

    def _artifact_uri(self, file: str) -> str:
        raise NotImplementedError

    def log(self, name: str, value: Any, description: str = "", step: int | None = None) -> None:
        """Log one value; repeated calls make a series, and each of the primary metric is an interval.

        Parameters
        ----------
        value : number, str or bool
            NumPy scalars are numbers; what is unknown is kept as its ``repr``.
        step : int, optional
            Position in plots.

        Raises
        ------
        UserErrorException
            If it is a list: `log_list` takes those.
        """
        self._log_value(_named(name), plain_value(name, value), None if step is None else int(step))

    def log_list(self, name: str, value: Iterable[Any], description: str = "") -> None:
        """Log each value of a list in turn; an empty one logs nothing."""
        for item in plain_list(_named(name), value):
            self._log_value(name, item, None)

    def log_row(self, name: str, description: str | None = None, **kwargs: Any) -> None:
        """Log a row of a table, a column a keyword; a cell is one value."""
        cells = {column: plain_cell(name, value) for column, value in kwargs.items()}
        self._note("row", name=_named(name), columns=cells)

    def log_table(self, name: str, value: Mapping[str, Any], description: str = "") -> None:
        """Log whole columns of a table, ``{"x": [1, 2], "y": [0.1, 0.2]}``."""
        columns = plain_table(_named(name), value)
        if any(columns.values()):
            self._note("table", name=name, columns=columns)

    def log_image(
        self, name: str, path: str | os.PathLike[str] | None = None, plot: Any = None, description: str = ""
    ) -> None:
        """Log an image: a file, or a pyplot module or figure that is saved as PNG."""
        if (path is None) == (plot is None):
            raise UserErrorException("log_image: give exactly one of path and plot")
        stem = f"{_file_word(_named(name))}_{time.time_ns() // 1_000_000}"
        files = self._run_files()
        if path is not None:
            file = stem + (Path(path).suffix or ".png")
            files.put(file, path)
        else:
            if not hasattr(plot, "savefig"):
                raise UserErrorException(
                    f"log_image: plot is a {type(plot).__name__}; give matplotlib.pyplot or a figure"
                )
            import io

            file = f"{stem}.png"
            buffer = io.BytesIO()
            plot.savefig(buffer, format="png")
            buffer.seek(0)
            files.put(file, buffer)
        self._note("artifact", name=name, value=self._artifact_uri(file), file=file)

    def log_confusion_matrix(self, name: str, value: Any, description: str = "") -> None:
        """Log a confusion matrix, ``{"schema_type": "confusion_matrix", …}`` or its JSON; kept as a file."""
        self._log_document(name, value, "confusion_matrix")

    def log_accuracy_table(self, name: str, value: Any, description: str = "") -> None:
        """Log an accuracy table; kept as a file."""
        self._log_document(name, value, "accuracy_table")

    def log_predictions(self, name: str, value: Any, description: str = "") -> None:
        """Log predictions; kept as a file."""
        self._log_document(name, value, "predictions")

    def log_residuals(self, name: str, value: Any, description: str = "") -> None:
        """Log residuals; kept as a file."""
        self._log_document(name, value, "residuals")

    def _log_document(self, name: str, value: Any, kind: str) -> None:
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                raise UserErrorException(f"log_{kind}: the value of {name!r} is no JSON; give a dictionary") from None
        if not isinstance(value, Mapping):
            raise UserErrorException(f"log_{kind}: {name!r} was given a {type(value).__name__}; give a dictionary")
        import io

        file = f"{_file_word(_named(name))}_{time.time_ns() // 1_000_000}.json"
        self._run_files().put(file, io.StringIO(json.dumps(value, default=_jsonable)))
        self._note("artifact", name=name, value=self._artifact_uri(file), file=file, type=f"azureml.v1.{kind}")


def _named(name: str) -> str:
    if not isinstance(name, str) or not name:
        raise UserErrorException(f"the name of a metric is {name!r}; give a string")
    return name


def _file_word(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_.- " else "_" for c in name).strip() or "metric"


def _jsonable(value: Any) -> Any:
    for method in ("tolist", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    return repr(value)
