"""How figures are shown: one line each, nested tables by their path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def show(figures: Mapping[str, object]) -> None:
    """Prints every figure."""
    print("\n".join(_lines(figures)), flush=True)


def _lines(figures: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    for name, figure in figures.items():
        if isinstance(figure, Mapping):
            yield from _lines(figure, f"{prefix}{name}: ")
        else:
            shown = f"{figure:,.4g}" if isinstance(figure, float) else f"{figure}"
            yield f"  {prefix + str(name):<52} {shown}"
