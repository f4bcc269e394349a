"""Train a small network on scikit-learn's handwritten digits and report the accuracy of every epoch."""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from hdcore import get_run


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--units", type=int, default=64)
    parser.add_argument("--alpha", type=float, default=1e-4, help="weight of the L2 penalty")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()

    images, labels = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        images / 16.0, labels, test_size=0.4, random_state=0, stratify=labels
    )
    network = MLPClassifier(
        hidden_layer_sizes=(arguments.units,),
        solver="sgd",
        learning_rate_init=arguments.learning_rate,
        momentum=arguments.momentum,
        alpha=arguments.alpha,
        batch_size=arguments.batch_size,
        random_state=0,
    )
    run = get_run()
    shuffle = np.random.default_rng(0)
    warnings.simplefilter("ignore")  # a learning rate that is too high overflows; its accuracy says so
    accuracy = 0.0
    for epoch in range(1, arguments.epochs + 1):
        order = shuffle.permutation(len(x_train))
        network.partial_fit(x_train[order], y_train[order], classes=range(10))
        accuracy = float(network.score(x_test, y_test))
        run.log("accuracy", accuracy, step=epoch)
        run.log("loss", float(network.loss_), step=epoch)
        print(f"epoch {epoch:3}  accuracy {accuracy:.4f}  loss {network.loss_:.4f}")
    outputs = Path("outputs")  # in a sweep, the folder of this run that is kept
    outputs.mkdir(exist_ok=True)
    (outputs / "result.json").write_text(json.dumps({"accuracy": accuracy, **vars(arguments)}) + "\n")


if __name__ == "__main__":
    main()
