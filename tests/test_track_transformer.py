"""src/track_transformer.py by its command line: the tracks it writes, and what it refuses."""

import os
from dataclasses import asdict

import numpy as np
import pytest
import torch

import damage
import track_transformer
from mpt.tables.dataset import dataset_parameters, read_scenes, read_truth
from mpt.tables.files import TableReader
from mpt.tables.tracks import TRACKS, read_tracks
from mpt.transformer.model_file import load_model, save_model
from mpt.transformer.networks import make_network
from networks import architecture

CPU = torch.device("cpu")
PARAMETERS = {"seed": 3}


@pytest.fixture
def model(tmp_path):
    """Return the file of an untrained model of two replicates for N = 2, T = 6."""
    network = make_network(architecture("geometric", frames=6), replicates=2, seed=3)
    network.length_scale.copy_(torch.tensor([2.0, 3.0]))
    (tmp_path / "models").mkdir()
    save_model(tmp_path / "models" / "model.pt", network, PARAMETERS)
    return tmp_path / "models" / "model.pt"


def arguments(directory, model):
    tables_of = [("--measurements", "measurements.parquet"), ("--initial", "initial.parquet")]
    return [x for flag, name in tables_of for x in (flag, directory / name)] + ["--model", model]


@pytest.fixture
def refused(refusal_here, dataset, model, tmp_path):
    """Return refused(*flags, ...): the line with which tracking is refused."""

    def run(*flags, directory=None, model=model):
        flags = [*arguments(directory or dataset(), model), *flags]
        outputs = tmp_path / "0.parquet", tmp_path / "1.parquet"
        return refusal_here(track_transformer, *flags, output=outputs[0], more_outputs=outputs[1:])

    return run


def read(path):
    with TableReader(path, TRACKS) as reader:
        parameters = reader.parameters
    blocks = list(read_tracks(path))
    names = ("experiments", "positions", "detection")
    return [np.concatenate([getattr(block, name) for block in blocks]) for name in names], parameters


def test_a_geometric_model_of_before_parts_could_be_left_out_is_whole(model):
    contents = torch.load(model, weights_only=True)
    del contents["architecture"]["without"]
    torch.save(contents, model)
    network, _ = load_model(model, CPU)
    assert network.architecture.without == "nothing"
    assert all(torch.equal(x, contents["network"][name]) for name, x in network.state_dict().items())


def test_each_replicate_writes_the_tracks_of_its_network(run_script, dataset, model, tmp_path):
    # More sequences than are tracked at a time.
    directory = dataset(experiments=331)
    outputs = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    result = run_script("track_transformer.py", *arguments(directory, model), "--output", *outputs)
    # Where it takes seconds, it says on the standard output how far it is.
    assert (result.returncode, result.stderr) == (0, "")
    (scenes,) = read_scenes(directory / "measurements.parquet", directory / "initial.parquet")
    network, _ = load_model(model, CPU)
    for replicate, output in enumerate(outputs):
        (experiments, positions, detection), parameters = read(output)
        expected = network.of_replicate(replicate).track(
            torch.from_numpy(scenes.measurements)[None], torch.from_numpy(scenes.initial)[None]
        )
        assert experiments.tolist() == list(range(331))
        assert positions == pytest.approx(expected[0].numpy(), abs=1e-4)
        assert np.array_equal(positions[:, 0], scenes.initial)
        assert (detection == -1).all()
        assert parameters["tracker"] == "geometric"
        assert parameters["fed_back"] == "outputs"
        assert parameters["replicate"] == replicate
        assert parameters["training"] == PARAMETERS
        assert parameters["dataset"] == dataset_parameters(directory / "measurements.parquet")


def test_one_replicate_or_longer_sequences_can_be_asked_for(dataset, model, tmp_path, monkeypatch):
    directory, output = dataset(frames=9), tmp_path / "1.parquet"
    flags = [*arguments(directory, model), "--replicate", 1, "--extrapolate", "--output", output]
    monkeypatch.setattr("sys.argv", ["track_transformer.py", *map(str, flags)])
    track_transformer.main()
    (_, positions, _), parameters = read(output)
    (scenes,) = read_scenes(directory / "measurements.parquet", directory / "initial.parquet")
    expected = load_model(model, CPU)[0].track(
        *(torch.from_numpy(x).expand(2, *x.shape) for x in (scenes.measurements, scenes.initial))
    )
    assert positions == pytest.approx(expected[1].numpy(), abs=1e-4)
    assert parameters["replicate"] == 1


@pytest.fixture
def plain_model(tmp_path):
    """Return the file of an untrained plain model of two replicates for N = 2, T = 6."""
    size = architecture("plain", frames=6, encoder_sees="whole")
    (tmp_path / "plain").mkdir()
    path = tmp_path / "plain" / "model.pt"
    save_model(path, make_network(size, replicates=2, seed=3), PARAMETERS)
    return path


