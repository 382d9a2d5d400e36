"""Makes the fixtures beside it: predictions with the scores that scikit-learn, torchmetrics, SciPy and torch give them, in float64.

    pip install numpy scipy scikit-learn==1.9.1 torch torchmetrics==1.9.0
    python make.py
"""

import json
import os
import warnings

import numpy as np
import scipy.stats
import sklearn.calibration
import sklearn.metrics
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

HERE = os.path.dirname(os.path.abspath(__file__))
BINS = 15
rng = np.random.default_rng(20240711)
warnings.filterwarnings("ignore", category=UserWarning)


def softmax(logits):
    return torch.softmax(torch.tensor(logits, dtype=torch.float64), -1).numpy()


def classification(samples, labels, log_samples=None):
    """Scores of the average of probabilities `samples`, [S, N, C]."""
    p, y = samples.mean(0), np.asarray(labels)
    classes = p.shape[1]
    tp, ty = torch.tensor(p, dtype=torch.float64), torch.tensor(y)
    confidence, right = p.max(1), (p.argmax(1) == y).astype(float)
    ece = multiclass_calibration_error(tp, ty, num_classes=classes, n_bins=BINS, norm="l1").item()
    # The curve of bins with equal mass is scikit-learn's. It omits empty bins and the number of examples in each.
    true, predicted = sklearn.calibration.calibration_curve(right, confidence, n_bins=BINS, strategy="quantile", pos_label=1.0)
    edges = np.percentile(confidence, np.linspace(0, 1, BINS + 1) * 100)
    counts = np.bincount(np.searchsorted(edges[1:-1], confidence), minlength=BINS)
    adaptive = float(np.sum(counts[counts > 0] / len(y) * np.abs(true - predicted)))
    logs = np.log(samples) if log_samples is None else log_samples
    with np.errstate(divide="ignore"):
        likelihood = scipy.special.logsumexp(logs, axis=0)[np.arange(len(y)), y] - np.log(len(samples))
    entropy = scipy.stats.entropy(p, axis=1)
    aleatoric = scipy.stats.entropy(samples, axis=2).mean(0)
    order = np.argsort(entropy, kind="stable")
    kept = [len(y) - len(y) * i // 100 for i in range(100)]
    found = {
        "accuracy": multiclass_accuracy(tp, ty, num_classes=classes, average="micro").item(),
        "nll": float(-likelihood.mean()) if np.isfinite(likelihood).all() else None,
        "ece": ece,
        "adaptive_ece": adaptive,
        "brier": float(sklearn.metrics.brier_score_loss(y, p, labels=range(classes), scale_by_half=False)),
        "entropy": float(entropy.mean()),
        "aleatoric": float(aleatoric.mean()),
        "epistemic": float((entropy - aleatoric).mean()),
        "confidence": confidence.tolist(),
    }
    if found["nll"] is not None and p[np.arange(len(y)), y].min() > 1e-15:
        assert abs(found["nll"] - sklearn.metrics.log_loss(y, p, labels=range(classes))) < 1e-12
    if len(np.unique(entropy)) == len(entropy):
        found["rejection"] = [float(right[order][:k].mean()) for k in kept]
    return found


def logit_case(name, samples, rows, classes, scale, counts):
    truth = rng.normal(size=(rows, classes)) * scale
    logits = np.round(truth + rng.normal(size=(samples, rows, classes)) * scale / 3, 3)
    labels = np.array([rng.choice(classes, p=row) for row in softmax(truth / 2)])
    logs = torch.log_softmax(torch.tensor(logits, dtype=torch.float64), -1).numpy()
    scores = {str(n): classification(softmax(logits[:n]), labels, logs[:n]) for n in counts}
    return {"name": name, "classes": classes, "labels": labels.tolist(), "logits": logits.reshape(samples, -1).tolist(), "scores": scores}


def probability_case(name, probabilities, labels):
    p = np.asarray(probabilities, dtype=np.float64)
    with np.errstate(divide="ignore"):
        scores = {str(n): classification(p[:n], labels) for n in range(1, len(p) + 1)}
    return {"name": name, "classes": p.shape[2], "labels": list(labels), "probabilities": p.reshape(len(p), -1).tolist(), "scores": scores}


def detection_case(name, negatives, positives):
    y = np.r_[np.zeros(len(negatives)), np.ones(len(positives))]
    s = np.r_[negatives, positives]
    fpr, tpr, _ = sklearn.metrics.roc_curve(y, s, drop_intermediate=False)
    return {
        "name": name,
        "negatives": list(map(float, negatives)),
        "positives": list(map(float, positives)),
        "auroc": float(sklearn.metrics.roc_auc_score(y, s)),
        "aupr": float(sklearn.metrics.average_precision_score(y, s)),
        "fpr95": float(fpr[np.argmax(tpr >= 0.95)]),
    }


def regression_case(name, samples, rows):
    y = np.round(rng.normal(size=rows) * 2, 4)
    means = np.round(y + rng.normal(size=(samples, rows)), 4)
    variances = np.round(np.exp(rng.normal(size=(samples, rows))), 4)
    m, v = torch.tensor(means), torch.tensor(variances)
    scores = {}
    for n in (1, samples):
        mixture = torch.distributions.MixtureSameFamily(
            torch.distributions.Categorical(torch.ones(rows, n, dtype=torch.float64)),
            torch.distributions.Normal(m[:n].T, v[:n].T.sqrt()),
        )
        mean, variance = mixture.mean.numpy(), mixture.variance.numpy()
        noise = variances[:n].mean(0)
        scores[str(n)] = {
            "log_likelihood": mixture.log_prob(torch.tensor(y)).mean().item(),
            "rmse": float(sklearn.metrics.root_mean_squared_error(y, mean)),
            "aleatoric": float(noise.mean()),
            "epistemic": float((variance - noise).mean()),
        }
    return {"name": name, "targets": y.tolist(), "means": means.tolist(), "variances": variances.tolist(), "scores": scores}


def write(name, value):
    with open(os.path.join(HERE, name), "w") as file:
        json.dump(value, file, separators=(",", ":"), allow_nan=False)
        file.write("\n")


third = 1 / 3
grid = [[1, 0, 0], [0, 1, 0], [0.2, 0.2, 0.6], [0.4, 0.4, 0.2], [0.6, 0.2, 0.2], [0.8, 0.1, 0.1], [third, third, third], [0.5, 0.5, 0]]
shuffled = [grid[i] for i in rng.permutation(len(grid))]
write(
    "classification.json",
    [
        logit_case("five classes, growing samples", 4, 150, 5, 1.5, (1, 2, 4)),
        logit_case("two classes", 3, 47, 2, 1.0, (1, 3)),
        logit_case("sure beyond the last bit: probabilities of 0 and 1", 2, 60, 4, 60.0, (1, 2)),
        logit_case("one example", 2, 1, 3, 1.0, (1, 2)),
        probability_case("ties, empty bins, and confidences on edges", [grid, shuffled], [0, 2, 2, 1, 0, 1, 2, 0]),
        probability_case("all right and all sure", [[[1, 0], [0, 1], [1, 0]]], [0, 1, 0]),
    ],
)
tied = rng.integers(0, 6, size=90) / 5
write(
    "detection.json",
    [
        detection_case("apart, with overlap", np.round(rng.normal(size=120), 5), np.round(rng.normal(size=80) + 1, 5)),
        detection_case("many ties", tied[:50], np.minimum(tied[50:] + 0.2, 1)),
        detection_case("all scores equal", [0.25] * 7, [0.25] * 3),
        detection_case("reversed", [3, 2, 1], [0, -1]),
        detection_case("one of each", [0], [1]),
        detection_case("nineteen of twenty positives are exactly 95 %", np.arange(10) + 0.5, np.arange(20)),
    ],
)
write("regression.json", [regression_case("eight samples", 8, 40), regression_case("one target", 3, 1)])
