from hdcore.typing import FloatMatrix, FloatVector

class Workspace:
    def __init__(self, n: int, d: int) -> None: ...
    @property
    def capacity(self) -> int: ...

def scale(n: int, u: FloatMatrix, clamp: FloatVector, theta: FloatVector, z: FloatMatrix, w2: FloatVector) -> None: ...
def kmat(
    n: int,
    z: FloatMatrix,
    w2: FloatVector,
    sf2: float,
    noise: FloatVector,
    k: FloatMatrix,
    kp: FloatMatrix | None = None,
) -> None: ...
def kcross(
    n: int,
    z: FloatMatrix,
    w2: FloatVector,
    sf2: float,
    xq: FloatMatrix,
    k: FloatMatrix,
    kp: FloatMatrix | None = None,
) -> None: ...
def nll_grad(
    work: Workspace,
    n: int,
    u: FloatMatrix,
    clamp: FloatVector,
    theta: FloatVector,
    y: FloatVector,
    v: FloatVector,
    e: FloatVector,
    dof: float,
    scatter: float,
    prior: FloatMatrix,
    grad: FloatVector | None = None,
) -> float: ...
def fit(
    work: Workspace,
    n: int,
    u: FloatMatrix,
    clamp: FloatVector,
    theta: FloatMatrix,
    y: FloatVector,
    v: FloatVector,
    e: FloatVector,
    dof: float,
    scatter: float,
    prior: FloatMatrix,
    most: int,
    tolerance: float,
) -> tuple[float, int]: ...
def factorise(
    work: Workspace,
    n: int,
    u: FloatMatrix,
    clamp: FloatVector,
    theta: FloatVector,
    y: FloatVector,
    v: FloatVector,
    e: FloatVector,
    jitter: float,
    z: FloatMatrix,
    w2: FloatVector,
    ainv: FloatMatrix,
) -> int: ...
def inverse(work: Workspace, n: int, a: FloatMatrix) -> int: ...
def cholesky(work: Workspace, n: int, a: FloatMatrix) -> int: ...
def apply(n: int, ainv: FloatMatrix, x: FloatMatrix, out: FloatMatrix) -> None: ...
def gram(n: int, a: FloatMatrix, b: FloatMatrix, out: FloatMatrix) -> None: ...
def condition(
    told: int,
    c: FloatMatrix,
    rho: FloatVector,
    draws: FloatMatrix,
    shift: FloatMatrix,
    value: FloatMatrix,
    cinv: FloatMatrix,
) -> int: ...
