"""What the stand-in for ``azureml`` holds, module by module."""

from __future__ import annotations

_V1 = "hdcore.hyperdrive"
_VERSION = "=1.61.0+hdcore"
_DEPLOY = "!!deployment is out of scope; what the sweep left behind is in its folder"
_AUTOML = "!hdcore runs your own training scripts; it has no automated ML"
_COMPUTE = "!there is no such compute; every cluster name means this machine, use AmlCompute"
_STEP = "!hdcore runs pipelines of PythonScriptStep, EstimatorStep and HyperDriveStep"
_DATA = "!hdcore reads local files; give a local path"
_SERVICE = "!it has no local meaning; hdcore runs everything on this machine"


def _of(names: str) -> dict[str, str]:
    return {name: f"{_V1}:{name}" for name in names.split()}


def _not(why: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), why)


_EXPRESSIONS = _of("choice randint uniform quniform loguniform qloguniform normal qnormal lognormal qlognormal")
_SAMPLING = _of("HyperParameterSampling RandomParameterSampling GridParameterSampling BayesianParameterSampling")
_POLICIES = _of(
    "EarlyTerminationPolicy BanditPolicy MedianStoppingPolicy TruncationSelectionPolicy NoTerminationPolicy"
)
_CONFIG = _of("HyperDriveConfig HyperDriveRunConfig PrimaryMetricGoal")
_HYPERDRIVE_ERRORS = _of(
    "HyperDriveException HyperDriveServiceException HyperDriveConfigException HyperDriveScenarioNotSupportedException "
    "HyperDriveNotImplementedException HyperDriveRehydrateException"
)
_COMPUTES = {
    **_of("ComputeTarget AmlCompute BatchAiCompute ComputeInstance DsvmCompute RemoteCompute"),
    **_not(
        _COMPUTE,
        "AdlaCompute BatchCompute DataFactoryCompute DatabricksCompute HDInsightCompute "
        "KubernetesCompute SynapseCompute KustoCompute",
    ),
    **_not(_DEPLOY, "AksCompute"),
}
_WEBSERVICES = {
    **_of("WebserviceException"),
    **_not(
        _DEPLOY,
        "Webservice AciWebservice AksWebservice LocalWebservice AksEndpoint AciServiceDeploymentConfiguration "
        "AksServiceDeploymentConfiguration LocalWebserviceDeploymentConfiguration",
    ),
}
_IMAGES = _not(_DEPLOY, "Image ContainerImage ContainerImageConfig")
_AUTHENTICATION = {
    **_of(
        "InteractiveLoginAuthentication ServicePrincipalAuthentication AzureCliAuthentication MsiAuthentication "
        "TokenAuthentication AuthenticationException"
    ),
    "AbstractAuthentication": f"{_V1}:InteractiveLoginAuthentication",
}
_RUN_CONFIGURATION = _of(
    "RunConfiguration DockerConfiguration MpiConfiguration ParallelTaskConfiguration PyTorchConfiguration "
    "TensorflowConfiguration DEFAULT_CPU_IMAGE DEFAULT_GPU_IMAGE CondaDependencies"
)
_ESTIMATORS = _of("Estimator SKLearn PyTorch TensorFlow Chainer Mpi Gloo Nccl")
_DATA_NAMES = {
    **_of("Dataset FileDataset TabularDataset DatasetConsumptionConfig OutputFileDatasetConfig DataPath DataReference"),
}
_OTHER_STEPS = _not(
    _STEP,
    "AdlaStep AutoMLStep AutoMLStepRun AzureBatchStep CommandStep DataTransferStep DatabricksStep KustoStep "
    "ModuleStep MpiStep ParallelRunConfig ParallelRunStep RScriptStep SynapseSparkStep",
)
_PIPELINE = {
    **_of("Pipeline PipelineData PipelineParameter PipelineRun StepRun StepSequence TrainingOutput"),
    **_not(
        _DEPLOY,
        "PublishedPipeline PipelineEndpoint Schedule ScheduleRecurrence ScheduleStatus TimeZone PipelineDraft",
    ),
    **_not(_STEP, "PipelineStep InputPortBinding OutputPortBinding PipelineOutputFileDataset Module Graph"),
}
_EXCEPTIONS = {
    **_of(
        "AzureMLException UserErrorException RunEnvironmentException ActivityFailedException ActivityCanceledException "
        "ExperimentExecutionException ExperimentException ComputeTargetException ModelNotFoundException "
        "ModelPathNotFoundException ProjectSystemException WorkspaceException WebserviceException ServiceException "
        "AuthenticationException TrainingException SnapshotException DatasetValidationError DatasetExecutionError"
    ),
}

