"""Runs one TFLite model on one thread; the only file that knows which runtime is installed.

LiteRT is the runtime kept up by its makers; tflite-runtime ended at Python 3.11 and has the same interface.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:  # an image with Python 3.11 and numpy below 2 may carry the older runtime
    from tflite_runtime.interpreter import Interpreter

RUNTIME = Interpreter.__module__.split(".")[0]
"""The runtime in use: `ai_edge_litert` or `tflite_runtime`."""


class VisionProblem(Exception):
    """The model cannot be used or answered nonsense; the message is one line and names the file."""


class TfliteModel:
    """A float model with one input. Not for use from more than one thread.

    `input` is the float32 buffer (shape as in the file) to be filled before `run`; it keeps its contents.
    """

    def __init__(self, path: Path, input_shape: tuple[int, ...], output_shapes: tuple[tuple[int, ...], ...]) -> None:
        """Load `path`. Raises VisionProblem unless it has exactly that input and those outputs, all float32:
        some redistributed files of the same name split or reorder their outputs."""
        self.path = path
        try:
            # one thread: more than the allowed cores makes the older runtime spin for 0.4 s at a barrier
            self._interpreter: Any = Interpreter(model_path=str(path), num_threads=1)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError, OSError) as error:
            raise VisionProblem(f"cannot load model {path}: {_first_line(error)}") from error
        self._input_index = self._index(self._interpreter.get_input_details(), input_shape, "input")
        outputs = self._interpreter.get_output_details()
        self._output_indices = tuple(self._index(outputs, shape, "output") for shape in output_shapes)
        self.input: NDArray[np.float32] = np.zeros(input_shape, np.float32)
        self.runs = 0
        """How often `run` was called: what vision costs is held against the bare inferences that it made."""

    def _index(self, details: list[dict[str, Any]], shape: tuple[int, ...], what: str) -> int:
        fits = [d["index"] for d in details if tuple(d["shape"]) == shape and d["dtype"] is np.float32]
        if len(fits) != 1:
            has = ", ".join(f"{d['name']} {tuple(map(int, d['shape']))} {np.dtype(d['dtype'])}" for d in details)
            raise VisionProblem(f"model {self.path} has no single float32 {what} of shape {shape}; it has {has}")
        return int(fits[0])

    def invoke(self) -> None:
        """The bare inference on what the runtime's input tensor holds: the floor that `run` is measured against."""
        self._interpreter.invoke()

    def run(self) -> None:
        """Infer from `input`. Raises VisionProblem when the runtime fails."""
        self.runs += 1
        try:
            self._interpreter.set_tensor(self._input_index, self.input)
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise VisionProblem(f"model {self.path} failed: {_first_line(error)}") from error

    # A view of the runtime's tensor blocks the next invoke while it lives: both copy at once and drop it.

    def output(self, which: int) -> NDArray[np.float32]:
        """A copy of the whole output number `which` of `output_shapes`."""
        return np.array(self._interpreter.tensor(self._output_indices[which])())

    def rows(self, which: int, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Copies of some rows of output `which`, shape (1, n, k): the rest is never touched."""
        view: NDArray[np.float32] = self._interpreter.tensor(self._output_indices[which])()
        return np.take(view[0], indices, axis=0)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
