"""Pictures of a report: all of one size and one font, each drawn once.

No layout is solved for, and no figure is known to pyplot: margins are those that the labels need.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from fastglm.errors import MemoryLimitError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Drawing", "figure_html"]

Drawing = Callable[[Any], Any]

SIZE, DPI = (6.0, 4.3), 110
#: Margins as shares of the figure: left, bottom, right, top.
MARGINS = (0.13, 0.13, 0.97, 0.9)
#: Of the height, for slanted labels and for a strip below.
SLANTED, STRIP = 0.14, 0.26
#: Width of a letter of a label at the left, as a share, and height of a row of the forest in
#: heights of its letters.
LETTER = 0.0125
ROW = 1.25


def figure_html(draw: Drawing, caption: str) -> str:
    """One drawing as an image inside the page, or a sentence that says why there is none.

    Parameters
    ----------
    draw : callable
        Called with axes to draw into.
    caption : str

    Raises
    ------
    MemoryLimitError
        If it needs rows in memory that do not fit there.
    """
    try:
        data = base64.b64encode(_png(draw)).decode("ascii")
    except MemoryLimitError:
        raise
    except Exception as error:
        # Whatever it is: a page without one picture still tells the rest.
        reason = f"This picture could not be drawn: {str(error) or type(error).__name__}"
        return (
            f'<figure class="missing"><p>{escape(reason)}</p>'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )
    return (
        f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _png(draw: Drawing) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    left, bottom, right, top = MARGINS
    ax = figure.add_axes((left, bottom, right - left, top - bottom))
    drawn = draw(ax)
    if not ax.has_data():
        # It made a figure of its own, of several panels.
        return _png_of(drawn.flat[0].figure)
    _fit_margins(ax)
    return _image(canvas)


def _png_of(figure: Any) -> bytes:
    """A figure of pyplot's, which is closed."""
    from matplotlib import pyplot

    figure.set_dpi(DPI)
    try:
        return _image(figure.canvas)
    finally:
        pyplot.close(figure)


def _image(canvas: Any) -> bytes:
    from matplotlib import image

    # Saving through the figure would draw everything twice.
    canvas.draw()
    buffer = io.BytesIO()
    image.imsave(buffer, canvas.buffer_rgba(), format="png", dpi=DPI)
    return buffer.getvalue()


def _fit_margins(ax: Axes) -> None:
    """Room for labels of levels at the left, for slanted ones below, and for a strip."""
    figure = ax.figure
    place = ax.get_position()
    left, bottom, right, top = place.x0, place.y0, place.x1, place.y1
    names = [label.get_text() for label in ax.get_yticklabels()]
    longest = max((len(name) for name in names if not _is_number(name)), default=0)
    left = max(left, min(0.03 + LETTER * longest, 0.5))
    lowest = ax.child_axes[0] if ax.child_axes else ax
    if ax.child_axes:
        bottom += STRIP * (top - bottom) + 0.02
    labels = lowest.get_xticklabels()
    if labels and labels[0].get_rotation():
        bottom += min(SLANTED, 0.012 * max(len(label.get_text()) for label in labels))
    rows = len(names) if longest else 0
    size = float(ax.get_yticklabels()[0].get_fontsize()) if rows else 0.0
    height = max(SIZE[1], rows * ROW * size / 72.0 / (top - bottom))
    figure.set_size_inches(SIZE[0], height)  # type: ignore[union-attr]
    ax.set_position((left, bottom, right - left, top - bottom))


def _is_number(text: str) -> bool:
    """Whether a label is of an axis of numbers, as matplotlib writes them."""
    return re.fullmatch(r"[\d.,eE+\-−\s]*|\$.*\$", text) is not None
