"""Line plots as SVG, written by hand: a few points, a legend, no dependency."""

import html
import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 70, 20, 40, 60
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700")


def _step(largest):
    """A round distance between grid lines, for about five of them."""
    power = 10 ** math.floor(math.log10(largest / 5))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= largest / 5)


def line(path, title, x_label, y_label, series, log_x=True):
    """`series`: name → [(x, y)]. The y axis begins at 0, so that a flat curve looks flat."""
    points = [point for some in series.values() for point in some]
    if not points:
        return False
    scale = math.log10 if log_x else float
    xs = sorted({x for x, _ in points})
    low, high = scale(xs[0]), scale(xs[-1])
    highest = max(max(y for _, y in points), 1e-9) * 1.1
    step = _step(highest)
    top = step * math.ceil(highest / step)

    def at(x, y):
        across = (scale(x) - low) / (high - low) if high > low else 0.5
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{WIDTH / 2}" y="20" text-anchor="middle" font-size="14">{html.escape(title)}</text>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 22}" text-anchor="middle">{html.escape(x_label)}</text>',
        f'<text transform="translate(16 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{html.escape(y_label)}</text>',
    ]
    for count in range(round(top / step) + 1):
        _, y = at(xs[0], count * step)
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{count * step:g}</text>')
    for x in xs:
        out.append(f'<text x="{at(x, 0)[0]:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{x:g}</text>')
    for number, (name, some) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        positions = [at(x, y) for x, y in sorted(some)]
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in positions)}"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in positions]
        out.append(f'<text x="{LEFT + 10 + 140 * number}" y="{HEIGHT - 6}" fill="{colour}">{html.escape(name)}</text>')
    path.write_text("\n".join([*out, "</svg>", ""]), encoding="utf-8")
    return True
