"""Fit the law by which networks' squared error falls with their parameters P and training experiments D.

L(P, D) = E + A P^(−α) + B D^(−β), L being the squared position error less a reference's on the same
sequences. The table has a row per network; its metadata have the law, each estimate with its 95 % interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from command_line import ArgumentParser, InputError, existing_file, run, seed
from mpt.judgement.scaling import law, predicted
from mpt.judgement.statistics import difference
from mpt.tables.files import TableWriter, write_csv
from mpt.tables.scaling import SCALING
from mpt.tables.scores import read_tracker_scores
from mpt.transformer.model_file import load_model
from table_flags import add_table_flags

# Over tracks and frames of an experiment, the root of the mean squared distance.
SCORE = "position_error"


@dataclass(frozen=True)
class Size:
    """How large one training of a model is, and how many experiments it was trained on."""

    parameters: int
    experiments: int


def main() -> None:
    """Read the flags, fit, write the table twice."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--scores", type=existing_file, required=True, metavar="F", help="a table of score.py")
    add("--reference", required=True, metavar="NAME", help="the tracker whose error is taken off")
    add("--trackers", nargs="+", required=True, metavar="NAME", help="the networks, as the scores name them")
    add("--models", type=existing_file, nargs="+", required=True, metavar="F", help="their model files")
    add("--seed", type=seed, required=True, metavar="n", help="of the bootstrap")
    add_table_flags(parser)
    arguments = parser.parse_args()
    if len(arguments.models) != len(arguments.trackers):
        raise InputError(
            f"--models: {len(arguments.models)} files for {len(arguments.trackers)} --trackers; "
            "each needs its own"
        )

    fit_scaling_law(
        scores=arguments.scores,
        reference=arguments.reference,
        trackers=arguments.trackers,
        sizes=[size_of(path) for path in arguments.models],
        seed=arguments.seed,
        output=arguments.output,
    )
    write_csv(arguments.output, arguments.csv)


def size_of(path: Path) -> Size:
    """Count a model's parameters, and read on how many experiments each training was trained.

    Raises InputError if the file is no model, or one without a number of experiments.
    """
    network, parameters = load_model(path, torch.device("cpu"))
    batches, per_batch = parameters.get("batches"), parameters.get("experiments_per_batch")
    if not isinstance(batches, int) or not isinstance(per_batch, int):
        raise InputError(f"{path}: was not trained on a number of experiments")
    in_all = sum(tensor.numel() for tensor in network.parameters())
    return Size(in_all // network.replicates, batches * per_batch)


def fit_scaling_law(
    *,
    scores: Path,
    reference: str,
    trackers: Sequence[str],
    sizes: Sequence[Size],
    seed: int,
    output: Path,
    resamples: int = 500,
) -> None:
    """Write the table of networks, with the law in its metadata.

    Raises InputError if a tracker has no scores, two networks are of one size, or the grid is too small.
    """
    order = sorted(range(len(sizes)), key=lambda k: (sizes[k].parameters, sizes[k].experiments))
    names = [trackers[k] for k in order]
    P = np.array([sizes[k].parameters for k in order])
    D = np.array([sizes[k].experiments for k in order])
    squared = {
        name: found[SCORE] ** 2
        for name, _, found in read_tracker_scores(scores, [*names, reference], [SCORE])
    }
    if missing := sorted({*names, reference} - squared.keys()):
        raise InputError(f"{scores}: has no scores of {', '.join(missing)}")
    errors = [squared[name] for name in names]
    try:
        found = law(P, D, errors, squared[reference], resamples, seed)
    except ValueError as error:
        raise InputError(f"{scores}: {error}") from error
    excess = [difference(each, squared[reference]) for each in errors]
    with TableWriter(output, SCALING, {"reference": reference, "law": found._asdict()}) as writer:
        columns = {
            "parameters": P,
            "experiments": D,
            "tracker": names,
            "replicates": [len(each) for each in errors],
            "squared_error": [each.mean() for each in errors],
            "excess": [each.effect for each in excess],
            "low": [each.low for each in excess],
            "high": [each.high for each in excess],
            "fitted": predicted(found, P, D),
        }
        writer.write({name: np.asarray(values) for name, values in columns.items()})


if __name__ == "__main__":
    run(main)
