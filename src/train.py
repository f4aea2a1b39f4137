"""Train the replicates of a transformer, side by side, on simulated experiments.

Replicate r learns from experiments r·batches·i … (r + 1)·batches·i − 1 of the dataset. A checkpoint beside
the output lets a killed training go on and end with the same weights. Learning rate and weight decay are
those of AdamW.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from command_line import (
    ArgumentParser,
    InputError,
    existing_directory,
    fraction,
    non_negative_float,
    non_negative_int,
    output_file,
    positive_float,
    positive_int,
    refuse_overwriting,
    run,
    seed,
)
from mpt.progress import Progress
from mpt.transformer.checkpoint import Checkpoint
from mpt.transformer.devices import DEVICES, PRECISIONS, set_up
from mpt.transformer.geometric import WITHOUT
from mpt.transformer.model_file import save_model
from mpt.transformer.network import ENCODER_SEES
from mpt.transformer.networks import GEOMETRIC, NETWORKS, own_sizes
from mpt.transformer.plain import HEADS, TIME_EMBEDDINGS
from mpt.transformer.report import learning_curve_rows, standing, write_learning_curve
from mpt.transformer.training import AUGMENTATIONS, MODES, Divergence, Schedule, Training, closed_loop_scores
from mpt.transformer.training_set import TABLES, UNLIMITED, TrainingSet

# What one network has and another has not; required with it, refused with another.
OWN_FLAGS = {name: own_sizes(name) for name in NETWORKS}
OWN_FLAGS[GEOMETRIC] += ("association_weight",)


def main() -> None:
    """Read the flags and train."""
    train(**vars(parse_flags()))


def train(
    *,
    dataset: Sequence[Path],
    network: str,
    batches: int | str,
    experiments_per_batch: int,
    replicates: int,
    seed: int,
    epochs: int,
    validation_experiments: int,
    validate_every: int,
    precision: str,
    output: Path,
    learning_curve: Path | None = None,
    device: str = "auto",
    threads: int = 1,
    checkpoint_seconds: float = 60.0,
    **settings,
) -> None:
    """Train and write the model and its learning curve; arguments as the flags.

    settings: those of the network's Architecture and of Schedule. Raises InputError.
    """
    learning_curve = learning_curve or output.with_name("learning_curve.parquet")
    refuse_overwriting([output, learning_curve], [each / name for each in dataset for name in TABLES])
    chosen = set_up(device, threads)
    training_set = TrainingSet(dataset, batches, experiments_per_batch, replicates)
    settings |= {"epochs": epochs, "batches": training_set.batches}
    settings |= {name: training_set.parameters[name] for name in ("particles", "frames")}
    schedule = Schedule(**_of(Schedule, {"association_weight": None, **settings}))
    kind = NETWORKS[network]
    if unknown := settings.keys() - {
        field.name for each in (Schedule, kind.Architecture) for field in fields(each)
    }:
        raise TypeError(f"no settings of the {network} network: {', '.join(sorted(unknown))}")
    architecture = kind.Architecture(**_of(kind.Architecture, settings))
    model = kind(architecture, replicates, seed)
    model.use_precision(PRECISIONS[precision])
    parameters = {
        "network": network,
        "architecture": asdict(architecture),
        "schedule": asdict(schedule),
        "batches": batches,
        "experiments_per_batch": experiments_per_batch,
        "validation_experiments": validation_experiments,
        "precision": precision,
        "replicates": replicates,
        "seed": seed,
        "dataset": training_set.parameters,
    }
    try:
        training = Training(model, training_set.sequences, schedule, seed, chosen)
    except InputError as error:
        raise InputError(f"{', '.join(map(str, dataset))}: {error}") from error
    checkpoint = Checkpoint(output, parameters, training_set.digest(), checkpoint_seconds, chosen)
    curve = checkpoint.resume(training)
    batches = schedule.batches
    progress = Progress(epochs * batches, "steps", training.epoch * batches)
    validation = training_set.validation(validation_experiments)
    if training.epoch == 0:
        curve = learning_curve_rows(training, None, *closed_loop_scores(model, validation))
    while training.epoch < epochs:
        try:
            losses = training.run_epoch()
            if training.epoch % validate_every == 0 or training.epoch == epochs:
                curve += learning_curve_rows(training, losses, *closed_loop_scores(model, validation))
        except Divergence as error:
            raise InputError(f"{error}; {checkpoint.last()}") from error
        progress.at(training.epoch * batches, standing(losses, curve), always=training.epoch == epochs)
        checkpoint.save_if_due(training, curve)
    write_learning_curve(learning_curve, parameters, curve)
    save_model(output, model, parameters)
    checkpoint.remove()


def _of(kind: type, settings: dict) -> dict:
    return {field.name: settings[field.name] for field in fields(kind) if field.name in settings}


def parse_flags():
    """Return the flags, checked one by one."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--dataset",
        type=existing_directory,
        nargs="+",
        required=True,
        metavar="DIR",
        help="directories of the three tables of a dataset; experiments are taken in order",
    )
    add(
        "--network",
        choices=NETWORKS,
        required=True,
        help="plain: the paper's; geometric: equivariant, points at detections",
    )
    add("--encoder-lookback", type=positive_int, required=True, metavar="KE", help="K_E [frames]")
    add("--decoder-lookback", type=positive_int, required=True, metavar="KD", help="K_D [frames]")
    add(
        "--encoder-sees",
        choices=ENCODER_SEES,
        required=True,
        help="past: the last K_E frames; whole: those less than K_E frames away, future included, which with "
        "K_E = T are all",
    )
    add("--experiments-per-batch", type=positive_int, required=True, metavar="i", help="sequences in a batch")
    add(
        "--batches",
        type=batches,
        required=True,
        metavar="n",
        help="batches in an epoch, the same in every epoch; unlimited simulates all afresh",
    )
    add("--replicates", type=positive_int, required=True, metavar="R", help="networks to train")
    add("--seed", type=seed, required=True, metavar="n", help="of the first replicate; then n + 1, …")
    add("--mode", choices=MODES, required=True, help="what is fed back in training: own outputs or the truth")
    add(
        "--augment",
        choices=AUGMENTATIONS,
        required=True,
        help="rotations: turn and mirror every sequence anew in each epoch",
    )
    add(
        "--epochs",
        type=non_negative_int,
        required=True,
        metavar="n",
        help="passes over the batches; 0: untrained",
    )
    add("--learning-rate", type=positive_float, required=True, help="greatest")
    add("--warmup-fraction", type=fraction, required=True, help="of the steps, in which the rate rises")
    add("--weight-decay", type=non_negative_float, required=True, help="of AdamW")
    add("--gradient-clip", type=positive_float, required=True, help="greatest norm of a replicate's gradient")
    add(
        "--rescue-distance",
        type=positive_float,
        required=True,
        help="a training track farther than this from its particle is put back "
        "[rms distance, per axis, of a detection from its particle one frame earlier]",
    )
    add("--dimension", type=positive_int, required=True, metavar="d", help="width of a token")
    add("--heads", type=positive_int, required=True, help="attention heads")
    add("--encoder-layers", type=positive_int, required=True, help="layers of the encoder")
    add("--decoder-layers", type=positive_int, required=True, help="layers of the decoder")
    add("--feedforward", type=positive_int, required=True, help="width of a feed-forward layer")
    add("--head", choices=HEADS, help="plain: what it yields, the position or the step from the last output")
    add("--time-embedding", choices=TIME_EMBEDDINGS, help="plain: of the frame's number")
    add("--pointers", type=positive_int, help="geometric: pointer heads of the output")
    add("--without", choices=WITHOUT, help="geometric: the part that is left out, to judge it")
    add(
        "--association-weight",
        type=non_negative_float,
        help="geometric: of the pointers' loss beside the squared distance",
    )
    add(
        "--validation-experiments",
        type=positive_int,
        required=True,
        metavar="n",
        help="sequences apart from training and test for the learning curve",
    )
    add("--validate-every", type=positive_int, required=True, metavar="n", help="epochs")
    add("--device", choices=DEVICES, default="auto", help="auto takes a GPU if there is one; default auto")
    add("--precision", choices=PRECISIONS, required=True, help="of the linear maps on a GPU")
    add("--threads", type=positive_int, default=1, metavar="n", help="processor threads, default 1")
    add(
        "--checkpoint-seconds",
        type=non_negative_float,
        default=60.0,
        metavar="s",
        help="least time between checkpoints OUTPUT.checkpoint, default 60 s",
    )
    add("--learning-curve", type=output_file, metavar="FILE", help="table to write, default beside the model")
    add("--output", type=output_file, required=True, metavar="model.pt", help="model to write")
    flags = parser.parse_args()
    keep_own(flags)
    return flags


def keep_own(flags) -> None:
    """Drop the flags of other networks.

    Raises InputError if one of them is given, or an own one is not.
    """
    # What is of another network is told before what is lacking.
    for network in sorted(OWN_FLAGS, key=flags.network.__eq__):
        for name in OWN_FLAGS[network]:
            flag = f"--{name.replace('_', '-')}"
            given = getattr(flags, name) is not None
            if network == flags.network and not given:
                raise InputError(f"the {network} network needs {flag}")
            if network != flags.network:
                if given:
                    raise InputError(f"{flag}: of the {network} network, not of the {flags.network}")
                delattr(flags, name)


def batches(text: str) -> int | str:
    """Parse a positive integer or the word unlimited."""
    return UNLIMITED if text == UNLIMITED else positive_int(text)


if __name__ == "__main__":
    run(main)
