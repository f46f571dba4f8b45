"""The import of FFCV without its start-up costs and its effects on torch.

Measured on two busy cores, `import ffcv` took 6.2 s, after torch and torchvision were imported. It
spends 5 s on compiling a numba dictionary of two entries, which only Python code reads. numba caches
the rest if its cache is switched on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch

from tasks.datasets.formats.decoded_cache import machine_cache
from tasks.errors import InvalidValue

CALL_C_BY_POINTER = {"decode", "imdecode", "memcpy", "resize_crop"}
"""Functions of ffcv that numba cannot cache; it would warn about them."""


def _import_ffcv() -> None:
    """Import ffcv with its compiled code cached per machine; torch keeps its number of threads.

    Raises InvalidValue if ffcv or a library that it needs is missing.
    """
    os.environ.setdefault("NUMBA_CACHE_DIR", str(machine_cache() / "numba"))
    # Parallel kernels of two loaders at once abort under numba's own layer, workqueue.
    os.environ.setdefault("NUMBA_THREADING_LAYER_PRIORITY", "omp tbb workqueue")
    threads = torch.get_num_threads()
    try:
        import numba
        import numba.typed

        numba.config.reload_config()  # another module may have imported numba earlier
        typed, numba.typed.Dict = numba.typed.Dict, dict
        try:
            import_module("ffcv.fields.rgb_image")
        finally:
            numba.typed.Dict = typed
    except (ImportError, OSError) as error:
        raise InvalidValue(
            f"FFCV cannot be used here ({error}); `make setup` says how to install it, "
            "or use --loader resident and data in another form"
        ) from error
    from ffcv.pipeline.compiler import Compiler

    # Our pipelines end on the CPU: ffcv would take GPU memory, even if a trial has no GPU.
    epochs: Any = import_module("ffcv.loader.epoch_iterator")
    epochs.IS_CUDA = False
    Compiler.compile = classmethod(_compile)
    Compiler.set_num_threads = classmethod(_set_num_threads)
    torch.set_num_threads(threads)


def _compile(cls: Any, code: Callable, signature: Any = None) -> Callable:
    """Compile as `Compiler.compile` does, with numba's cache switched on."""
    from numba import njit

    parallel = getattr(code, "is_parallel", False) and cls.num_threads > 1
    return njit(
        signature,
        fastmath=True,
        nogil=True,
        error_model="numpy",
        parallel=parallel,
        cache=code.__name__ not in CALL_C_BY_POINTER,
    )(code)


def _set_num_threads(cls: Any, count: int) -> None:
    """Set the threads of numba alone; `Compiler.set_num_threads` would change torch's threads too."""
    from numba import set_num_threads

    cls.num_threads = count
    set_num_threads(count)


_import_ffcv()

from ffcv.fields import IntField, RGBImageField  # noqa: E402
from ffcv.fields.decoders import IntDecoder, SimpleRGBImageDecoder  # noqa: E402
from ffcv.loader import Loader, OrderOption  # noqa: E402
from ffcv.loader.epoch_iterator import EpochIterator  # noqa: E402
from ffcv.memory_allocator import MemoryAllocator  # noqa: E402
from ffcv.transforms import Squeeze, ToTensor, ToTorchImage  # noqa: E402
from ffcv.writer import DatasetWriter  # noqa: E402

__all__ = [
    "DatasetWriter", "EpochIterator", "IntDecoder", "IntField", "Loader", "MemoryAllocator",
    "OrderOption", "RGBImageField", "SimpleRGBImageDecoder", "Squeeze", "ToTensor", "ToTorchImage",
]  # fmt: skip
