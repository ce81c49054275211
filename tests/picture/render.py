#!/usr/bin/python3
"""Draws what a terminal showed as an SVG that moves: TYPESCRIPT and TIMING as script(1) writes them (classic format).

usage: render.py COLUMNS LINES TYPESCRIPT TIMING >PICTURE.svg
"""
import html
import sys

import pyte

LONGEST_PAUSE_SECONDS = 0.9  # what stands still longer is not waited for
SHORTEST_FRAME_SECONDS = 1.0
LAST_FRAME_SECONDS = 4.0
CELL_WIDTH, CELL_HEIGHT, MARGIN = 8.4, 18, 12
PALETTE = {
    "default": "#d8dee9", "black": "#4c566a", "red": "#e06c75", "green": "#98c379", "brown": "#e5c07b",
    "yellow": "#e5c07b", "blue": "#61afef", "magenta": "#c678dd", "cyan": "#56b6c2", "white": "#d8dee9",
    "brightblack": "#6b7386",
}


def chunks(typescript, timing):
    """Yields (seconds since the chunk before, bytes)."""
    with open(typescript, "rb") as output, open(timing, encoding="ascii") as times:
        output.readline()  # "Script started on ..."
        for line in times:
            delay, size = line.split()
            yield float(delay), output.read(int(size))


def snapshot(screen):
    """The screen as rows of runs: (column, text, colour, bold)."""
    rows = []
    for y in range(screen.lines):
        runs, run = [], None
        for x in range(screen.columns):
            cell = screen.buffer[y][x]
            style = (cell.bg if cell.reverse else cell.fg, cell.bold)
            if run and run[2:] == style:
                run = (run[0], run[1] + cell.data, *style)
                runs[-1] = run
            else:
                run = (x, cell.data, *style)
                runs.append(run)
        rows.append([r for r in runs if r[1].strip()])
    return rows


def record(columns, lines, typescript, timing):
    """The pictures that differ, each with the seconds for which it stood."""
    screen = pyte.Screen(columns, lines)
    stream = pyte.ByteStream(screen)
    frames, stood = [], 0.0
    for delay, data in chunks(typescript, timing):
        stood += min(delay, LONGEST_PAUSE_SECONDS)
        if stood >= SHORTEST_FRAME_SECONDS:
            now = snapshot(screen)
            if frames and frames[-1][0] == now:
                frames[-1] = (now, min(frames[-1][1] + stood, LONGEST_PAUSE_SECONDS))
            elif any(now):
                frames.append((now, stood))
            stood = 0.0
        stream.feed(data)
    return frames


def text(row, y):
    for x, data, colour, bold in row:
        weight = ' font-weight="bold"' if bold else ""
        fill = PALETTE.get(colour, PALETTE["default"] if not colour.isalnum() or len(colour) != 6 else "#" + colour)
        left = MARGIN + x * CELL_WIDTH
        width = len(data) * CELL_WIDTH
        yield (f'<text x="{left:.1f}" y="{MARGIN + (y + 0.75) * CELL_HEIGHT:.1f}" textLength="{width:.1f}" '
               f'lengthAdjust="spacingAndGlyphs" fill="{fill}"{weight}>{html.escape(data)}</text>')


def draw(columns, lines, frames):
    width, height = columns * CELL_WIDTH + 2 * MARGIN, lines * CELL_HEIGHT + 2 * MARGIN
    frames[-1] = (frames[-1][0], LAST_FRAME_SECONDS)
    whole, begin = sum(stood for _, stood in frames), 0.0
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
           f'height="{height:.0f}" font-family="monospace" font-size="14" xml:space="preserve">')
    yield "<style>.f{visibility:hidden;animation-duration:%.1fs;animation-iteration-count:infinite}" % whole
    for i, (_, stood) in enumerate(frames):
        a, b = 100 * begin / whole, 100 * (begin + stood) / whole
        before = f"0%{{visibility:hidden}}{a:.2f}%{{visibility:visible}}" if i else "0%{visibility:visible}"
        yield (f"@keyframes k{i}{{{before}{b:.2f}%{{visibility:hidden}}100%{{visibility:hidden}}}}"
               f"#f{i}{{animation-name:k{i};animation-timing-function:step-end}}")
        begin += stood
    yield f'</style><rect width="100%" height="100%" rx="8" fill="#20242c"/>'
    for i, (rows, _) in enumerate(frames):
        yield f'<g class="f" id="f{i}">'
        for y, row in enumerate(rows):
            yield from text(row, y)
        yield "</g>"
    yield "</svg>"


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    columns, lines = int(sys.argv[1]), int(sys.argv[2])
    frames = record(columns, lines, sys.argv[3], sys.argv[4])
    if not frames:
        sys.exit("render.py: nothing was shown")
    print("\n".join(draw(columns, lines, frames)))


main()
