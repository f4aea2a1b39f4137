"""src/track_hybrid.py by its command line: the tracks and what was kept, and what it refuses."""

import itertools

import numpy as np
import pytest
import torch

import track_hybrid
import track_mht
from mpt.tables.dataset import read_scenes
from mpt.tables.files import TableReader
from mpt.tables.kept import KEPT
from mpt.tables.tracks import TRACKS, read_tracks
from mpt.trackers import hybrid
from mpt.transformer.model_file import load_model, save_model
from mpt.transformer.networks import make_network
from networks import architecture

FILTER = {"process_noise": 1.5, "measurement_noise": 2.0, "velocity_spread": 0.1}
FILTER |= {"process_noise_model": "position"}
DECIDING = {"lookback": 2, "estimate": "filtered"}


@pytest.fixture
def model(tmp_path):
    """Return the file of an untrained geometric model of two replicates for N = 2, T = 6."""
    network = make_network(architecture("geometric", frames=6), replicates=2, seed=3)
    network.length_scale.copy_(torch.tensor([2.0, 3.0]))
    (tmp_path / "models").mkdir()
    save_model(tmp_path / "models/model.pt", network, {"seed": 3})
    return tmp_path / "models/model.pt"


def files_of(directory):
    return {"measurements": directory / "measurements.parquet", "initial": directory / "initial.parquet"}


def track(directory, model, tmp_path, **settings):
    """Return the tables of both replicates: tracks and what was kept."""
    outputs = [tmp_path / f"{replicate}.parquet" for replicate in range(2)]
    kept = [tmp_path / f"kept_{replicate}.parquet" for replicate in range(2)]
    settings = {**FILTER, **DECIDING, "solver": "enumerate", **settings}
    track_hybrid.track(**files_of(directory), model=model, output=outputs, kept=kept, **settings)
    return outputs, kept


def kept_rows(path):
    with TableReader(path, KEPT) as reader:
        blocks = list(reader.blocks(1000))
    return {name: np.ma.concatenate([block[name] for block in blocks]) for name in KEPT.schema.names}


@pytest.mark.parametrize("estimate", ["filtered", "online", "smoothed", "detection"])
@pytest.mark.parametrize("solver", ["enumerate", "assignment"])
def test_without_epsilon_the_tracks_are_those_of_the_exact_tracker(
    dataset, model, tmp_path, solver, estimate
):
    directory = dataset(particles=3, experiments=6)
    outputs, kept = track(
        directory, model, tmp_path, solver=solver, estimate=estimate, epsilon=0.0, exact=True
    )
    reference = tmp_path / "mht.parquet"
    settings = {**FILTER, **DECIDING, "solver": solver, "estimate": estimate}
    track_mht.track(**files_of(directory), output=reference, **settings)
    (expected,) = read_tracks(reference)
    for path, table in zip(outputs, kept, strict=True):
        (found,) = read_tracks(path)
        assert found.positions.tobytes() == expected.positions.tobytes()
        assert np.array_equal(found.detection, expected.detection)
        rows = kept_rows(table)
        assert (rows["pairs"] == 9).all()
        assert (rows["hypotheses"] == 6).all()
        assert not rows["lost"].any()


def test_what_was_kept_is_counted_for_each_frame(dataset, model, tmp_path):
    directory = dataset(particles=3, experiments=6)
    outputs, tables = track(directory, model, tmp_path, epsilon=0.05)
    (scenes,) = read_scenes(*files_of(directory).values())
    network, _ = load_model(model, torch.device("cpu"))
    probability = network.associate(
        *(torch.from_numpy(x).expand(2, *x.shape) for x in (scenes.measurements, scenes.initial))
    ).numpy()
    for replicate, (path, table) in enumerate(zip(outputs, tables, strict=True)):
        pairs, added = hybrid.keep(probability[replicate], 0.05)
        rows = kept_rows(table)
        assert rows["experiment"].tolist() == np.repeat(range(6), 5).tolist()
        assert rows["frame"].tolist() == 6 * [1, 2, 3, 4, 5]
        tracks = np.arange(3)
        for row, (b, t) in enumerate(itertools.product(range(6), range(1, 6))):
            assert rows["pairs"][row] == pairs[b, t].sum()
            assert rows["added"][row] == added[b, t]
            ways = sum(pairs[b, t, tracks, p].all() for p in itertools.permutations(range(3)))
            assert rows["hypotheses"][row] == ways
        assert rows["lost"].mask.all()
        assert 1 <= rows["hypotheses"].min() < rows["hypotheses"].max() <= 6
        (found,) = read_tracks(path)
        for b, t in itertools.product(range(6), range(1, 6)):
            assert pairs[b, t, tracks, found.detection[b, t]].all()
        with TableReader(path, TRACKS) as reader:
            assert reader.parameters["tracker"] == "hybrid"
            assert reader.parameters["epsilon"] == 0.05
            assert reader.parameters["replicate"] == replicate
            assert reader.parameters["training"] == {"seed": 3}


@pytest.fixture
def refused(refusal_here, dataset, model, tmp_path):
    """Return refused(*flags, model=…): the line with which tracking is refused."""

    def run(*flags, model=model):
        settings = {**files_of(dataset()), "model": model, **FILTER, **DECIDING, "solver": "enumerate"}
        told = [x for name, value in settings.items() for x in (f"--{name.replace('_', '-')}", value)]
        outputs = tmp_path / "0.parquet", tmp_path / "1.parquet"
        return refusal_here(track_hybrid, *told, *flags, output=outputs[0], more_outputs=outputs[1:])

    return run


def test_what_makes_no_sense_is_refused(refused, tmp_path):
    kept = tmp_path / "kept.parquet"
    assert "'1.5' is not a fraction" in refused("--epsilon", 1.5)
    assert "the best hypothesis was lost, which --kept writes" in refused("--epsilon", 0.1, "--exact")
    assert "--kept names 1 files, and --output 2" in refused("--epsilon", 0.1, "--kept", kept)


def test_a_plain_network_is_refused(refused, tmp_path):
    path = tmp_path / "models/plain.pt"
    save_model(path, make_network(architecture("plain", frames=6), replicates=2), {})
    line = refused("--epsilon", 0.1, model=path)
    assert f"{path}: a plain network does not say whose each detection is" in line