MODULES: dict[str, dict[str, str]] = {
    "azureml": {"__version__": _VERSION},
    "azureml._base_sdk_common": {},
    # ------------------------------------------------------------------ azureml.core
    "azureml.core": {
        **_of(
            "ComputeTarget Dataset Datastore Environment Experiment Model Run RunConfiguration ScriptRun "
            "ScriptRunConfig Workspace"
        ),
        **_not(_DEPLOY, "Webservice Image ContainerRegistry"),
        **_not(_SERVICE, "Keyvault LinkedService PrivateEndPoint PrivateEndPointConfig"),
        "VERSION": _VERSION,
        "__version__": _VERSION,
    },
    "azureml.core.authentication": _AUTHENTICATION,
    "azureml.core.compute": {**_COMPUTES, **_of("ComputeTargetException")},
    "azureml.core.compute.amlcompute": _of("AmlCompute ComputeTarget"),
    "azureml.core.compute.compute": _of("ComputeTarget"),
    "azureml.core.compute.computeinstance": _of("ComputeInstance"),
    "azureml.core.compute.remote": _of("RemoteCompute"),
    "azureml.core.compute.aks": _not(_DEPLOY, "AksCompute"),
    "azureml.core.compute.databricks": _not(_COMPUTE, "DatabricksCompute"),
    "azureml.core.compute.kubernetescompute": _not(_COMPUTE, "KubernetesCompute"),
    "azureml.core.compute_target": {**_COMPUTES, **_of("ComputeTargetException")},
    "azureml.core.conda_dependencies": _of("CondaDependencies"),
    "azureml.core.container_registry": _not(_DEPLOY, "ContainerRegistry"),
    "azureml.core.databricks": _not(_COMPUTE, "DatabricksCluster DatabricksSection PyPiLibrary"),
    "azureml.core.dataset": _of("Dataset"),
    "azureml.core.datastore": _of("Datastore"),
    "azureml.core.environment": {
        **_of("Environment CondaDependencies DockerSection PythonSection DEFAULT_CPU_IMAGE DEFAULT_GPU_IMAGE"),
        **_not(_DEPLOY, "ImageBuildDetails DockerBuildContext DockerImagePlatform"),
    },
    "azureml.core.experiment": _of("Experiment"),
    "azureml.core.image": _IMAGES,
    "azureml.core.image.image": _IMAGES,
    "azureml.core.image.container": _IMAGES,
    "azureml.core.keyvault": _not(_SERVICE, "Keyvault"),
    "azureml.core.linked_service": _not(_SERVICE, "LinkedService"),
    "azureml.core.model": {**_of("Model"), **_not(_DEPLOY, "InferenceConfig ModelPackage")},
    "azureml.core.private_endpoint": _not(_SERVICE, "PrivateEndPoint PrivateEndPointConfig"),
    "azureml.core.profile": _not(_DEPLOY, "ModelProfile"),
    "azureml.core.resource_configuration": _of("ResourceConfiguration"),
    "azureml.core.run": {
        **_of("Run get_run"),
        "_OfflineRun": f"{_V1}.context:_OfflineRun",  # scripts ask for the class to know where they are
        "_SubmittedRun": f"{_V1}.context:_SubmittedRun",
    },
    "azureml.core.runconfig": {
        **_RUN_CONFIGURATION,
        **_of("DockerSection PythonSection Environment"),
        "EnvironmentDefinition": f"{_V1}:Environment",
        "DEFAULT_MMLSPARK_CPU_IMAGE": "=local",
        "Data": f"{_V1}:DatasetConsumptionConfig",
        **_not(_COMPUTE, "SparkConfiguration HdiConfiguration KubernetesComputeConfiguration"),
        **_not(_DATA, "DataReferenceConfiguration OutputData"),
    },
    "azureml.core.script_run": _of("ScriptRun"),
    "azureml.core.script_run_config": _of("ScriptRunConfig"),
    "azureml.core.util": {},
    "azureml.core.webservice": _WEBSERVICES,
    "azureml.core.webservice.aci": _WEBSERVICES,
    "azureml.core.webservice.aks": _WEBSERVICES,
    "azureml.core.webservice.local": _WEBSERVICES,
    "azureml.core.webservice.webservice": _WEBSERVICES,
    "azureml.core.workspace": _of("Workspace WorkspaceException"),
    # ------------------------------------------------------------------ azureml.data
    "azureml.data": {**_DATA_NAMES, **_of("Datastore"), **_not(_DATA, "DataType OutputTabularDatasetConfig")},
    "azureml.data.abstract_dataset": {"AbstractDataset": f"{_V1}:Dataset"},
    "azureml.data.abstract_datastore": {"AbstractDatastore": f"{_V1}:Datastore"},
    "azureml.data.azure_storage_datastore": {
        "AzureBlobDatastore": f"{_V1}:Datastore",
        "AzureFileDatastore": f"{_V1}:Datastore",
    },
    "azureml.data.data_reference": _of("DataReference"),
    "azureml.data.datapath": _of("DataPath DataPathComputeBinding"),
    "azureml.data.dataset_consumption_config": _of("DatasetConsumptionConfig"),
    "azureml.data.dataset_error_handling": _of("DatasetValidationError DatasetExecutionError"),
    "azureml.data.dataset_factory": {
        "FileDatasetFactory": f"{_V1}.dataset:_FileFactory",
        "TabularDatasetFactory": f"{_V1}.dataset:_TabularFactory",
        "DataType": _DATA,
    },
    "azureml.data.file_dataset": _of("FileDataset"),
    "azureml.data.output_dataset_config": {
        **_of("OutputFileDatasetConfig"),
        **_not(_DATA, "OutputTabularDatasetConfig OutputDatasetConfig"),
    },
    "azureml.data.tabular_dataset": _of("TabularDataset"),
    # ------------------------------------------------------------------ azureml.train
    "azureml.train": {},
    "azureml.automl": {},
    "azureml.automl.core": _not(_AUTOML, "AutoMLConfig shared featurization forecasting_parameters"),
    "azureml.automl.core.forecasting_parameters": _not(_AUTOML, "ForecastingParameters"),
    "azureml.automl.core.featurization": _not(_AUTOML, "FeaturizationConfig"),
    "azureml.train.automl": _not(_AUTOML, "AutoMLConfig AutoMLImageConfig AutoMLRun AutoMLVisionConfig constants"),
    "azureml.train.automl.run": _not(_AUTOML, "AutoMLRun"),
    "azureml.train.automl.runtime": _not(_AUTOML, "AutoMLStep"),
    "azureml.train.dnn": _of("Chainer PyTorch TensorFlow Mpi Gloo Nccl"),
    "azureml.train.estimator": _of("Estimator Mpi"),
    "azureml.train.hyperdrive": {
        **_EXPRESSIONS,
        **_SAMPLING,
        **_POLICIES,
        **_CONFIG,
        **_of("HyperDriveRun Run"),
        **_HYPERDRIVE_ERRORS,
    },
    "azureml.train.hyperdrive.exceptions": _HYPERDRIVE_ERRORS,
    "azureml.train.hyperdrive.parameter_expressions": _EXPRESSIONS,
    "azureml.train.hyperdrive.policy": _POLICIES,
    "azureml.train.hyperdrive.run": _of("HyperDriveRun PrimaryMetricGoal"),
    "azureml.train.hyperdrive.runconfig": _CONFIG,
    "azureml.train.hyperdrive.sampling": _SAMPLING,
    "azureml.train.sklearn": _of("SKLearn"),
    "azureml.train.widgets": _of("RunDetails"),
    # ------------------------------------------------------------------ others
    "azureml.exceptions": _EXCEPTIONS,
    "azureml.pipeline": {},
    "azureml.pipeline.core": _PIPELINE,
    "azureml.pipeline.core._restclients": {},
    "azureml.pipeline.core._restclients.aeva": {},
    "azureml.pipeline.core._restclients.aeva.models": {},
    "azureml.pipeline.core._restclients.aeva.models.error_response": {
        "ErrorResponseException": f"{_V1}:ServiceException"
    },
    "azureml.pipeline.core.graph": _PIPELINE,
    "azureml.pipeline.core.pipeline": _of("Pipeline"),
    "azureml.pipeline.core.pipeline_output_dataset": _not(_STEP, "PipelineOutputFileDataset"),
    "azureml.pipeline.core.run": _of("PipelineRun StepRun StepRunOutput PortDataReference"),
    "azureml.pipeline.core.schedule": _not(_DEPLOY, "Schedule ScheduleRecurrence"),
    "azureml.pipeline.steps": {
        **_of("HyperDriveStep HyperDriveStepRun PythonScriptStep EstimatorStep"),
        **_OTHER_STEPS,
    },
    "azureml.pipeline.steps.hyper_drive_step": _of("HyperDriveStep HyperDriveStepRun"),
    "azureml.pipeline.steps.python_script_step": _of("PythonScriptStep"),
    "azureml.pipeline.steps.estimator_step": _of("EstimatorStep"),
    "azureml.telemetry": _of("set_diagnostics_collection"),
    "azureml.widgets": _of("RunDetails"),
    "azureml.contrib": {},
}

