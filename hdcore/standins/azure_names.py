"""What the stand-ins for ``azure.ai.ml`` and ``azure.identity`` hold."""

from __future__ import annotations

_V2 = "hdcore.azure.v2"
_DEPLOY = "!!deployment is out of scope; what the sweep left behind is in its folder"
_AUTOML = "!hdcore runs your own training scripts; it has no automated ML"


def _of(module: str, names: str) -> dict[str, str]:
    return {name: f"{_V2}.{module}:{name}" for name in names.split()}


def _not_served(why: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), why)


_SWEEP = {
    **_of(
        "expressions",
        "Choice Randint Uniform LogUniform QUniform QLogUniform Normal LogNormal QNormal QLogNormal SweepDistribution",
    ),
    **_of(
        "settings",
        "BanditPolicy MedianStoppingPolicy TruncationSelectionPolicy EarlyTerminationPolicy SamplingAlgorithm "
        "RandomSamplingAlgorithm GridSamplingAlgorithm BayesianSamplingAlgorithm Objective SweepJobLimits",
    ),
    **_of("sweep", "SweepJob"),
    # Azure's own documentation calls the classes by the names of version 1
    "RandomParameterSampling": f"{_V2}.settings:RandomSamplingAlgorithm",
    "GridParameterSampling": f"{_V2}.settings:GridSamplingAlgorithm",
    "BayesianParameterSampling": f"{_V2}.settings:BayesianSamplingAlgorithm",
}

_ENTITIES = {
    **_of(
        "entities",
        "AccountKeyConfiguration AmlCompute AmlComputeSshSettings AmlTokenConfiguration Asset AzureBlobDatastore "
        "AzureDataLakeGen2Datastore AzureFileDatastore BuildContext CommandJobLimits Compute ComputeInstance Data "
        "Datastore Environment IdentityConfiguration JobResourceConfiguration JobService JupyterLabJobService "
        "ManagedIdentityConfiguration Model NetworkSettings NoneCredentialConfiguration QueueSettings "
        "ResourceConfiguration SasTokenConfiguration ServicePrincipalConfiguration SshJobService "
        "TensorBoardJobService UserIdentityConfiguration VsCodeJobService Workspace",
    ),
    **_of("command", "Command CommandComponent CommandJob Job"),
    **_of("jobs", "ValidationResult"),
    **_of("pipeline", "PipelineJob PipelineJobSettings"),
    "Component": f"{_V2}.command:CommandComponent",
    "Sweep": f"{_V2}.sweep:SweepJob",
    **_not_served(
        _DEPLOY,
        "BatchDeployment BatchEndpoint BatchJob BatchRetrySettings CodeConfiguration CustomInferencingServer "
        "DataCollector DefaultScaleSettings Deployment DeploymentCollection DeploymentTemplate Endpoint "
        "EndpointAuthKeys EndpointAuthToken KubernetesOnlineDeployment KubernetesOnlineEndpoint "
        "ManagedOnlineDeployment "
        "ManagedOnlineEndpoint MarketplaceSubscription ModelBatchDeployment ModelBatchDeploymentSettings "
        "ModelConfiguration ModelPackage OnlineDeployment OnlineEndpoint OnlineRequestSettings OnlineScaleSettings "
        "PipelineComponentBatchDeployment ProbeSettings RequestLogging ResourceRequirementsSettings ResourceSettings "
        "Route ServerlessEndpoint TargetUtilizationScaleSettings TritonInferencingServer",
    ),
    **_not_served(
        "!it has no local meaning; hdcore runs command and sweep jobs on this machine",
        "AlertNotification AzureDataLakeGen1Datastore CronTrigger DataImport FeatureSet FeatureStore "
        "FeatureStoreEntity Hub Index JobSchedule KubernetesCompute MonitorDefinition MonitorSchedule Notification "
        "OneLakeDatastore Parallel ParallelComponent ParallelTask PipelineComponent "
        "Project RecurrencePattern RecurrenceTrigger Registry RetrySettings Schedule Spark SparkComponent SparkJob "
        "SynapseSparkCompute VirtualMachineCompute WorkspaceConnection",
    ),
}

