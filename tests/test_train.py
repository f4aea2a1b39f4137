"""src/train.py by its command line: what it learns from, how it goes on when killed, and what it refuses."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch

import damage
import train
from mpt.motion import Stream, simulate
from mpt.tables.dataset import dataset_parameters, read_measurements, read_scenes, read_truth
from mpt.tables.files import TableReader
from mpt.tables.learning_curve import LEARNING_CURVE
from mpt.transformer import plain
from mpt.transformer.checkpoint import Checkpoint
from mpt.transformer.model_file import load_model
from mpt.transformer.training_set import TrainingSet

CPU = torch.device("cpu")
GEOMETRIC = ["--network", "geometric", "--pointers", 2, "--without", "nothing", "--association-weight", 1]
PLAIN = ["--network", "plain", "--head", "displacement", "--time-embedding", "learned"]
SIZE = ["--dimension", 8, "--heads", 2, "--feedforward", 8]
SIZE += ["--encoder-layers", 1, "--decoder-layers", 1, "--encoder-lookback", 6, "--decoder-lookback", 3]
SHARED = [*SIZE, "--experiments-per-batch", 1, "--batches", 3, "--replicates", 2, "--seed", 5]
SHARED += ["--validation-experiments", 3, "--epochs", 40, "--device", "cpu", "--mode", "closed_loop"]
SHARED += [
    "--encoder-sees",
    "past",
    "--augment",
    "rotations",
    "--learning-rate",
    0.003,
    "--precision",
    "float32",
]
SHARED += ["--warmup-fraction", 0.1, "--weight-decay", 0.01, "--gradient-clip", 1, "--rescue-distance", 3]
SHARED += ["--validate-every", 10]
FLAGS = [*GEOMETRIC, *SHARED]


def training_set(*directories, batches=3):
    return TrainingSet(directories, batches, experiments_per_batch=1, replicates=2)


def train_until_killed(directory, output):
    """Train, and kill the process when warm-up is over and several checkpoints have been written."""
    command = [sys.executable, train.__file__, "--dataset", directory, *FLAGS, "--checkpoint-seconds", 0]
    process = subprocess.Popen([*map(str, command), "--output", str(output)], stdout=subprocess.DEVNULL)
    try:
        written = set()
        while len(written) < 8:
            assert process.poll() is None
            if checkpoint_of(output).exists():
                written.add(checkpoint_of(output).stat().st_mtime_ns)
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    assert not output.exists()


def checkpoint_of(output: Path) -> Path:
    return output.with_name("model.pt.checkpoint")


def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(dataset, run_script, tmp_path):
    directory, output = dataset(experiments=6), tmp_path / "killed" / "model.pt"
    train_until_killed(directory, output)
    resumed = run_script("train.py", "--dataset", directory, *FLAGS, "--output", output)
    assert (resumed.returncode, resumed.stderr) == (0, ""), resumed
    first, *_, last = resumed.stdout.splitlines()
    assert "going on after epoch" in first
    for word in ("120 of 120 steps", "loss", "validation Jaccard", "position error", "steps/s", "0 s left"):
        assert word in last
    assert not checkpoint_of(output).exists()

    straight = tmp_path / "straight" / "model.pt"
    result = run_script("train.py", "--dataset", directory, *FLAGS, "--output", straight)
    assert (result.returncode, result.stderr) == (0, ""), result
    assert {path.name for path in straight.parent.iterdir()} == {"model.pt", "learning_curve.parquet"}
    for name in ("model.pt", "learning_curve.parquet"):
        assert (output.parent / name).read_bytes() == (straight.parent / name).read_bytes(), name

    network, parameters = load_model(straight, CPU)
    assert (network.replicates, network.architecture.frames) == (2, 6)
    assert parameters["dataset"] == dataset_parameters(directory / "measurements.parquet")
    assert parameters["schedule"]["epochs"] == 40
    with TableReader(straight.with_name("learning_curve.parquet"), LEARNING_CURVE) as reader:
        curve = reader.read()
    assert curve["replicate"].tolist() == [0] * 5 + [1] * 5
    assert curve["epoch"].tolist() == [0, 10, 20, 30, 40] * 2
    assert np.ma.getmaskarray(curve["loss"]).tolist() == [True, *[False] * 4] * 2


def test_a_checkpoint_of_another_training_is_refused_by_what_differs(
    refusal_here, dataset, tmp_path, monkeypatch
):
    directory, output = dataset(experiments=6), tmp_path / "left" / "model.pt"
    arguments = ["train.py", "--dataset", directory, *FLAGS, "--checkpoint-seconds", 0, "--output", output]
    monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
    monkeypatch.setattr(Checkpoint, "remove", lambda checkpoint: None)
    train.main()
    line = refusal_here(
        train, "--dataset", directory, *FLAGS, "--learning-rate", 0.001, "--seed", 6, output=output
    )
    assert f"{checkpoint_of(output)}: a checkpoint of other schedule and seed" in line
    # Another draw of the same model: the parameters alone do not tell.
    other = dataset("other", experiments=6, seed=2)
    for table in other.iterdir():
        parameters = pq.read_schema(directory / table.name).metadata
        damage.edit(table, lambda rows, parameters=parameters: rows.replace_schema_metadata(parameters))
    line = refusal_here(train, "--dataset", other, *FLAGS, output=output)
    assert "a checkpoint of other data" in line
    kept = torch.load(checkpoint_of(output), weights_only=True)
    damage.truncate(checkpoint_of(output))
    line = refusal_here(train, "--dataset", directory, *FLAGS, output=output)
    assert f"{checkpoint_of(output)}: not a readable" in line
    assert line.endswith("delete it to train anew")
    other_network = {**kept, "identity": {**kept["identity"], "format": "of another network"}}
    for foreign in ([1, 2], other_network):
        torch.save(foreign, checkpoint_of(output))
        line = refusal_here(train, "--dataset", directory, *FLAGS, output=output)
        assert "a checkpoint of other origin" in line


def test_a_training_that_diverges_names_step_and_last_good_checkpoint(dataset, tmp_path, monkeypatch, capsys):
    output = tmp_path / "models" / "model.pt"
    flags = [*FLAGS, "--learning-rate", 100, "--checkpoint-seconds", 0, "--output", output]
    arguments = ["train.py", "--dataset", dataset(experiments=6, measurement_noise=0.5), *flags]
    monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
    with pytest.raises(
        train.InputError, match=r"replicate \d: .* at step \d+; the last good checkpoint, "
    ) as e:
        train.main()
    assert str(e.value).endswith(f"is {checkpoint_of(output)}")
    assert {path.name for path in output.parent.iterdir()} == {"model.pt.checkpoint"}
    state = torch.load(checkpoint_of(output), weights_only=True)["state"]
    assert all(torch.isfinite(x).all() for x in state["network"].values())


def test_replicates_learn_from_blocks_of_the_datasets_in_order(dataset):
    directories = dataset("one", experiments=4), dataset("two", experiments=5, seed=2)
    sequences = training_set(*directories).sequences(7)
    whole = [next(read_truth(d / "truth.parquet")) for d in directories]
    for found, name in ((sequences.truth, "positions"), (sequences.detection, "detection")):
        expected = np.concatenate([getattr(truth, name) for truth in whole])
        assert np.array_equal(found[0], expected[:3])
        assert np.array_equal(found[1], expected[3:6])
    measured = [next(read_measurements(d / "measurements.parquet"))[1] for d in directories]
    assert np.array_equal(sequences.measurements.reshape(6, 6, 2, 2), np.concatenate(measured)[:6])


def test_unlimited_batches_are_fresh_in_every_epoch_and_follow_the_model_of_the_dataset(dataset):
    directory = dataset(experiments=1, confinement=6.0)
    fresh = training_set(directory, batches="unlimited")
    epochs = [fresh.sequences(epoch) for epoch in range(3)]
    assert epochs[0].truth.shape == (2, 6, 6, 2, 2)
    everything = np.concatenate([epoch.truth.reshape(-1, 24) for epoch in epochs])
    validation = fresh.validation(3).truth.reshape(-1, 24)
    test = next(read_truth(directory / "truth.parquet")).positions.reshape(-1, 24)
    together = np.concatenate([everything, validation, test])
    assert len(np.unique(together[:, :4], axis=0)) == len(together) == 36 + 3 + 1
    assert np.abs(everything).max() <= 6
    assert np.array_equal(fresh.sequences(1).truth, epochs[1].truth)
    numbers = np.arange(12, 24)
    expected = simulate(numbers, 6, 2, 1.5, 2.0, 5.0, 0.1, 1, 6.0, Stream.TRAINING)
    assert np.array_equal(epochs[1].measurements.reshape(12, 6, 2, 2), expected.measurements)


def test_bad_input_is_one_line(refusal, dataset, tmp_path):
    directory = dataset(experiments=6)
    words = damage.not_a_number(directory / "truth.parquet")
    line = refusal("train.py", "--dataset", directory, *FLAGS, output=tmp_path / "model.pt")
    assert f"{directory / 'truth.parquet'}: {words}" in line


@pytest.mark.parametrize(
    ("table", "how"),
    [
        ("measurements", damage.truncate),
        ("measurements", damage.no_rows),
        ("initial", damage.rename_column),
        ("initial", damage.missing_experiment),
        ("truth", damage.remove),
        ("truth", damage.duplicate_key),
    ],
)
def test_a_damaged_dataset_is_refused(table, how, refusal_here, dataset, tmp_path):
    directory = dataset(experiments=6)
    words = how(directory / f"{table}.parquet")
    line = refusal_here(train, "--dataset", directory, *FLAGS, output=tmp_path / "model.pt")
    assert f"{directory / table}.parquet" in line
    assert words in line


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--replicates", 3], "6 experiments, but 3 replicates of 3 batches of 1 need 9"),
        (["--heads", 3], "the dimension 8 is not a multiple of heads 3"),
        (["--epochs", -1], "argument --epochs: '-1' is not an integer of at least 0"),
        (["--encoder-lookback", 0], "argument --encoder-lookback: '0'"),
        (["--learning-rate", "nan"], "argument --learning-rate: 'nan'"),
        (["--warmup-fraction", 1.5], "argument --warmup-fraction"),
        (["--batches", "many"], "argument --batches"),
        (["--mode", "open"], "argument --mode"),
        (["--dataset", "nowhere"], "nowhere: no such directory"),
        (["--head", "position"], "--head: of the plain network, not of the geometric"),
        (["--network", "plain"], "--pointers: of the geometric network, not of the plain"),
        (["--encoder-sees", "all"], "argument --encoder-sees"),
        (["--augment", "noise"], "argument --augment"),
        (["--without", "heads"], "argument --without"),
    ],
)
def test_impossible_flags_are_refused(flags, words, refusal_here, dataset, tmp_path):
    directory = dataset(experiments=6)
    line = refusal_here(train, "--dataset", directory, *FLAGS, *flags, output=tmp_path / "model.pt")
    assert words in line


@pytest.mark.parametrize(("change", "words"), [({"frames": 7}, "frames is 7"), ({"particles": 3}, "is 3")])
def test_datasets_of_different_shapes_are_refused(change, words, refusal_here, dataset, tmp_path):
    directories = dataset(experiments=6), dataset("other", **change)
    line = refusal_here(train, "--dataset", *directories, *FLAGS, output=tmp_path / "model.pt")
    assert f"{directories[1]}: " in line
    assert words in line


def test_a_dataset_that_does_not_say_how_it_was_simulated_is_refused(refusal_here, dataset, tmp_path):
    directory = dataset(experiments=6)
    for table in directory.iterdir():
        parameters = json.loads(pq.read_schema(table).metadata[b"mpt"])
        del parameters["process_noise"]
        changed = {b"mpt": json.dumps(parameters, sort_keys=True).encode()}
        damage.edit(table, lambda rows, changed=changed: rows.replace_schema_metadata(changed))
    line = refusal_here(train, "--dataset", directory, *FLAGS, output=tmp_path / "model.pt")
    assert f"{directory}: its parameter 'process_noise' is None" in line


def test_outputs_that_cannot_be_written_are_refused_before_training(refusal_here, dataset, tmp_path):
    directory = dataset(experiments=6)
    line = refusal_here(train, "--dataset", directory, *FLAGS, output=directory)
    assert f"{directory}: is a directory" in line


def test_a_gpu_that_is_not_there_is_refused(refusal_here, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    flags = [*FLAGS, "--device", "cuda"]
    line = refusal_here(train, "--dataset", dataset(), *flags, output=tmp_path / "model.pt")
    assert "no GPU" in line


def train_here(monkeypatch, directory, output, *flags):
    """Train in this process; returns the network."""
    arguments = ["train.py", "--dataset", directory, *PLAIN, *SHARED, *flags, "--output", output]
    monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
    train.main()
    return load_model(output, CPU)[0]


def test_a_plain_training_that_is_taken_up_again_ends_with_the_same_bytes(dataset, tmp_path, monkeypatch):
    directory, killed, straight = dataset(experiments=6), tmp_path / "a/model.pt", tmp_path / "b/model.pt"
    few = ["--epochs", 8, "--validate-every", 4, "--checkpoint-seconds", 0]
    save, epochs = Checkpoint.save_if_due, []

    def save_then_stop(checkpoint, training, curve):
        save(checkpoint, training, curve)
        epochs.append(training.epoch)
        if training.epoch == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "save_if_due", save_then_stop)
        with pytest.raises(KeyboardInterrupt):
            train_here(monkeypatch, directory, killed, *few)
    assert checkpoint_of(killed).exists()
    network = train_here(monkeypatch, directory, killed, *few)
    train_here(monkeypatch, directory, straight, *few)
    assert epochs == [1, 2, 3, 4, 5]
    for name in ("model.pt", "learning_curve.parquet"):
        assert (killed.parent / name).read_bytes() == (straight.parent / name).read_bytes(), name
    assert isinstance(network, plain.Transformer)
    assert network.architecture.head == "displacement"


def test_no_epoch_leaves_the_network_as_its_seed_made_it(dataset, tmp_path, monkeypatch):
    network = train_here(monkeypatch, dataset(experiments=6), tmp_path / "model.pt", "--epochs", 0)
    untrained = plain.Transformer(network.architecture, 2, seed=5)
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter, untrained.get_parameter(name)), name
    assert (network.length_scale != 1).all()


@pytest.mark.parametrize("kind", ["plain", "geometric"])
def test_every_flag_of_the_science_is_required(kind, refusal_here, dataset, tmp_path):
    whole = [*(PLAIN if kind == "plain" else GEOMETRIC), *SHARED]
    flags = dict(zip(whole[::2], whole[1::2], strict=True))
    for flag in flags.keys() - {"--device"}:
        others = [word for name, value in flags.items() if name != flag for word in (name, value)]
        line = refusal_here(train, "--dataset", dataset(), *others, output=tmp_path / "model.pt")
        assert "required" in line or "needs" in line
        assert flag in line


@pytest.mark.parametrize("network", [PLAIN, GEOMETRIC])
def test_motionless_data_are_refused_in_a_line_that_names_them(network, refusal_here, dataset, tmp_path):
    still = {"process_noise": 0.0, "measurement_noise": 0.0, "drift_spread": 0.0}
    directory = dataset(experiments=6, **still)
    line = refusal_here(train, "--dataset", directory, *network, *SHARED, output=tmp_path / "model.pt")
    assert f"{directory}: replicate 0 has nothing to learn" in line


def test_starts_are_those_of_the_dataset_and_validation_follows(dataset):
    """A dataset whose parameters say that starts are measured holds detections in initial.parquet."""
    directory = dataset(experiments=6)
    path = directory / "initial.parquet"
    damage.edit(path, lambda rows: rows.set_column(2, "x", pc.add(rows["x"], 1.5)))
    (scenes,) = read_scenes(directory / "measurements.parquet", path)
    found = training_set(directory).sequences(0)
    assert np.array_equal(found.initial.reshape(6, 2, 2), scenes.initial)
    assert np.array_equal(found.initial[..., 0], found.truth[:, :, 0, :, 0] + 1.5)
    for table in directory.iterdir():
        parameters = json.loads(pq.read_schema(table).metadata[b"mpt"]) | {"start": "measured"}
        changed = {b"mpt": json.dumps(parameters, sort_keys=True).encode()}
        damage.edit(table, lambda rows, changed=changed: rows.replace_schema_metadata(changed))
    for made in (
        training_set(directory).validation(5),
        training_set(directory, batches="unlimited").sequences(3),
    ):
        for r, e, n in np.ndindex(made.detection[:, :, 0].shape):
            detected = made.measurements[r, e, 0, made.detection[r, e, 0, n]]
            assert np.array_equal(made.initial[r, e, n], detected)
