import numpy as np
import numpy.typing as npt

from hdcore.typing import FloatMatrix, FloatVector

def log_h(z: float) -> tuple[float, float]: ...
def search_size(d: int, starts: int) -> int: ...

class Space:
    def __init__(
        self,
        kind: npt.NDArray[np.int32],
        levels: npt.NDArray[np.int32],
        offset: npt.NDArray[np.int32],
        mid: FloatVector,
        edge: FloatVector,
        parent: npt.NDArray[np.int32],
        parent_level: npt.NDArray[np.int32],
    ) -> None: ...
    def spread(self, seed: int, x: FloatMatrix) -> None: ...

class Acquisition:
    def model(
        self,
        n: int,
        z: FloatMatrix,
        w2: FloatVector,
        rate: FloatVector,
        alpha: FloatVector,
        ainv: FloatMatrix,
        sf2: float,
        mu: float,
        best: float,
        noise: float = ...,
    ) -> None: ...
    def subset(self, members: npt.NDArray[np.int32], tail: int, sinv: FloatMatrix) -> None: ...
    def pending(
        self,
        zp: FloatMatrix,
        p: int,
        vp: FloatMatrix,
        cinv: FloatMatrix,
        shift: FloatMatrix,
        incumbent: FloatVector,
    ) -> None: ...
    def failures(
        self, zf: FloatMatrix, succeeded: int, failed: int, rate: FloatVector, clamp: FloatVector, weight: float
    ) -> None: ...
    def values(self, x: FloatMatrix, value: FloatVector, grad: FloatMatrix | None = None) -> None: ...
    def posterior(self, x: FloatMatrix, mean: FloatVector, var: FloatVector) -> None: ...
    def project(self, x: FloatMatrix, v: FloatMatrix, k: FloatMatrix | None = None) -> None: ...
    def screen(
        self,
        x: FloatMatrix,
        index: npt.NDArray[np.int32],
        value: FloatVector,
        scratch: FloatVector,
        order: npt.NDArray[np.int32],
        limit: int = ...,
    ) -> int: ...
    def nearby(self, space: Space, centres: FloatMatrix, seed: int, x: FloatMatrix) -> None: ...
    def search(
        self,
        space: Space,
        x: FloatMatrix,
        value: FloatVector,
        fill: FloatVector,
        iterations: int,
        rounds: int,
        scratch: FloatVector,
    ) -> int: ...
