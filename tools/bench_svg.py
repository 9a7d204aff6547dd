"""A picture of ratios: one bar for each row, to be put beside its table."""
from xml.sax.saxutils import escape

WIDTH = 860
LABEL_WIDTH = 330
BAR_HEIGHT = 14
ROW_HEIGHT = 22
TOP = 56
BOTTOM = 34
RATIO_MAX = 2.5  # what is above is cut, and says so

STYLE = ("text{font:12px sans-serif;fill:#222}.title{font:bold 15px sans-serif}.small{font-size:11px;fill:#555}"
         ".kept{fill:#3a7d44}.short{fill:#c0602a}.none{fill:#55779c}.spread{stroke:#111;stroke-width:1}"
         ".goal{stroke:#000;stroke-width:2}.one{stroke:#888;stroke-dasharray:4 3}.grid{stroke:#e4e4e4}")


class Scale:
    """From ratios to places."""

    def __init__(self, ratios):
        self.highest = min(max([1.1, *[ratio * 1.05 for ratio in ratios]]), RATIO_MAX)
        self.width = WIDTH - LABEL_WIDTH - 70

    def __call__(self, ratio):
        return LABEL_WIDTH + min(ratio, self.highest) / self.highest * self.width


def _line(kind, x, y1, y2):
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>'


def _text(x, y, text, anchor="start", kind=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>'


def bars(title, rows):
    """`rows`: (label, median, low, high, goal or None). The ratio 1 is Samba."""
    height = TOP + ROW_HEIGHT * len(rows) + BOTTOM
    scale = Scale([high for _, _, _, high, _ in rows])
    bottom = TOP + ROW_HEIGHT * len(rows)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
             f'aria-label="{escape(title)}">',
             f"<style>{STYLE}</style>", f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
             _text(10, 22, title, kind="title"),
             _text(10, 42, "server CPU per operation, braid by Samba: shorter is better; thick mark: the goal; "
                           "thin line: from the smallest to the largest pair", kind="small")]
    step = 0.25 if scale.highest <= 1.5 else 0.5
    tick = 0.0
    while tick <= scale.highest:
        parts += [_line("grid", scale(tick), TOP - 4, bottom),
                  _text(scale(tick), bottom + 16, f"{tick:g}", "middle", "small")]
        tick += step
    parts.append(_line("one", scale(1), TOP - 4, bottom))
    for number, (label, median, low, high, goal) in enumerate(rows):
        top = TOP + ROW_HEIGHT * number + (ROW_HEIGHT - BAR_HEIGHT) / 2
        middle = top + BAR_HEIGHT / 2
        kind = "none" if goal is None else "kept" if median <= goal else "short"
        parts += [_text(LABEL_WIDTH - 8, middle + 4, label, "end"),
                  f'<rect class="{kind}" x="{LABEL_WIDTH}" y="{top:.1f}" height="{BAR_HEIGHT}" '
                  f'width="{scale(median) - LABEL_WIDTH:.1f}"/>',
                  f'<line class="spread" x1="{scale(low):.1f}" x2="{scale(high):.1f}" y1="{middle:.1f}" '
                  f'y2="{middle:.1f}"/>']
        if goal is not None:
            parts.append(_line("goal", scale(goal), top - 2, top + BAR_HEIGHT + 2))
        cut = " (cut)" if high > scale.highest else ""
        parts.append(_text(scale(max(high, median)) + 6, middle + 4, f"{median:.2f}{cut}"))
    return "\n".join([*parts, "</svg>"]) + "\n"
