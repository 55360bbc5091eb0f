"""Focal loss with its own numbers for every class, and class-weighted cross-entropy (paper, section 6.1, Eq. 5, Table 4)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class FocalLoss:
    """
    Mean over samples of -alpha_y (1 - p_y)^gamma_y ln p_y, y the true class.

    Parameters
    ----------
    alpha : sequence of float
        Weight of each class.
    gamma : sequence of float
        How much easy samples of each class count less; all 0 is class-weighted cross-entropy (Appendix B).

    Notes
    -----
    Equation 5. The text speaks of focal loss "combined with" cross-entropy and the authors' code weights classes a second time;
    here alpha is the only weight.
    """

    alpha: Sequence[float]
    gamma: Sequence[float]

    def __call__(self, logits: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
        """The loss of logits (n, k) and classes (n,), each sample times its ``weights`` (n,) if given."""
        log_p = torch.log_softmax(logits, dim=1).gather(1, y[:, None])[:, 0]
        alpha, gamma = (
            torch.as_tensor(values, dtype=logits.dtype, device=logits.device)[y] for values in (self.alpha, self.gamma)
        )
        losses = -alpha * torch.pow(-torch.expm1(log_p), gamma) * log_p
        return (losses if weights is None else losses * weights).mean()


def cross_entropy(alpha: Sequence[float]) -> FocalLoss:
    """Class-weighted cross-entropy: the focal loss that counts easy samples fully."""
    return FocalLoss(tuple(alpha), (0.0,) * len(alpha))


def alpha_for(shares: Sequence[float], counts: Sequence[int]) -> tuple[float, ...]:
    """
    Weights of the classes with which each has its share of the loss, whatever their numbers; they sum to 1.

    Parameters
    ----------
    shares : sequence of float
        Wanted share of each class, up to a factor: of the weights, not of what is lost, which training changes.
    counts : sequence of int
        Samples trained on, real and synthetic; a class without any counts as one.

    Notes
    -----
    Table 4's 0.02, 0.49, 0.49 for 3,832 SN, 42 and 54 rare objects and 200 synthetic ones of both are shares of 0.24, 0.37 and 0.39.
    """
    raw = [share / max(count, 1) for share, count in zip(shares, counts, strict=True)]
    return tuple(value / sum(raw) for value in raw)
