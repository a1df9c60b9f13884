"""Runs programs in turn, and keeps what each took."""

import dataclasses
import os
import pathlib
import statistics
import subprocess
import tempfile
from collections.abc import Callable


@dataclasses.dataclass
class Sample:
    seconds: float
    megabytes: float
    output: str


@dataclasses.dataclass
class Way:
    """One program that does a work."""

    name: str
    command: list
    env: dict = dataclasses.field(default_factory=dict)
    folder: str = "/"
    # Where stdout goes; in a file of its own when its text is asked for.
    output: str = os.devnull
    # What has to be made again before each run; the clock stands meanwhile.
    prepare: Callable = lambda: None
    # Tells the seconds from what was printed, where the process's are not it.
    seconds: Callable | None = None
    # Fewer runs than the others, of a way so slow that it hardly matters.
    runs: int | None = None

    def run(self, spawn):
        self.prepare()
        with tempfile.NamedTemporaryFile() as printed:
            output = printed.name if self.seconds else self.output
            seconds, megabytes = spawned(spawn, output, self)
            text = pathlib.Path(output).read_text() if self.seconds else ""
        return Sample(self.seconds(text) if self.seconds else seconds, megabytes, text)


def spawned(spawn, output, way):
    """The seconds and megabytes of one process."""
    command = [spawn, output, *way.command]
    ended = subprocess.run(command, cwd=way.folder, env=way.env, capture_output=True, text=True)
    assert ended.returncode == 0, f"{' '.join(way.command)}\n{ended.stderr}"
    seconds, kilobytes = ended.stdout.split()
    return float(seconds), int(kilobytes) / 1000


@dataclasses.dataclass
class Figure:
    """What the runs of one way came to."""

    name: str
    samples: list

    @property
    def times(self):
        return [sample.seconds for sample in self.samples]

    @property
    def median(self):
        return statistics.median(self.times)

    @property
    def megabytes(self):
        return max(sample.megabytes for sample in self.samples)


def in_turn(spawn, ways, rounds):
    """Each way once a round, so that a slow minute of the machine hits all."""
    figures = [Figure(way.name, []) for way in ways]
    for number in range(rounds):
        for way, figure in zip(ways, figures):
            if number < (way.runs or rounds):
                figure.samples.append(way.run(spawn))
    return figures
