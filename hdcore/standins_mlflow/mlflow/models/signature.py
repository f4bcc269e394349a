"""``mlflow.models.signature``: names and types of what a model takes and gives. They are kept, and never enforced."""

from __future__ import annotations

import json
from typing import Any

from mlflow.types.schema import Schema, schema_of

__all__ = ["ModelSignature", "infer_signature"]


class ModelSignature:
    """Inputs, outputs and parameters of a model."""

    def __init__(self, inputs: Schema | None = None, outputs: Schema | None = None, params: Any = None) -> None:
        self.inputs, self.outputs, self.params = inputs, outputs, params

    def to_dict(self) -> dict[str, Any]:
        """Return it as an ``MLmodel`` file has it: JSON texts."""
        parts = {"inputs": self.inputs, "outputs": self.outputs}
        return {
            **{name: None if part is None else json.dumps(part.to_dict()) for name, part in parts.items()},
            "params": None,
        }

    def __repr__(self) -> str:
        return f"inputs: {self.inputs}\noutputs: {self.outputs}\nparams: {self.params}"


def infer_signature(model_input: Any = None, model_output: Any = None, params: Any = None) -> ModelSignature:
    """Return the signature of a model by what it took and gave."""
    return ModelSignature(schema_of(model_input), schema_of(model_output), params)
