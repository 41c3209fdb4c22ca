"""Draws a timeline as SVG: goodput over time, one panel for each way of travelling, the moves
marked in all of them, and below a strip that shows in which network the host was. Follows the
reader's choice of light or dark.
"""
import math
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 1000, 64, 24
PANEL, GAP, HEAD, STRIP, TAGS = 170, 62, 96, 20, 48

# Colours by name, for light and for dark; plain classes, since not every viewer knows var().
_COLOURS = {
    "paper": ("#ffffff", "#12161c"), "ink": ("#1c2430", "#e6ebf2"), "soft": ("#5d6b7c", "#94a1b2"),
    "grid": ("#e3e8ee", "#262d37"), "line": ("#8a94a3", "#66717f"), "tag": ("#f3f5f8", "#1c222b"),
    "first": ("#1f6feb", "#5b9dff"), "second": ("#c2570c", "#f0954a"),
    "A": ("#2f9e6e", "#2f9e6e"), "B": ("#8257d6", "#8257d6"), "none": ("#d64545", "#e05c5c"),
}
_SHAPES = """
  text { font-family: ui-sans-serif, system-ui, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;
         font-size: 12px }
  .title { font-size: 20px; font-weight: 650 } .name { font-size: 14px; font-weight: 600 }
  .grid, .axis { stroke-width: 1 } .move { stroke-width: 1; stroke-dasharray: 3 3 }
  .first, .second { fill: none; stroke-width: 1.5; stroke-linejoin: round }
  .under-first, .under-second { opacity: .16 } .silent { opacity: .13 }
  .on { fill: #ffffff; font-weight: 600; font-size: 11px }
"""


def _style():
    def rules(shade):
        colour = {name: pair[shade] for name, pair in _COLOURS.items()}
        fills = {".paper": "paper", "text": "ink", ".title": "ink", ".name": "ink", ".soft": "soft",
                 ".under-first": "first", ".under-second": "second", ".silent": "none",
                 ".tag": "tag", ".A": "A", ".B": "B", ".none": "none"}
        strokes = {".grid": "grid", ".axis": "line", ".move": "line", ".first": "first",
                   ".second": "second", ".tag": "grid"}
        return " ".join([f"{what} {{ fill: {colour[name]} }}"
                         for what, name in fills.items()] +
                        [f"{what} {{ stroke: {colour[name]} }}" for what, name in strokes.items()])

    return f"{rules(0)}\n@media (prefers-color-scheme: dark) {{ {rules(1)} }}\n{_SHAPES}"


def goodput(arrivals, begin, end, width=0.05):
    """[(seconds since begin, Mbit/s)] in bins of that width."""
    bins = [0] * max(1, math.ceil((end - begin) / width))
    for at, size in arrivals:
        place = int((at - begin) / width)
        if 0 <= place < len(bins):
            bins[place] += size
    return [((i + 0.5) * width, size * 8 / width / 1e6) for i, size in enumerate(bins)]


def timeline(path, title, subtitle, panels, moves, stays, duration):
    """panels: [{name, note, points, silences: [(begin, end)]}], at most two;
    moves: [{at, label, result}]; stays: [(begin, end, "A" | "B" | None, address)].
    All times in seconds since the left edge."""
    height = HEAD + TAGS + len(panels) * (PANEL + GAP) + STRIP + 24
    drawing = _Drawing(duration, height)
    drawing.text(LEFT, 34, title, "title")
    drawing.text(LEFT, 56, subtitle, "soft")
    top = HEAD
    for number, panel in enumerate(panels):
        drawing.heading(panel, top)
        if number == 0:
            drawing.tags(moves, top + 8)
            top += TAGS
        drawing.panel(panel, top, ("first", "second")[number], moves)
        top += PANEL + GAP
    drawing.strip(stays, top - GAP + 30)
    with open(path, "w") as file:
        file.write(drawing.finished())


