"""What was measured and what was asked for, as Markdown."""

import dataclasses
import statistics


@dataclasses.dataclass
class Claim:
    """A target, and what was measured."""

    target: str
    measured: str
    met: bool


@dataclasses.dataclass
class Result:
    """A work: what each way took, and the targets that follow from it."""

    work: str
    figures: list
    claims: list
    note: str = ""


def ratio_of(one, other):
    """The median of the rounds' ratios, since a slow minute hits both ways of a
    round; of the rounds that both have."""
    return statistics.median(a / b for a, b in zip(one.times, other.times))


def times_slower(ours, peer, most):
    ratio = ratio_of(ours, peer)
    return Claim(f"at most {most} × {peer.name}", f"{ratio:.2f} ×", ratio <= most)


def times_faster(ours, peer, least):
    ratio = ratio_of(peer, ours)
    return Claim(f"{least} × faster than {peer.name}", f"{ratio:.0f} ×", ratio >= least)


def share_of(ours, limit):
    """Of the speed of a client that does nothing."""
    share = ratio_of(limit, ours)
    return Claim(f"90 % of {limit.name}", f"{share:.0%}".replace("%", " %"), share >= 0.9)


def memory_under(ours, most):
    return Claim(f"under {most} MB", f"{ours.megabytes:.1f} MB", ours.megabytes < most)


def seconds_under(ours, most):
    return Claim(f"{ours.name} under {most} s", f"{ours.median:.2f} s", ours.median < most)


def duration(seconds):
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def row(*cells):
    return "| " + " | ".join(cells) + " |\n"


def targets(results):
    text = row("work", "target", "measured", "met?") + "|---|---|---:|---|\n"
    for result in results:
        for claim in result.claims:
            met = "yes" if claim.met else "**no**"
            text += row(result.work, claim.target, claim.measured, met)
    return text


def figures(results):
    """Ratios are to the first of each work, which is cruddur."""
    text = row("work", "by", "median", "range", "× cruddur", "peak memory")
    text += "|---|---|---:|---:|---:|---:|\n"
    for result in results:
        for figure in result.figures:
            text += row(
                result.work,
                figure.name,
                duration(figure.median),
                f"{duration(min(figure.times))} – {duration(max(figure.times))}",
                f"{ratio_of(figure, result.figures[0]):.2f}",
                f"{figure.megabytes:.1f} MB",
            )
    return text


def notes(results):
    return "".join(f"* {result.work}: {result.note}\n" for result in results if result.note)


def document(results, machine, versions, date):
    return f"""# Results

Written by `just bench` on {date}; [README.md](README.md) says how to read it.

{machine}

{versions}

## Targets

{targets(results)}
## Figures

{figures(results)}
{notes(results)}"""