def test_the_truth_is_fed_back_if_asked_for_and_the_tracks_say_so(dataset, plain_model, tmp_path):
    directory, outputs = dataset(experiments=5), [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    files = {"measurements": directory / "measurements.parquet", "initial": directory / "initial.parquet"}
    truth = directory / "truth.parquet"
    track_transformer.track(**files, model=plain_model, output=outputs, fed_back="truth", truth=truth)
    (scenes,) = read_scenes(*files.values())
    (true,) = read_truth(truth)
    network = load_model(plain_model, CPU)[0]
    z, y = (torch.from_numpy(x).expand(2, *x.shape) for x in (scenes.measurements, true.positions))
    with torch.no_grad():
        expected = network(z, y[:, :, :-1]).numpy()
    for replicate, output in enumerate(outputs):
        (_, positions, _), parameters = read(output)
        assert positions[:, 1:] == pytest.approx(expected[replicate], abs=1e-4)
        assert (parameters["tracker"], parameters["fed_back"]) == ("plain", "truth")


def test_the_truth_goes_with_feeding_it_back_and_is_of_the_same_dataset(refused, dataset, plain_model):
    assert "--fed-back truth needs --truth" in refused("--fed-back", "truth", model=plain_model)
    directory, other = dataset("one"), dataset("other", seed=2)
    line = refused("--truth", directory / "truth.parquet", directory=directory, model=plain_model)
    assert "--fed-back truth needs --truth" in line
    flags = ["--fed-back", "truth", "--truth", other / "truth.parquet"]
    line = refused(*flags, directory=directory, model=plain_model)
    assert f"{other / 'truth.parquet'}: not of the dataset of" in line


def test_a_learned_embedding_of_time_ends_with_the_training(refused, dataset, plain_model):
    line = refused("--extrapolate", directory=dataset(frames=9), model=plain_model)
    assert f"has 9 frames, more than the 6 that {plain_model} learned an embedding of" in line


def test_sequences_longer_than_those_of_the_training_are_refused(refused, dataset, model):
    line = refused(directory=dataset(frames=9))
    assert "has 9 frames, more than the 6 that" in line
    assert "--extrapolate" in line


@pytest.mark.parametrize("particles", [1, 3])
def test_a_plain_network_has_no_embedding_of_other_numbers_of_tracks(
    refused, dataset, plain_model, particles
):
    line = refused(directory=dataset(particles=particles), model=plain_model)
    assert f"has {particles} particles, but {plain_model} learned an embedding of each of 2 tracks" in line


def test_outputs_must_be_one_for_each_replicate(refused, refusal_here, dataset, model, tmp_path):
    assert "has 2 replicates and no number 2" in refused("--replicate", 2)
    assert "--output names 2 files" in refused("--replicate", 1)
    flags = arguments(dataset("one"), model)
    line = refusal_here(track_transformer, *flags, output=tmp_path / "0.parquet")
    assert "has 2 replicates; --output names 1 files" in line
    path = tmp_path / "1.parquet"
    line = refusal_here(track_transformer, *flags, output=path, more_outputs=[path])
    assert "is written already and would be overwritten" in line


@pytest.mark.parametrize(
    ("table", "how"),
    [
        ("measurements", damage.remove),
        ("measurements", damage.truncate),
        ("measurements", damage.no_rows),
        ("measurements", damage.not_a_number),
        ("measurements", damage.missing_row),
        ("initial", damage.rename_column),
        ("initial", damage.missing_experiment),
    ],
)
def test_damaged_tables_are_refused(table, how, refused, dataset):
    directory = dataset()
    words = how(directory / f"{table}.parquet")
    line = refused(directory=directory)
    assert f"{directory / table}.parquet" in line
    assert words in line


class Code:
    """Pickled, a command to run on loading."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_foreign_models_are_refused_without_running_their_code(refused, dataset, model, tmp_path):
    sound = torch.load(model, weights_only=True)
    content = model.read_bytes()
    directory = dataset()

    def line_for(write):
        write()
        line = refused(directory=directory)
        assert f"{model}: " in line
        return line

    assert "not a readable model file" in line_for(lambda: torch.save(Code(tmp_path / "ran"), model))
    assert not (tmp_path / "ran").exists()
    assert "not a readable model file" in line_for(lambda: model.write_text("weights"))
    assert "not a readable model file" in line_for(lambda: model.write_bytes(b""))
    assert "not a readable model file" in line_for(lambda: model.write_bytes(content[: len(content) // 2]))
    weights = sound["network"]["tokens"].numpy().tobytes()
    flipped = content.replace(weights, bytes([weights[0] ^ 1]) + weights[1:])
    assert "wrong checksum" in line_for(lambda: model.write_bytes(flipped))
    parquet = (directory / "initial.parquet").read_bytes()
    assert "not a readable model file" in line_for(lambda: model.write_bytes(parquet))
    assert "not a model file" in line_for(lambda: torch.save({"weights": torch.zeros(3)}, model))
    assert "damaged model file" in line_for(lambda: torch.save({**sound, "replicates": 3}, model))
    without = {name: x for name, x in sound.items() if name != "parameters"}
    assert "damaged model file" in line_for(lambda: torch.save(without, model))
    smaller = {**sound["architecture"], "dimension": 4}
    assert "damaged model file" in line_for(lambda: torch.save({**sound, "architecture": smaller}, model))
    model.unlink()
    assert "no such file" in refused(directory=directory)


def test_a_model_file_holds_its_configuration(model):
    network, parameters = load_model(model, CPU)
    assert asdict(network.architecture)["decoder_lookback"] == 3
    assert network.length_scale.tolist() == [2, 3]
    assert parameters == PARAMETERS
    assert not network.training


def test_a_gpu_that_is_not_there_is_refused(refused, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "no GPU" in refused("--device", "cuda")
