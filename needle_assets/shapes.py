"""Shapes that have to agree. numpy stretches what fits by chance, and then a number comes out that is wrong."""

from collections.abc import Mapping, Sequence, Sized

import numpy as np
from numpy.typing import ArrayLike

_KINDS = {1: "columns of one length are", 2: "images of one shape are", 3: "as many images of one shape are"}


def require_columns(**columns: ArrayLike | Sequence[str | None] | None) -> None:
    """Raise ValueError, which names them, unless all are one-dimensional and equally long; None is passed over."""
    _require_alike(1, columns)


def require_images(**images: ArrayLike | None) -> None:
    """Raise ValueError, which names them, unless all are two-dimensional and of one shape; None is passed over."""
    _require_alike(2, images)


def require_stacks(**stacks: ArrayLike) -> None:
    """Raise ValueError, which names them, unless all are stacks of images, (n, ny, nx), of one shape."""
    _require_alike(3, stacks)


def require_lengths(**given: Sized) -> None:
    """Raise ValueError, which names them, unless all have as many rows, however many axes each has."""
    lengths = {name: len(rows) for name, rows in given.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"as many rows of each are needed; {_listed(lengths)} came.")


def _require_alike(n_axes: int, arrays: Mapping[str, ArrayLike | Sequence[str | None] | None]) -> None:
    shapes = {name: np.shape(np.asarray(array)) for name, array in arrays.items() if array is not None}
    if len(set(shapes.values())) > 1 or any(len(shape) != n_axes for shape in shapes.values()):
        raise ValueError(f"{_KINDS[n_axes]} needed; {_listed(shapes)} came.")


def _listed(found: dict[str, int] | dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {size}" for name, size in found.items())
