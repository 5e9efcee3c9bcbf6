"""The loss, in torch: five terms, each a mean over what the rows hold, so that their weights mean the same anywhere."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F  # noqa: N812 - its usual name

from routenlp.training.paper_network.labels import Labels
from routenlp.training.paper_network.settings import PaperNetworkSettings


@dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """Labels as tensors, and how much of each kind a row holds on average.

    A batch's term is divided by the batch's rows times that average, not by what the batch happens to hold: the mean
    over batches is then the loss of all rows.
    """

    quality: torch.Tensor
    recorded: torch.Tensor
    complete: torch.Tensor
    cheapest: torch.Tensor
    target: torch.Tensor
    price: torch.Tensor
    wins: torch.Tensor
    settings: PaperNetworkSettings

    @classmethod
    def of(cls, labels: Labels, settings: PaperNetworkSettings) -> Loss:
        """In float32."""
        floats = {
            name: torch.tensor(getattr(labels, name), dtype=torch.float32)
            for name in ("quality", "recorded", "complete", "target", "price", "wins")
        }
        return cls(**floats, cheapest=torch.tensor(labels.cheapest), settings=settings)

    def __call__(self, logits: torch.Tensor, rows: torch.Tensor, among: torch.Tensor) -> torch.Tensor:
        """Of logits (b, K) of these rows; `among`: the rows that are trained on, whose averages divide."""
        s = self.settings
        share = torch.softmax(logits, dim=1)
        zero = logits.sum() * 0.0
        terms = (
            (s.quality, self._graded, self.recorded.sum(dim=1)),
            (s.route, self._routed, (self.cheapest >= 0).float()),
            (s.hinge, self._short, self.complete),
            (s.preferences, self._preferred, self.wins.sum(dim=(1, 2))),
        )
        total = s.cost * (share @ self.price).mean() if s.cost else zero
        for weight, term, held in terms:
            average = held[among].mean()
            if weight and average > 0.0:
                total = total + weight * term(logits, share, rows) / (len(rows) * average)
        return total

    def _graded(self, logits: torch.Tensor, _share: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        loss = F.binary_cross_entropy_with_logits(logits, self.quality[rows], reduction="none")
        return (loss * self.recorded[rows]).sum()

    def _routed(self, logits: torch.Tensor, _share: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits, self.cheapest[rows], ignore_index=-1, reduction="sum")

    def _short(self, _logits: torch.Tensor, share: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        expected = (share * self.quality[rows]).sum(dim=1)
        return (torch.relu(self.target[rows] - expected) * self.complete[rows]).sum()

    def _preferred(self, logits: torch.Tensor, _share: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        lead = logits[:, :, None] - logits[:, None, :]
        return -(self.wins[rows] * F.logsigmoid(lead)).sum()
