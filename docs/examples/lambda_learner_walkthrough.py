"""A bandit learns which articles to show, by Thompson sampling over name-term-value records.

Run it: `python docs/examples/lambda_learner_walkthrough.py`. It needs the base install of the package only.
Visitors come in batches. Each is shown one of four articles; the clicks of a batch update the model, which
between batches is nothing but a mean and a variance for each (name, term).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lambda_learner import (
    Feature,
    HessianType,
    IndexMap,
    NameTerm,
    TrainerSequentialBayesianLogisticLossWithL2,
    TrainingRecord,
    coefficient_dict_to_feature_list,
    evaluate,
    index_domain_coeffs_to_nt_domain_coeffs,
    nt_domain_coeffs_to_index_domain_coeffs,
    nt_domain_data_to_index_domain_data,
    score_linear_model,
)

BATCHES, VISITORS = 20, 50  # visitors in each batch
PENALTY = 1.0  # the prior's precision: coefficients are about 1 in size
GENRES = ("news", "sport", "travel", "cooking")
COUNTRIES = ("fr", "jp")

# What the bandit has to find out: the log-odds of a click are the sum of these.
FIXED_EFFECT = -2.0  # what a global model says of every article: the records' offset
TRUTH = {("genre", "sport"): 0.5, ("genre×country", "cooking×jp"): 2.5, ("genre×country", "travel×fr"): 2.0}


class Model(NamedTuple):
    """What is kept between batches."""

    means: dict[NameTerm, float]
    variances: dict[NameTerm, float]


def candidates(country: str) -> list[TrainingRecord]:
    """A record for each article that a visitor may see; the label is not known yet."""
    records = []
    for genre in GENRES:
        features = [Feature("genre", genre, 1.0), Feature("genre×country", f"{genre}×{country}", 1.0)]
        records.append(TrainingRecord(-1, 1.0, FIXED_EFFECT, features))
    return records


def scores(model: Model, records: list[TrainingRecord], rng: np.random.Generator | None = None) -> list[float]:
    """The records' log-odds of a click: under one draw from the posterior, or its mean without `rng`."""
    means, variances = map(coefficient_dict_to_feature_list, model)
    index_map, _ = IndexMap.from_records_means_and_variances(records, means, variances)
    indexed = nt_domain_coeffs_to_index_domain_coeffs(means, variances, index_map, PENALTY)
    data = nt_domain_data_to_index_domain_data(records, index_map)
    log_odds: list[float] = score_linear_model(indexed, data, 0.0 if rng is None else 1.0, rng=rng).tolist()
    return log_odds


def updated(model: Model, records: list[TrainingRecord]) -> Model:
    """The model after a batch, the old one being the prior."""
    means, variances = map(coefficient_dict_to_feature_list, model)
    index_map, _ = IndexMap.from_records_means_and_variances(records, means, variances)
    trainer = TrainerSequentialBayesianLogisticLossWithL2(
        training_data=nt_domain_data_to_index_domain_data(records, index_map),
        initial_model=nt_domain_coeffs_to_index_domain_coeffs(means, variances, index_map, PENALTY),
        hessian_type=HessianType.DIAGONAL,
        penalty=PENALTY,
        delta=1.0,  # nothing changes in this world, so nothing is forgotten
        optimizer="newton",
    )
    trained, _, _ = trainer.train()
    new_means, new_variances = index_domain_coeffs_to_nt_domain_coeffs(trained, index_map)
    assert new_variances is not None  # a diagonal hessian was asked for
    return Model(new_means, new_variances)


def true_log_odds(record: TrainingRecord) -> float:
    """The true log-odds of a click."""
    return record.offset + sum(TRUTH.get(name_term, 0.0) for name_term in record.name_terms)


def is_clicked(record: TrainingRecord, rng: np.random.Generator) -> bool:
    """What the visitor does."""
    return bool(rng.random() < 1.0 / (1.0 + np.exp(-true_log_odds(record))))


def play(rng: np.random.Generator, *, learn: bool) -> tuple[Model, list[list[TrainingRecord]]]:
    """All batches as they were shown and clicked; without learning the articles are drawn at random."""
    model, history = Model({}, {}), []
    for _ in range(BATCHES):
        shown = []
        for country in rng.choice(COUNTRIES, VISITORS):
            articles = candidates(country)
            best = int(np.argmax(scores(model, articles, rng))) if learn else int(rng.integers(len(articles)))
            chosen = articles[best]
            label = 1 if is_clicked(chosen, rng) else -1
            shown.append(TrainingRecord(label, chosen.weight, chosen.offset, chosen.features))
        history.append(shown)
        model = updated(model, shown) if learn else model
    return model, history


def comparison(model: Model, country: str) -> list[tuple[str, float, float]]:
    """Genre, learned and true log-odds of each article in a country."""
    articles = candidates(country)
    return list(zip(GENRES, scores(model, articles), map(true_log_odds, articles), strict=True))


def clicks(records: list[TrainingRecord]) -> int:
    """How many of the records were clicked."""
    return sum(record.label == 1 for record in records)


def main() -> None:
    """Play with and without learning, and say what was learned."""
    model, history = play(np.random.default_rng(1), learn=True)
    _, random_history = play(np.random.default_rng(1), learn=False)
    for name, batches in (("Thompson sampling", history), ("at random", random_history)):
        by_quarter = [sum(map(clicks, batches[start : start + 5])) for start in range(0, BATCHES, 5)]
        print(f"{name:17}: {sum(by_quarter)} clicks of {BATCHES * VISITORS} visitors, by quarter {by_quarter}")

    print("log-odds of a click, learned (truth):")
    for country in COUNTRIES:
        learned = [f"{genre} {logit:5.2f} ({truth:4.1f})" for genre, logit, truth in comparison(model, country)]
        print(f"  {country}: {', '.join(learned)}")

    last = random_history[-1]
    auc = evaluate(["auc"], scores(model, last), [record.label for record in last])["auc"]
    print(f"AUC on the last random batch: {auc:.2f}")


if __name__ == "__main__":
    main()
