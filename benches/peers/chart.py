"""The times as an SVG of horizontal bars, one group per network, batch and number of threads."""

from html import escape

#: Pixels.
WIDTH, LEFT, RIGHT = 760, 130, 130
BAR, GAP, HEAD, TOP = 16, 4, 26, 56

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.small { font-size: 12px; fill: #59636e; }
.title { font-size: 15px; font-weight: 600; }
.ours { fill: #0a7f5a; }
.other { fill: #8c959f; }
.one { stroke: #59636e; stroke-dasharray: 3 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .small { fill: #9198a1; }
  .ours { fill: #2fbf8f; }
  .other { fill: #656c76; }
  .one { stroke: #9198a1; }
}
"""


def draw(store, groups, tolerance):
    """The chart: lengths are times relative to resnetc, numbers are milliseconds."""
    groups = [group for group in groups if bars(group, tolerance)]
    longest = max((ratio for group in groups for _, ratio in bars(group, tolerance)), default=1.0)
    scale = (WIDTH - LEFT - RIGHT) / max(longest, 1.0)
    parts, y = [], TOP
    for group in groups:
        parts.append(text(8, y + 14, f"{group.model}, batch {group.batch}, threads {group.threads}"))
        y += HEAD
        begin = y
        for summary, ratio in bars(group, tolerance):
            kind = "ours" if summary.engine == "resnetc" else "other"
            length = ratio * scale
            parts.append(text(LEFT - 8, y + 12, store.label(summary.engine), "small", "end"))
            parts.append(f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>')
            times = "" if summary.engine == "resnetc" else f" ({ratio:.2f}x)"
            # Also right of the line.
            parts.append(text(LEFT + max(length, scale) + 6, y + 12, f"{summary.median_ms:.1f} ms{times}", "small"))
            y += BAR + GAP
        x = LEFT + scale
        parts.append(f'<line class="one" x1="{x:.1f}" x2="{x:.1f}" y1="{begin - 3}" y2="{y - 1}"/>')
        y += GAP
    return page(store, y + 8, parts)


def bars(group, tolerance):
    """Engines with a time and the correct output, resnetc first, then by speed."""
    found = [(s, 1.0 if s.engine == "resnetc" else s.ratio) for s in group.engines.values() if s.median_ms is not None]
    right = [(s, r) for s, r in found if r is not None and (s.difference or 0.0) <= tolerance]
    return sorted(right, key=lambda pair: (pair[0].engine != "resnetc", pair[1]))


def text(x, y, content, kind="", anchor="start"):
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'


def page(store, height, parts):
    about = store.about
    note = f"{about['conditions']['cpu']}; {about['dates'][-1]}; shorter is better, the line is resnetc"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
            "<title>Median time of a run, resnetc and other engines</title>",
            f"<style>{STYLE}</style>",
            text(8, 20, "Median time of a run, f32", "title"),
            text(8, 40, note, "small"),
            *parts,
            "</svg>\n",
        ]
    )
