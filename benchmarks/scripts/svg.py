"""The few shapes that the pictures are made of, as SVG text."""

import re
from xml.sax.saxutils import escape, quoteattr

FONT = "Helvetica, Arial, sans-serif"


def clean(text):
    """Without what XML 1.0 does not allow."""
    return re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", str(text))


class Picture:
    """Later shapes lie above earlier ones."""

    def __init__(self, width, height):
        self.width, self.height = width, height
        self.parts = []

    def text(self, x, y, text, size=12, anchor="start", color="#1f2933", bold=False, rotate=0):
        weight = ' font-weight="bold"' if bold else ""
        turn = f' transform="rotate({rotate} {x:.1f} {y:.1f})"' if rotate else ""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{color}"{weight}{turn}>'
            f"{escape(clean(text))}</text>"
        )

    def line(self, x1, y1, x2, y2, color, width=1, dash=""):
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" '
            f'stroke-width="{width}"{dashes}/>'
        )

    def rectangle(self, x, y, width, height, color):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{color}"/>')

    def circle(self, x, y, radius, color, title="", hollow=False):
        """With a `title` that a browser shows under the pointer."""
        paint = f'fill="#ffffff" stroke="{color}" stroke-width="1.6"' if hollow else f'fill="{color}"'
        inner = f"<title>{escape(clean(title))}</title>" if title else ""
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" {paint}>{inner}</circle>')

    def svg(self):
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'width="{self.width:g}" height="{self.height:g}" font-family={quoteattr(FONT)}>\n'
            '<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(self.parts) + "\n</svg>\n"
        )
