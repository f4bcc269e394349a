import argparse

from azureml.core import Run
from azureml.core.model import Model

parser = argparse.ArgumentParser()
parser.add_argument("--saved-model")
path = parser.parse_args().saved_model
with open(path) as file:
    assert file.read() == "3"
Model.register(workspace=Run.get_context().experiment.workspace, model_path=path, model_name="trees")
