"""Azure's HyperDrive, version 1 of its API, running on this machine.

Names, signatures, defaults and checks are those of ``azureml-core`` and ``azureml-train-core``; sweeps and runs live
in hdcore's store. A workspace is a root (``$HDCORE_ROOT`` or ``./.hdcore``), every compute target is this machine,
datasets are local paths, models are folders with a version. Azure's limits are lifted; ``strict(True)`` puts them back.

Names are imported on first use: a training script that asks for `Run` alone loads the standard library only.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES: dict[str, tuple[str, ...]] = {
    "expressions": (
        *("choice", "randint", "uniform", "quniform", "loguniform", "qloguniform"),
        *("normal", "qnormal", "lognormal", "qlognormal"),
    ),
    "sampling": (
        *("HyperParameterSampling", "RandomParameterSampling", "GridParameterSampling", "BayesianParameterSampling"),
    ),
    "policies": (
        *("EarlyTerminationPolicy", "BanditPolicy", "MedianStoppingPolicy", "TruncationSelectionPolicy"),
        "NoTerminationPolicy",
    ),
    "config": ("HyperDriveConfig", "HyperDriveRunConfig", "PrimaryMetricGoal"),
    "limits": ("strict", "is_strict"),
    "run": ("Run", "get_run"),
    "sweep_run": ("HyperDriveRun",),
    "script_run": ("ScriptRun",),
    "experiment": ("Experiment",),
    "workspace": ("Workspace",),
    "script": ("ScriptRunConfig",),
    "run_configuration": (
        *("RunConfiguration", "DockerConfiguration", "MpiConfiguration", "ParallelTaskConfiguration"),
        *("PyTorchConfiguration", "TensorflowConfiguration", "DEFAULT_CPU_IMAGE", "DEFAULT_GPU_IMAGE"),
    ),
    "estimators": ("Estimator", "SKLearn", "PyTorch", "TensorFlow", "Chainer", "Keras", "Mpi", "Gloo", "Nccl"),
    "environment": ("Environment", "CondaDependencies", "DockerSection", "PythonSection"),
    "compute": (*("ComputeTarget", "AmlCompute", "BatchAiCompute", "ComputeInstance", "DsvmCompute", "RemoteCompute"),),
    "authentication": (
        *("InteractiveLoginAuthentication", "ServicePrincipalAuthentication", "AzureCliAuthentication"),
        *("MsiAuthentication", "TokenAuthentication"),
    ),
    "datastore": ("Datastore", "DataPath", "DataPathComputeBinding", "DataReference"),
    "dataset": ("Dataset", "FileDataset", "TabularDataset"),
    "consumption": ("DatasetConsumptionConfig", "OutputFileDatasetConfig"),
    "model": ("Model", "ResourceConfiguration"),
    "widget": ("RunDetails",),
    "pipeline": ("Pipeline", "PipelineData", "PipelineParameter", "StepSequence", "TrainingOutput"),
    "pipeline_run": ("PipelineRun", "StepRun", "HyperDriveStepRun", "StepRunOutput", "PortDataReference"),
    "steps": ("HyperDriveStep", "PythonScriptStep", "EstimatorStep"),
    "telemetry": ("set_diagnostics_collection",),
    "exceptions": (
        *("AzureMLException", "UserErrorException", "RunEnvironmentException", "ActivityFailedException"),
        *("ActivityCanceledException", "ExperimentExecutionException", "ExperimentException"),
        *("ComputeTargetException", "ModelNotFoundException", "ModelPathNotFoundException", "ProjectSystemException"),
        *("WorkspaceException", "WebserviceException", "ServiceException", "AuthenticationException"),
        *("TrainingException", "SnapshotException", "DatasetValidationError", "DatasetExecutionError"),
        *("HyperDriveException", "HyperDriveServiceException", "HyperDriveConfigException"),
        *("HyperDriveScenarioNotSupportedException", "HyperDriveNotImplementedException"),
        "HyperDriveRehydrateException",
    ),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [*_HOME]

NOT_SERVED: dict[str, str] = {
    "Webservice": "deployment has no local meaning",
    "AciWebservice": "deployment has no local meaning",
    "AksWebservice": "deployment has no local meaning",
    "AksCompute": "deployment has no local meaning",
    "LocalWebservice": "deployment has no local meaning",
    "InferenceConfig": "deployment has no local meaning",
    "ContainerImage": "deployment has no local meaning",
    "Image": "deployment has no local meaning",
    "DatabricksCompute": "there is no such compute here",
    "KubernetesCompute": "there is no such compute here",
    "SynapseCompute": "there is no such compute here",
    "HDInsightCompute": "there is no such compute here",
    "DataFactoryCompute": "there is no such compute here",
    "AdlaCompute": "there is no such compute here",
    "BatchCompute": "there is no such compute here",
    "Keyvault": "there is no key vault here; read secrets from the environment",
    "LinkedService": "there are no linked services here",
    "PrivateEndPoint": "there are no endpoints here",
}
"""Names of Azure's SDK that are known and not served, with the reason."""


def __getattr__(name: str) -> Any:
    module = _HOME.get(name)
    if module is None:
        why = NOT_SERVED.get(name)
        if why is not None:
            raise AttributeError(f"hdcore.hyperdrive has no {name}: {why}")
        raise AttributeError(f"module 'hdcore.hyperdrive' has no attribute {name!r}")
    value = getattr(import_module(f"hdcore.hyperdrive.{module}"), name)
    globals()[name] = value  # the next access is a plain dictionary look-up
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
