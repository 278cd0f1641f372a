# SPDX-License-Identifier: GPL-2.0
"""The same figures as a picture: SVG, one panel for each job on each backing. Pure."""

from html import escape

from report import number

COLOURS = {"lockstep": "#1b6ca8", "other": "#2f9e8f", "alone": "#7fb2d9", "raw": "#9aa5b1",
           "raw-b": "#9aa5b1", "nvme": "#8d86a8", "md": "#c8a951"}
SINGLE = ("raw", "raw-b", "alone")
DRBD, REST = "#c2765c", "#555555"
WIDTH, LABEL, BAR, GAP, HEAD = 560, 130, 16, 5, 34
FONT = 'font-family="sans-serif"'


def colour(name):
    return COLOURS.get(name, DRBD if name.startswith("drbd") else REST)


def text(x, y, words, size=11, anchor="start", bold=False):
    weight = ' font-weight="bold"' if bold else ""
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{weight} '
            f'{FONT}>{escape(words)}</text>')


def panel_height(bars):
    return HEAD + len(bars) * (BAR + GAP) + 12


def scale(bars, mark):
    """The largest value that is to have its full length. A single disk's bar is cut off where the
    others would be too short to be compared."""
    whole = [v for _, v in bars] + ([mark[1]] if mark else [])
    mirrors = [v for n, v in bars if n not in SINGLE] + ([mark[1]] if mark else [])
    return max(mirrors) if mirrors and max(whole) > 3 * max(mirrors) else max(whole)


def panel(x, y, title, unit, bars, mark):
    """bars: [(name, value)]; mark: (name, value) of a line across all of them, or None."""
    top = scale(bars, mark)
    room = WIDTH - LABEL - 90
    out = [text(x, y + 14, title, 12, bold=True), text(x, y + 28, unit, 10)]
    line = y + HEAD
    for name, value in bars:
        width = room * min(value / top, 1.08) if top else 0
        out.append(text(x + LABEL - 6, line + BAR - 4, name, 11, "end"))
        out.append(f'<rect x="{x + LABEL}" y="{line}" width="{width:.1f}" height="{BAR}" '
                   f'fill="{colour(name)}"/>')
        if value > top:
            out.append(f'<rect x="{x + LABEL + room - 8}" y="{line - 1}" width="5" '
                       f'height="{BAR + 2}" fill="white"/>')
        out.append(text(x + LABEL + width + 4, line + BAR - 4, number(value), 11))
        line += BAR + GAP
    if mark:
        at = x + LABEL + (room * mark[1] / top if top else 0)
        out.append(f'<line x1="{at:.1f}" y1="{y + HEAD - 4}" x2="{at:.1f}" y2="{line}" '
                   'stroke="#c00" stroke-dasharray="4 3"/>')
        out.append(text(at + 3, line + 8, f"{mark[0]} {number(mark[1])}", 10))
    return out


def panels_of(r, jobs, targets, wire_of):
    """[(title, unit, bars, mark)]"""
    out = []
    for cpus in r.names("cpus"):
        for backing in r.names("backing"):
            for job in jobs.values():
                bars = [(t, r.median(cpus, backing, job.name, t, job.metric)) for t in targets]
                bars = [(t, v) for t, v in bars if v is not None]
                if not bars:
                    continue
                wire = wire_of(job)
                value = r.median(cpus, backing, *wire) if wire else None
                better = "less" if job.less else "more"
                out.append((f"{job.name} on {backing}, {cpus} CPU: {job.title}",
                            f"{job.unit}, {better} is better", bars,
                            ("the wire", value) if value else None))
    return out


def svg(panels, heading):
    """A whole document; two panels side by side."""
    y, body = 40, [text(12, 24, heading, 14, bold=True)]
    for i in range(0, len(panels), 2):
        pair = panels[i:i + 2]
        for side, (title, unit, bars, mark) in enumerate(pair):
            body += panel(12 + side * (WIDTH + 16), y, title, unit, bars, mark)
        y += max(panel_height(p[2]) for p in pair) + 8
    size = f'width="{2 * WIDTH + 40}" height="{y + 8}"'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n'
            '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(body) + "\n</svg>\n")
