"""What the vision tests share: the pinned files, the two portraits, and models made to measure."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

import models
from agent.camera.footage import read_pictures
from models.fetch import fetch

PORTRAITS = ("portrait_astronaut", "portrait_hopper")


@cache
def files_folder() -> Path:
    """The folder of the pinned files, fetched if need be."""
    fetch()
    return models.FILES_FOLDER


@cache
def portrait(name: str) -> NDArray[np.uint8]:
    """One of PORTRAITS, RGB; not to be written to."""
    picture = next(read_pictures(models.checked(name, files_folder()), 1.0))[1]
    picture.setflags(write=False)
    return picture


def write_model(
    path: Path,
    input_shape: tuple[int, ...],
    outputs: list[NDArray[Any]],
    input_type: int = schema.TensorType.FLOAT32,
) -> Path:
    """A TFLite file that takes `input_shape` and always answers with the constants `outputs`."""
    made = schema.ModelT()
    made.version = 3
    made.operatorCodes = []
    graph = schema.SubGraphT()
    made.subgraphs = [graph]
    made.buffers = [schema.BufferT()]
    graph.tensors = [_tensor("input", input_shape, 0, input_type)]
    graph.operators = []
    graph.inputs = [0]
    for number, values in enumerate(outputs, start=1):
        constant = schema.BufferT()
        constant.data = list(np.ascontiguousarray(values).tobytes())
        made.buffers.append(constant)
        kind = {np.dtype("f4"): schema.TensorType.FLOAT32, np.dtype("i1"): schema.TensorType.INT8}[values.dtype]
        graph.tensors.append(_tensor(f"output_{number}", values.shape, number, kind))
    graph.outputs = list(range(1, len(outputs) + 1))
    builder = flatbuffers.Builder(1024)
    builder.Finish(made.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
    return path


def _tensor(name: str, shape: tuple[int, ...], buffer: int, kind: int) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer, tensor.type = name.encode(), list(shape), buffer, kind
    return tensor
