import argparse

from azureml.core.run import Run

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--learning_rate", type=float)
parser.add_argument("--keep_probability", type=float)
parser.add_argument("--batch_size", type=int)
arguments = parser.parse_args()
run_logger = Run.get_context()
for epoch in range(arguments.epochs):
    val_accuracy = (1 - 0.5 ** (epoch + 1)) / (1 + abs(arguments.learning_rate - 10)) - arguments.keep_probability
    run_logger.log("accuracy", float(val_accuracy))