MODULES: dict[str, dict[str, str]] = {
    "azure.ai.ml": {
        **_of("client", "MLClient"),
        **_of("command", "command"),
        **_of("inputs", "Input Output"),
        **_of("entities", "MpiDistribution PyTorchDistribution RayDistribution TensorFlowDistribution"),
        **_of("entities", "AmlTokenConfiguration ManagedIdentityConfiguration UserIdentityConfiguration"),  # of old
        "AmlToken": f"{_V2}.entities:AmlTokenConfiguration",  # before that
        "ManagedIdentity": f"{_V2}.entities:ManagedIdentityConfiguration",
        "UserIdentity": f"{_V2}.entities:UserIdentityConfiguration",
        **_of("load", "load_job load_component load_environment load_data load_model load_compute load_workspace"),
        **_not_served(
            _DEPLOY,
            "load_batch_deployment load_batch_endpoint load_online_deployment load_online_endpoint "
            "load_serverless_endpoint load_model_package load_deployment_template load_marketplace_subscription",
        ),
        **_not_served(
            "!it has no local meaning; hdcore runs command and sweep jobs on this machine",
            "load_capability_host load_connection load_datastore load_feature_set load_feature_store "
            "load_feature_store_entity load_index load_registry load_workspace_connection spark",
        ),
        "__version__": "=1.35.2+hdcore",
        "VERSION": "=1.35.2+hdcore",
    },
    "azure.ai.ml._version": {"VERSION": "=1.35.2+hdcore"},
    "azure.ai.ml.sweep": _SWEEP,
    "azure.ai.ml.entities": _ENTITIES,
    "azure.ai.ml.constants": {
        **_of(
            "constants",
            "AssetTypes InputOutputModes InputTypes JobType DistributionType ModelType ListViewType "
            "ManagedServiceIdentityType Scope",
        ),
        **_not_served(
            _AUTOML,
            "NlpLearningRateScheduler NlpModels ImageClassificationModelNames ImageObjectDetectionModelNames "
            "ImageInstanceSegmentationModelNames TabularTrainingMode",
        ),
        **_not_served(_DEPLOY, "BatchDeploymentOutputAction"),
        **_not_served(
            "!it has no local meaning; hdcore runs command and sweep jobs on this machine",
            "AcrAccountSku DataGenerationTaskType DataGenerationType IPProtectionLevel ImportSourceType "
            "MonitorDatasetContext MonitorFeatureType MonitorMetricName MonitorModelType MonitorSignalType "
            "MonitorTargetTasks ParallelTaskType StorageAccountType TimeZone WorkspaceKind",
        ),
    },
    "azure.ai.ml.exceptions": {
        **_of(
            "exceptions",
            "AssetException AssetPathException ComponentException DeploymentException EmptyDirectoryError JobException "
            "JobParsingError MlException ModelException PipelineChildJobError ScheduleException UnexpectedKeywordError "
            "UnsupportedOperationError UserErrorException ValidationException",
        ),
    },
    "azure.ai.ml.operations": {
        **_of("jobs", "JobOperations"),
        **_of("client", "ComputeOperations DatastoreOperations ModelOperations WorkspaceOperations"),
        "ComponentOperations": f"{_V2}.client:ComponentOperations",
        "EnvironmentOperations": f"{_V2}.client:AssetOperations",
        "DataOperations": f"{_V2}.client:AssetOperations",
        **_not_served(
            _DEPLOY,
            "BatchDeploymentOperations BatchEndpointOperations OnlineDeploymentOperations OnlineEndpointOperations "
            "ServerlessEndpointOperations",
        ),
    },
    "azure.ai.ml.dsl": _of("pipeline", "pipeline"),
    "azure.ai.ml.automl": _not_served(
        _AUTOML,
        "ClassificationJob ForecastingJob ImageClassificationJob ImageClassificationMultilabelJob "
        "ImageInstanceSegmentationJob ImageObjectDetectionJob RegressionJob SearchSpace TextClassificationJob "
        "TextClassificationMultilabelJob TextNerJob TrainingSettings classification forecasting image_classification "
        "image_classification_multilabel image_instance_segmentation image_object_detection regression "
        "text_classification text_classification_multilabel text_ner ClassificationPrimaryMetrics "
        "RegressionPrimaryMetrics ForecastingSettings ColumnTransformer",
    ),
    "azure.ai.ml.parallel": _not_served(
        "!it has no local meaning; hdcore runs command and sweep jobs on this machine",
        "ParallelJob RunFunction parallel_run_function",
    ),
    "azure.identity": _of(
        "credentials",
        "AuthenticationRequiredError AuthorizationCodeCredential AzureAuthorityHosts AzureCliCredential "
        "AzureDeveloperCliCredential AzurePipelinesCredential AzurePowerShellCredential CertificateCredential "
        "ChainedTokenCredential ClientAssertionCredential ClientSecretCredential CredentialUnavailableError "
        "DefaultAzureCredential DeviceCodeCredential EnvironmentCredential InteractiveBrowserCredential "
        "ManagedIdentityCredential OnBehalfOfCredential SharedTokenCacheCredential UsernamePasswordCredential "
        "VisualStudioCodeCredential WorkloadIdentityCredential get_bearer_token_provider",
    ),
}
"""Taken before what is installed."""

CORE: dict[str, dict[str, str]] = {
    "azure.core": {},
    "azure.core.exceptions": _of(
        "core_errors",
        "AzureError ClientAuthenticationError HttpResponseError ResourceExistsError ResourceModifiedError "
        "ResourceNotFoundError ResourceNotModifiedError ServiceRequestError ServiceResponseError",
    ),
    "azure.core.credentials": _of("credentials", "AccessToken"),
    "azure.core.polling": {"LROPoller": f"{_V2}.poller:Poller"},
}
"""Taken where nothing is installed."""
