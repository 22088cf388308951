"""What tests hand back: small frozen records and tables that print well and become frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from fastglm.inference.number_format import SMALLEST_PVALUE, format_cell
from fastglm.inference.rendering import Rendered, html_table
from fastglm.pointers import Returned

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "HypothesisTest",
    "Table",
    "f_tail",
]


@dataclass(frozen=True)
class HypothesisTest(Returned):
    """One test.

    Attributes
    ----------
    name : str
    statistic : float
        Chi-squared, F, which is the chi-squared statistic over `df`, or z.
    pvalue : float
        Probability of a statistic further from the hypothesis than this one, if it holds.
    df : float
        Degrees of freedom; NaN for z.
    df_denominator : float
        Of F; infinite for chi-squared.
    hypothesis : tuple of str
        What is tested.
    """

    name: str
    statistic: float
    pvalue: float
    df: float
    df_denominator: float = float("inf")
    hypothesis: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        name: str,
        chi_squared: float,
        df: float,
        df_denominator: float | None = None,
        hypothesis: Sequence[str] = (),
    ) -> HypothesisTest:
        """A chi-squared test, or with `df_denominator` the F test of the same statistic."""
        if df_denominator is None:
            pvalue = float(scipy.special.chdtrc(df, chi_squared))
            return cls(name, chi_squared, pvalue, df, hypothesis=tuple(hypothesis))
        statistic = chi_squared / df
        pvalue = float(f_tail(df, df_denominator, statistic))
        return cls(name, statistic, pvalue, df, df_denominator, tuple(hypothesis))

    @property
    def distribution(self) -> str:
        """Of the statistic: "chi2", "F", or "z" where there are no degrees of freedom."""
        if np.isnan(self.df):
            return "z"
        return "chi2" if np.isinf(self.df_denominator) else "F"

    def summary_frame(self) -> pd.DataFrame:
        """The test as a pandas DataFrame of one row."""
        import pandas as pd

        columns: dict[str, float] = {self.distribution: self.statistic}
        if self.distribution != "z":
            columns["df"] = self.df
        if self.distribution == "F":
            columns["df_denominator"] = self.df_denominator
        return pd.DataFrame(columns | {"pvalue": self.pvalue}, index=[self.name])

    def _repr_html_(self) -> str:
        """The same in a table of one row."""
        frame = self.summary_frame()
        cells = [format_cell(title, float(frame[title].iloc[0])) for title in frame]
        rows = [["", *frame.columns], [self.name, *cells]]
        return html_table(rows, notes=self.hypothesis)

    def __str__(self) -> str:
        degrees = ""
        if self.distribution == "chi2":
            degrees = f" on {self.df:g} degrees of freedom"
        elif self.distribution == "F":
            degrees = f" on {self.df:g} and {self.df_denominator:g} degrees of freedom"
        is_tiny = self.pvalue < SMALLEST_PVALUE
        line = (
            f"{self.name}: {self.distribution} = {self.statistic:.6g}{degrees}, "
            f"p {'< 2.2e-16' if is_tiny else f'= {self.pvalue:.4g}'}"
        )
        return "\n".join([line, *(f"    {equation}" for equation in self.hypothesis)])

    __repr__ = __str__


@dataclass(frozen=True, eq=False, repr=False)
class Table(Rendered):
    """A table of models or terms, a row each.

    Attributes
    ----------
    heading : str
    names : tuple of str
        Of the k rows.
    columns : dict of str to ndarray, shape (k,)
        NaN where a row has no such number.
    """

    heading: str
    names: tuple[str, ...]
    columns: dict[str, np.ndarray]

    def __getitem__(self, column: str) -> np.ndarray:
        return self.columns[column]

    def summary_frame(self) -> pd.DataFrame:
        """The table as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.columns, index=list(self.names))

    def _caption(self) -> str:
        return self.heading

    def _cells(self) -> list[list[str]]:
        rows = [["", *self.columns]]
        for k, name in enumerate(self.names):
            cells = (format_cell(title, column[k]) for title, column in self.columns.items())
            rows.append([name, *cells])
        return rows


def f_tail(df: Any, df_denominator: Any, statistic: Any) -> Any:
    """Upper tail of the F distribution; NaN where it is not defined."""
    return scipy.special.fdtrc(df, df_denominator, statistic)