_MORE: dict[str, dict[str, str]] = {
    "azureml.core": {
        **_of("get_run"),
        **_not(_SERVICE, "diagnostic_log SynapseWorkspaceLinkedServiceConfiguration"),
        **_not(
            _COMPUTE,
            "attach_legacy_compute_target remove_legacy_compute_target is_compute_target_prepared "
            "prepare_compute_target",
        ),
    },
    "azureml.core.authentication": _not(
        _SERVICE, "AccessToken Audience ArmTokenAuthentication AzureMLTokenAuthentication"
    ),
    "azureml.core.compute.aks": _not(
        _DEPLOY, "AksProvisioningConfiguration AksAttachConfiguration AksUpdateConfiguration SslConfiguration"
    ),
    "azureml.core.compute.amlcompute": {
        "AmlComputeProvisioningConfiguration": f"{_V1}.compute:ProvisioningConfiguration",
        **_not(_COMPUTE, "ScaleSettings AmlComputeStatus AmlComputeNodeStateCounts"),
    },
    "azureml.core.compute.databricks": _not(_COMPUTE, "DatabricksAttachConfiguration"),
    "azureml.core.compute.kubernetescompute": _not(_COMPUTE, "KubernetesComputeAttachConfiguration"),
    "azureml.core.compute_target": {
        "AbstractComputeTarget": f"{_V1}:ComputeTarget",
        "LocalTarget": f"{_V1}:ComputeTarget",
    },
    "azureml.core.databricks": _not(_COMPUTE, "MavenLibrary RCranLibrary JarLibrary EggLibrary"),
    "azureml.core.environment": _not(
        _SERVICE, "SparkPackage SparkSection RCranPackage RGitHubPackage RSection EnvironmentReference"
    ),
    "azureml.core.experiment": _not(_SERVICE, "ViewType"),
    "azureml.core.image.image": _not(_DEPLOY, "Asset ImageConfig TargetRuntime UnknownImage"),
    "azureml.core.linked_service": _not(
        _SERVICE, "LinkedServiceConfiguration SynapseWorkspaceLinkedServiceConfiguration"
    ),
    "azureml.core.runconfig": {
        **_of("DataPath Dataset"),
        **_not(
            _SERVICE,
            "ContainerRegistry AzureContainerRegistry ApplicationEndpointConfiguration AmlComputeConfiguration "
            "HistoryConfiguration Uri DataLocation DatacacheConfiguration DatasetRegistrationOptions "
            "RegistrationOptions GlobsOptions UploadOptions MountOptions OutputOptions",
        ),
    },
    "azureml.core.webservice.webservice": _not(
        _DEPLOY,
        "ContainerResourceRequirements LivenessProbeRequirements AutoScaler DataCollection "
        "WebserviceDeploymentConfiguration UnknownWebservice",
    ),
    "azureml.data": _not(_DATA, "HDFSOutputDatasetConfig LinkFileOutputDatasetConfig LinkTabularOutputDatasetConfig"),
    "azureml.data.output_dataset_config": _not(
        _DATA, "HDFSOutputDatasetConfig LinkFileOutputDatasetConfig LinkTabularOutputDatasetConfig UploadOptions"
    ),
    "azureml.exceptions": dict.fromkeys(
        (
            *("AzureMLAggregatedException", "DatasetTimestampMissingError", "DiscoveryUrlNotFoundException"),
            *("ParallelRunException", "RunConfigurationException", "WorkspacePrivateEndpointException"),
        ),
        f"{_V1}:AzureMLException",
    ),
    "azureml.pipeline.core": {
        **_of("PortDataReference StepRunOutput"),
        **_not(_STEP, "ModuleVersion PipelineDataset"),
    },
    "azureml.pipeline.core.schedule": _not(_DEPLOY, "TimeZone"),
    "azureml.telemetry": _not(_SERVICE, "get_event_logger get_diagnostics_collection_info get_telemetry_log_handler"),
    "azureml.train.dnn": _not(_COMPUTE, "ParameterServer"),
    "azureml.train.estimator": {**_of("Gloo Nccl"), **_not(_COMPUTE, "ParameterServer MMLBaseEstimator")},
}
for _module, _names in _MORE.items():
    MODULES[_module] = {**_names, **MODULES[_module]}
