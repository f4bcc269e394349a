"""Train a linear classifier on scikit-learn's digits; go on where an earlier run has stopped."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from hdcore import get_run

CHECKPOINT = "checkpoint.npz"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--resume-from", help="folder that an earlier run of this configuration has left")
    arguments = parser.parse_args()

    images, labels = load_digits(return_X_y=True)
    x, y = images[:1200] / 16.0, np.eye(10)[labels[:1200]]
    weights, velocity, first = np.zeros((64, 10)), np.zeros((64, 10)), 1
    if arguments.resume_from and (saved := Path(arguments.resume_from, CHECKPOINT)).exists():
        with np.load(saved) as state:  # everything that the next epoch depends on
            weights, velocity, first = state["weights"], state["velocity"], int(state["epoch"]) + 1
        print(f"goes on with epoch {first}")

    def accuracy(weights: np.ndarray) -> float:
        return float(np.mean((images[1200:] @ weights).argmax(axis=1) == labels[1200:]))

    run = get_run()
    outputs = Path("outputs")
    outputs.mkdir(exist_ok=True)
    for epoch in range(first, arguments.epochs + 1):
        for batch in np.array_split(np.random.default_rng(epoch).permutation(len(x)), 12):
            scores = np.exp(x[batch] @ weights)
            error = scores / scores.sum(axis=1, keepdims=True) - y[batch]
            velocity = arguments.momentum * velocity - arguments.learning_rate * x[batch].T @ error / len(batch)
            weights = weights + velocity
        # whole or not at all: the run may be ended in the middle of it
        np.savez(outputs / "next.npz", weights=weights, velocity=velocity, epoch=epoch)
        (outputs / "next.npz").replace(outputs / CHECKPOINT)
        run.log("accuracy", accuracy(weights), step=epoch)
        time.sleep(float(os.environ.get("EPOCH_PAUSE_S", "0")))  # larger models take their time
    if first > arguments.epochs:  # the earlier run had done all of it
        run.log("accuracy", accuracy(weights), step=arguments.epochs)
    print(f"accuracy {accuracy(weights):.4f} after {arguments.epochs} epochs")


if __name__ == "__main__":
    main()
