"""Draw the readings under which most claims hold: their verdicts, and the scores of the trackers beside."""

import json

import numpy as np

import pictures
from command_line import ArgumentParser, run
from mpt.drawing.verdict_map import draw_readings
from mpt.judgement.readings import ranked
from mpt.tables.verdicts import choice_axes, choice_controls
from summarise_readings import add_reading_flags, read_readings


def main() -> None:
    """Read the flags, draw, write each picture."""
    parser = ArgumentParser(description=__doc__)
    add_reading_flags(parser)
    pictures.add_file_flags(parser)
    arguments = parser.parse_args()
    asked = json.loads(arguments.asked.read_text(encoding="utf-8"))
    axes = choice_axes(arguments.verdicts)
    scores, first = asked["scores"], asked["scores"][0]
    best = ranked(read_readings(arguments.verdicts, asked, ["crossed"]), scores)[: asked["best"]]
    claims = [claim for claim in asked["statements"] if claim in best[0].verdicts[first]]
    verdicts = np.array(
        [[each.verdicts[first].get(claim, "not judged") for claim in claims] for each in best]
    )
    places = [axes.index(name) for name in asked["crossed"]]
    labels = [
        ", ".join(each.choice[place].replace("_", " ") for place in places) + f"   {len(each.held(first))}"
        for each in best
    ]
    names = asked["names"] | {name: name for name in choice_controls(arguments.verdicts)}
    levels = {
        score: {
            label: np.array([_or_nan(each.levels.get(score, {}).get(name)) for each in best])
            for name, label in names.items()
        }
        for score in scores
        if any(score in each.levels for each in best)
    }
    figure = draw_readings(first, verdicts, claims, labels, levels)
    pictures.save(figure, arguments.output, arguments.dots_per_inch)


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


if __name__ == "__main__":
    run(main)
