"""A picture of what import and scan take as the table grows."""

import dataclasses
import math
import sys

import items

SIZES = (1_000, 10_000, 100_000, 1_000_000)
# What boto3 and DynamoDB Local take for a million is minutes a run.
MOST_OF_OTHERS = 100_000
COLORS = {
    "cruddur, embedded": "#0b6e4f",
    "cruddur, DynamoDB Local": "#2f6fb0",
    "boto3, embedded": "#b5542b",
}


@dataclasses.dataclass
class Line:
    """One way's import or scan: (items, seconds, megabytes) at each size."""

    way: str
    work: str
    points: list


def draw(setting, path):
    """Measures, and writes the picture; stderr has the figures."""
    lines = {}
    for size in SIZES[:-1] if setting.quick else SIZES:
        for way, work, figure in measured(setting, size):
            point = (size, figure.median, figure.megabytes)
            told = f"{work} by {way}: %d items, %.3f s, %.1f MB" % point
            print(told, file=sys.stderr, flush=True)
            lines.setdefault((way, work), Line(way, work, [])).points.append(point)
    path.write_text(picture(list(lines.values())))


def measured(setting, size):
    """What each way took for a table of this size."""
    table = "growth"
    few = size <= setting.size(MOST_OF_OTHERS)
    file = setting.write("items", map(items.line, items.messages(size, 100)))
    for server in [setting.embedded] + [setting.dynamodb_local] * few:

        def empty():
            setting.create(server, table)

        output = setting.path("scanned")
        scan = ("ddb", "scan", "-o", "jsonl", "--table", table)
        ways = {
            "cruddur": (
                setting.cruddur(server, "ddb", "import", file, "--table", table, prepare=empty),
                setting.cruddur(server, *scan, output=output),
            )
        }
        if few and server is setting.embedded:
            write = ("write_items.py", "batch", table, file)
            ways["boto3"] = (
                setting.peer("boto3", server, *write, prepare=empty),
                setting.peer("boto3", server, "scan.py", table, output=output),
            )
        for name, pair in ways.items():
            for work, way in zip(("import", "scan"), pair):
                [figure] = setting.in_turn(way, rounds=min(3, setting.rounds))
                yield f"{name}, {server.name}", work, figure
        setting.drop(server, table)


# The picture: two panels with both axes in powers of ten.

WIDTH, HEIGHT, MARGIN, GAP = 380, 300, 60, 80


@dataclasses.dataclass
class Panel:
    """A coordinate system; `low` and `high` are powers of ten."""

    left: int
    title: str
    low: int
    high: int

    def x(self, size):
        first, last = math.log10(SIZES[0]), math.log10(SIZES[-1])
        return self.left + (math.log10(size) - first) / (last - first) * WIDTH

    def y(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return MARGIN + (1 - share) * HEIGHT

    def axes(self):
        bottom, right = MARGIN + HEIGHT, self.left + WIDTH
        yield text(self.left, MARGIN - 16, self.title, "font-weight='bold'")
        for size in SIZES:
            x = self.x(size)
            yield rule(x, MARGIN, x, bottom)
            yield text(x, bottom + 18, f"{size:,}", "text-anchor='middle'")
        for power in range(self.low, self.high + 1):
            y = self.y(10**power)
            yield rule(self.left, y, right, y)
            yield text(self.left - 8, y + 4, f"{10**power:g}", "text-anchor='end'")
        yield text(self.left + WIDTH / 2, bottom + 38, "items", "text-anchor='middle'")

    def line(self, line, values):
        places = [(self.x(size), self.y(value)) for size, value in values]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        style = f"stroke='{COLORS[line.way]}' {dashes(line.work)}"
        yield f"<polyline points='{path}' fill='none' stroke-width='2' {style}/>"
        for x, y in places:
            yield f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3' fill='{COLORS[line.way]}'/>"


def picture(lines):
    seconds = Panel(MARGIN, "seconds", *powers(point[1] for line in lines for point in line.points))
    memory = Panel(
        MARGIN + WIDTH + GAP,
        "peak memory, MB",
        *powers(point[2] for line in lines for point in line.points),
    )
    parts = [*seconds.axes(), *memory.axes()]
    for line in lines:
        parts += seconds.line(line, [(size, taken) for size, taken, _ in line.points])
        parts += memory.line(line, [(size, megabytes) for size, _, megabytes in line.points])
    parts += legend(lines)
    width, height = 2 * WIDTH + GAP + 2 * MARGIN, HEIGHT + 2 * MARGIN + 90
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' "
    font = "font-family='sans-serif' font-size='12'>"
    ground = "<rect width='100%' height='100%' fill='white'/>"
    return "\n".join([head + font, ground, *parts, "</svg>", ""])


def powers(values):
    """The powers of ten between which all values lie."""
    logarithms = [math.log10(value) for value in values]
    return math.floor(min(logarithms)), math.ceil(max(logarithms))


def legend(lines):
    for number, line in enumerate(lines):
        x, y = MARGIN + number % 2 * (WIDTH + GAP), MARGIN + HEIGHT + 66 + number // 2 * 20
        style = f"stroke='{COLORS[line.way]}' stroke-width='2' {dashes(line.work)}"
        yield f"<line x1='{x}' y1='{y}' x2='{x + 40}' y2='{y}' {style}/>"
        yield text(x + 50, y + 4, f"{line.work}: {line.way}")


def dashes(work):
    return "stroke-dasharray='6 4'" if work == "scan" else ""


def text(x, y, words, style=""):
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{words}</text>"


def rule(x1, y1, x2, y2):
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='#ddd'/>"
