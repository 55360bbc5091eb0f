"""Trains many networks without stamps at once, as one network with an axis more: all folds, and several members of each.

Each network has its own samples, order, first weights and class weights. Nothing is shared but the clock, so that every network is
what it would be alone, to rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call, stack_module_state

from needle_assets.classifiers.fitting import Plan, Samples, Trained, chosen_device, deterministic, set_learning_rate
from needle_assets.classifiers.focal_loss import FocalLoss
from needle_assets.classifiers.needle import Needle, tensors_to_bytes

_PADDED = -1


def train_committees(trainings: Sequence[Samples], validations: Sequence[Samples], plans: Sequence[Plan]) -> list[Trained]:
    """
    Train ``n_members`` networks without stamps for each of several training parts, all at once, by the fixed schedule.

    Parameters
    ----------
    trainings, validations : sequence of Samples
        Parts of each model. Validation has no part in the weights; its loss is only told.
    plans : sequence of Plan
        Of each model; settings and architecture are those of the first.

    Returns
    -------
    list of Trained
        One a model; its weights are a committee's, the losses in its history are means over its members.
    """
    settings = plans[0].settings
    sizes = [-(-len(training) // settings.batch_size) for training in trainings]
    done: dict[int, Trained] = {}
    # Networks that take equally many steps go together, so that the company of others changes none.
    for size in sorted(set(sizes)):
        chosen = [k for k, found in enumerate(sizes) if found == size]
        with deterministic():
            replicas = _Replicas.of([trainings[k] for k in chosen], [validations[k] for k in chosen], [plans[k] for k in chosen])
            done.update(zip(chosen, replicas.train(size), strict=True))
    return [done[k] for k in range(len(plans))]


@dataclass
class _Part:
    """Samples of every network: features (r, n, k), classes (r, n), weights (r, n) that are 0 where a network has fewer."""

    features: Tensor
    y: Tensor
    weights: Tensor

    @classmethod
    def of(cls, parts: Sequence[Samples], plans: Sequence[Plan], device: torch.device) -> "_Part":
        n = max(max(len(part) for part in parts), 1)
        features = torch.zeros(len(parts), n, plans[0].architecture.n_features)
        y, weights = torch.zeros(len(parts), n, dtype=torch.long), torch.zeros(len(parts), n)
        for r, (part, plan) in enumerate(zip(parts, plans, strict=True)):
            features[r, : len(part)] = torch.as_tensor(part.features)
            y[r, : len(part)] = torch.as_tensor(part.y)
            weights[r, : len(part)] = torch.as_tensor(np.asarray(plan.loss.alpha, dtype=np.float32)[part.y])
        return cls(features.to(device), y.to(device), weights.to(device))


@dataclass
class _Replicas:
    """Networks with an axis of replicas, the members of one model beside one another."""

    plans: Sequence[Plan]
    training: _Part
    validation: _Part
    n_samples: Sequence[int]
    rngs: Sequence[np.random.Generator]
    base: Needle
    parameters: dict[str, Tensor]
    buffers: dict[str, Tensor]
    loss: FocalLoss

    @classmethod
    def of(cls, trainings: Sequence[Samples], validations: Sequence[Samples], plans: Sequence[Plan]) -> "_Replicas":
        settings, members = plans[0].settings, range(plans[0].settings.n_members)
        device = chosen_device(settings)
        repeated = [plan for plan in plans for _ in members]
        networks = [
            Needle(plan.architecture, np.random.default_rng([plan.seed, 4, m]), plan.feature_weights).to(device)
            for plan in plans
            for m in members
        ]
        parameters, buffers = stack_module_state(networks)
        return cls(
            plans,
            _Part.of([part for part in trainings for _ in members], repeated, device),
            _Part.of([part for part in validations for _ in members], repeated, device),
            [len(part) for part in trainings for _ in members],
            [np.random.default_rng([plan.seed, 3, m]) for plan in plans for m in members],
            networks[0],
            {name: values.detach().requires_grad_() for name, values in parameters.items()},
            buffers,
            FocalLoss((1.0,) * plans[0].architecture.n_classes, plans[0].loss.gamma),
        )

    def train(self, n_batches: int) -> list[Trained]:
        settings = self.plans[0].settings
        optimiser = torch.optim.AdamW(
            self.parameters.values(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        history = []
        for epoch in range(settings.epochs):
            trained = self._epoch(optimiser, epoch, n_batches)
            with torch.no_grad():
                judged = self._losses(self.validation).cpu().numpy()
            history.append((trained, judged))
            for plan in self.plans:
                plan.tell(epoch + 1, settings.epochs)
        return [self._trained(model, history) for model in range(len(self.plans))]

    def _epoch(self, optimiser: torch.optim.Optimizer, epoch: int, n_batches: int) -> NDArray[np.float64]:
        """One pass; returns the mean loss of each network."""
        orders = np.stack([self._order(r, n_batches) for r in range(len(self.rngs))])
        total = np.zeros(len(self.rngs))
        for batch in range(n_batches):
            set_learning_rate(optimiser, self.plans[0].settings, epoch, batch / n_batches)
            losses = self._losses(self._chosen(torch.as_tensor(orders[:, batch])))
            optimiser.zero_grad(set_to_none=True)
            losses.sum().backward()
            optimiser.step()
            total += losses.detach().cpu().double().numpy()
        return total / n_batches

    def _order(self, replica: int, n_batches: int) -> NDArray[np.intp]:
        """Which samples each batch shows, shape (n_batches, batch size); all batches but for one sample equally full."""
        order = np.full((n_batches, self.plans[0].settings.batch_size), _PADDED)
        parts = np.array_split(self.rngs[replica].permutation(self.n_samples[replica]), n_batches)
        for batch, part in enumerate(parts):
            order[batch, : len(part)] = part
        return order

    def _chosen(self, rows: Tensor) -> _Part:
        rows = rows.to(self.training.y.device)
        is_there, at = rows != _PADDED, torch.arange(len(rows), device=rows.device)[:, None]
        rows = rows.clamp(min=0)
        return _Part(self.training.features[at, rows], self.training.y[at, rows], self.training.weights[at, rows] * is_there)

    def _losses(self, part: _Part) -> Tensor:
        """Mean loss of each network over its samples, shape (r,)."""

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
            logits = functional_call(self.base, (parameters, buffers), (None, x))
            return self.loss(logits, y, weights)

        means = torch.vmap(one)(self.parameters, self.buffers, part.features, part.y, part.weights)
        return means * part.y.shape[1] / (part.weights > 0).sum(dim=1).clamp(min=1)

    def _trained(self, model: int, history: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> Trained:
        settings = self.plans[0].settings
        rows = slice(model * settings.n_members, (model + 1) * settings.n_members)
        state = {name: values[rows] for name, values in (self.parameters | self.buffers).items()}
        told = [
            {"epoch": float(k), "training_loss": float(a[rows].mean()), "validation_loss": float(b[rows].mean())}
            for k, (a, b) in enumerate(history)
        ]
        n_shown = settings.epochs * sum(self.n_samples[rows])
        is_exact = self.training.y.device.type == "cpu"
        return Trained(tensors_to_bytes(state), settings.epochs - 1, told, n_shown, is_bit_exact=is_exact)
