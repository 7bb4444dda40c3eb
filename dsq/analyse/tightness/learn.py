"""What the sides of a set's own boxes look like, learnt from boxes that were moved away from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsq.analyse.planting import clip_boxes, draw, draw_normal

Array = NDArray[Any]

#: boxes that are moved for the training, all together about; most a box
EXAMPLES, MOST_A_BOX = 5000, 30
#: how far a side may be asked to move, as a share of the box seen: outwards, inwards
OUTWARDS, INWARDS = -0.7, 0.45
#: how a box is moved: share of the examples, least and most growth a side, whether all sides share the direction
_BOTH, _GROWN, _SHRUNK = (-0.35, 0.6), (0.05, 0.6), (-0.35, -0.02)
_SHARES, _JOLT = (0.5, 0.7, 0.85), 0.04
_SIGNS = np.array([-1.0, -1.0, 1.0, 1.0])
_SEED = 101


def move_boxes(corners: Array, size: Array, keys: Array, turn: int) -> Array:
    """(n, 4) boxes moved at random for the example number `turn`: half with each side on its own, by -35 % to 60 %; a
    fifth grown, three in twenty shrunk, the others shaken a little. Kept inside the image; 2 px at least.
    """
    chance = draw(keys, 5, _SEED + 2 * turn)
    kind = np.searchsorted(_SHARES, chance[:, 4], side="right")
    low, high = np.array([_BOTH, _GROWN, _SHRUNK, (0.0, 0.0)]).T
    growth = low[kind, None] + (high - low)[kind, None] * chance[:, :4]
    jolt = draw_normal(keys, 4, _SEED + 2 * turn + 1) * _JOLT
    growth = np.where(kind[:, None] == len(_SHARES), jolt, growth)
    moved = clip_boxes(corners + _SIGNS * growth * _extents(corners), size)
    whole: Array = ((moved[:, 2:] - moved[:, :2]) >= 2).all(1)
    return np.where(whole[:, None], moved, corners)


def _extents(corners: Array) -> Array:
    """(n, 4) the extent of the box across its left, top, right and bottom side."""
    return np.tile(corners[:, 2:] - corners[:, :2], 2)


def state_moves(seen: Array, true: Array) -> Array:
    """(n, 4) by how much each side of the boxes seen should move inwards, as a share of the box, for the true ones."""
    moves: Array = np.clip((seen - true) * _SIGNS / _extents(seen), OUTWARDS, INWARDS)
    return moves


def carry_out(seen: Array, moves: Array) -> Array:
    """(n, 4) corners after each side moved inwards by a share of the box."""
    moved: Array = seen - _SIGNS * np.clip(moves, OUTWARDS, INWARDS) * _extents(seen)
    return moved


def fit(features: Array, moves: Array) -> Any:
    """A regression from what a side looks like to how it should move: (n, 4, F), (n, 4) -> the model."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(
        max_iter=80,
        learning_rate=0.12,
        max_leaf_nodes=24,
        min_samples_leaf=20,
        l2_regularization=1.0,
        max_features=0.3,
        early_stopping=False,
        random_state=0,
    )
    return model.fit(features.reshape(-1, features.shape[2]), moves.ravel())


def predict(model: Any, features: Array) -> Array:
    """(n, 4, F) -> (n, 4) moves."""
    moves: Array = model.predict(features.reshape(-1, features.shape[2])).reshape(-1, 4)
    return moves
