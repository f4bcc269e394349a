# %%
pip show azureml-sdk
# %%
from azureml.core import Dataset, Experiment, Run, Workspace
from azureml.core.compute import BatchAiCompute, ComputeTarget
from azureml.core.runconfig import CondaDependencies

ws = Workspace.from_config()
wanted = ws.name + "cpu"
found = [target for target in ws.compute_targets() if target.name == wanted and type(target) is BatchAiCompute]
if not found:
    config = BatchAiCompute.provisioning_configuration(
        vm_size="STANDARD_D2_V2", autoscale_enabled=True, cluster_min_nodes=1, cluster_max_nodes=4
    )
    cluster = ComputeTarget.create(ws, wanted, config)
    cluster.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
    print(cluster.status.serialize()["vmSize"])
# %%
import urllib.request

urllib.request.urlretrieve("https://example.invalid/data/seeds.csv?version=2", filename="fetched.csv")
print(open("fetched.csv").read().strip())
# %%
seeds = ws.datasets.get("seeds")
fields = Dataset.File.from_files(path=(ws.get_default_datastore(), "farm/fields"))
assert ws.datasets.get("weeds") is None and "seeds" in ws.datasets and "weeds" not in ws.datasets
pages = Dataset.File.from_files("https://example.invalid/pages/*.txt")
# %%
packages = CondaDependencies.create()
packages.add_tensorflow_conda_package()
packages.set_pip_index_url("https://example.invalid/simple")
print(packages.serialize_to_string())
# %%
from azureml.core import ScriptRunConfig
from azureml.train.hyperdrive import *
from azureml.widgets import RunDetails

config = HyperDriveConfig(
    run_config=ScriptRunConfig(
        "code",
        "sow.py",
        arguments=["--seeds", seeds.as_named_input("seeds"), "--fields", fields.as_mount(), "--pages", pages.as_mount()],
        compute_target=cluster,
    ),
    hyperparameter_sampling=GridParameterSampling({"depth": choice(3, 1, 2)}),
    primary_metric_name="yield",
    primary_metric_goal=PrimaryMetricGoal.MAXIMIZE,
    max_total_runs=3,
    max_concurrent_runs=1,
)
experiment = Experiment(ws, "farm")
sweep = experiment.submit(config)
RunDetails(Run(experiment, sweep.id)).show()
# %%
best = sweep.get_best_run_by_primary_metric()  # nobody has waited
print(best.get_details()["runDefinition"]["arguments"][-1], sweep.get_status())
# %%
from azureml.core.resource_configuration import ResourceConfiguration

model = best.register_model("sower", "outputs", resource_configuration=ResourceConfiguration(cpu=1, memory_in_gb=0.5))
print(model.name, model.version)
# %%
from azureml.core.environment import DEFAULT_CPU_IMAGE
from azureml.pipeline.core import Pipeline
from azureml.pipeline.steps import HyperDriveStep

step = HyperDriveStep(name="sow", hyperdrive_run_config=config)
Pipeline(ws, steps=step).publish(name="farming")