class _Drawing:
    def __init__(self, duration, height):
        self._duration = duration
        self._height = height
        self._parts = []

    def finished(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self._height}" '
                f'width="{WIDTH}" height="{self._height}" role="img">\n<style>{_style()}</style>\n'
                f'<rect class="paper" width="{WIDTH}" height="{self._height}" rx="10"/>\n' +
                "\n".join(self._parts) + "\n</svg>\n")

    def text(self, x, y, text, style="", anchor="start"):
        self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" '
                           f'text-anchor="{anchor}">{escape(text)}</text>')

    def line(self, x1, y1, x2, y2, style):
        self._parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                           f'class="{style}"/>')

    def box(self, x, y, width, height, style, title="", round_=0):
        hint = f"<title>{escape(title)}</title>" if title else ""
        self._parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" '
                           f'height="{height:.1f}" rx="{round_}" class="{style}">{hint}</rect>')

    def x(self, seconds):
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(seconds / self._duration, 0), 1)

    def heading(self, panel, y):
        self.text(LEFT, y - 8, panel["name"], "name")
        self.text(WIDTH - RIGHT, y - 8, panel["note"], "soft", "end")

    def tags(self, moves, y):
        """What each move was and what it cost, above its mark; none covers the next."""
        widths = [6.7 * max(len(move["label"]), len(move["result"])) + 30 for move in moves]
        places, free = [], LEFT
        for move, width in zip(moves, widths):
            places.append(max(free, self.x(move["at"]) - 12))
            free = places[-1] + width + 4
        free = WIDTH - RIGHT
        for number in reversed(range(len(moves))):
            places[number] = min(places[number], free - widths[number])
            free = places[number] - 4
        for number, (move, x, width) in enumerate(zip(moves, places, widths), 1):
            self.box(x, y, width, 36, "tag", round_=6)
            self.text(x + 9, y + 23, str(number), "name")
            self.text(x + 24, y + 15, move["label"])
            self.text(x + 24, y + 29, move["result"], "soft")

    def panel(self, panel, top, style, moves):
        points = panel["points"]
        ceiling = _round_up(max([value for _, value in points] + [1]))
        bottom = top + PANEL

        def y(value):
            return bottom - PANEL * value / ceiling

        for step in range(5):
            value = ceiling * step / 4
            self.line(LEFT, y(value), WIDTH - RIGHT, y(value), "grid" if step else "axis")
            self.text(LEFT - 8, y(value) + 4, f"{value:g}", "soft", "end")
        self.text(LEFT + 6, top + 12, "Mbit/s", "soft")
        for begin, end in panel["silences"]:
            self.box(self.x(begin), top, self.x(end) - self.x(begin), PANEL, "silent",
                     f"no byte for {end - begin:.3f} s")
        if points:
            path = " ".join(f"{self.x(at):.1f},{y(value):.1f}" for at, value in points)
            self._parts.append(f'<polygon class="under-{style}" points="{self.x(points[0][0]):.1f},'
                               f'{bottom:.1f} {path} {self.x(points[-1][0]):.1f},{bottom:.1f}"/>')
            self._parts.append(f'<polyline class="{style}" points="{path}"/>')
        for number, move in enumerate(moves, 1):
            x = self.x(move["at"])
            self.line(x, top - 4, x, bottom, "move")
            self.text(x + 4, top + 12, str(number), "soft")
        self._seconds(bottom)

    def _seconds(self, y):
        step = next(step for step in (1, 2, 5, 10, 20, 60, 300) if self._duration / step <= 16)
        at = 0
        while at <= self._duration:
            self.line(self.x(at), y, self.x(at), y + 4, "axis")
            self.text(self.x(at), y + 17, f"{at} s", "soft", "middle")
            at += step

    def strip(self, stays, top):
        for begin, end, network, address in stays:
            left, width = self.x(begin), self.x(end) - self.x(begin)
            name = f"network {network}, {address}" if network else "no network"
            self.box(left, top, width - 1, STRIP, network or "none", name, 4)
            fitting = next((text for text in (f"{network}  {address}", network or "")
                            if network and len(text) * 6.6 + 6 <= width), "")
            self.text(left + width / 2, top + 14, fitting, "on", "middle")
        self.text(LEFT - 8, top + 14, "host in", "soft", "end")


def _round_up(value):
    unit = 10 ** math.floor(math.log10(value))
    return next(factor * unit for factor in (1, 2, 4, 6, 8, 10, 12) if factor * unit >= value)
