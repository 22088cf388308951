"""The summary of a mixed model: random effects above the table of fixed coefficients."""

from __future__ import annotations

import numpy as np

from fastglm.inference.summary import Summary, separation_note
from fastglm.mixed.effects import undetermined, undetermined_text
from fastglm.mixed.record import MixedFit

__all__ = ["MixedSummary"]


class MixedSummary(Summary):
    """Printable summary of a fitted mixed model."""

    title = "Mixed Model Regression Results"
    fit: MixedFit  # type: ignore[assignment]

    def header(self) -> list[tuple[str, str]]:
        """Names and values of what stands above the table."""
        fit = self.fit
        name = "REML Criterion" if fit.reml else "-2 Log-Likelihood"
        return [
            ("Dep. Variable", fit.response_name),
            ("Method", fit.method),
            ("Model Family", type(fit.family).__name__),
            ("Link Function", type(fit.family.link).__name__),
            ("No. Observations", f"{fit.nobs:.15g}"),
            (name, f"{fit.criterion:.10g}"),
            ("No. Evaluations", f"{fit.n_evaluations}"),
            ("Log-Likelihood", f"{fit.llf:.10g}"),
            ("Converged", "yes" if fit.converged else f"NO: {fit.status.name.lower()}"),
            ("AIC", f"{fit.aic:.8g}"),
            ("Largest Gradient", f"{fit.gradient:.2g}"),
            ("BIC", f"{fit.bic:.8g}"),
        ]

    def model_notes(self) -> list[str]:
        """The random effects, and singular ones."""
        return [*self.random_lines(), *self.singular_notes(), *self.undetermined_notes()]

    def random_lines(self) -> list[str]:
        """Lines of the table of random effects."""
        fit = self.fit
        lines = ["Random effects:"]
        rows = [["Groups", "Name", "Variance", "Std.Dev.", "Std.Err.", "Corr"]]
        last = ""
        for c in fit.components:
            shown = "" if c.group == last else c.group
            last = c.group
            error = "" if np.isnan(c.se) else f"{c.se:.4g}"
            if c.term2:
                rows.append([shown, f"{c.term1}, {c.term2}", "", "", error, f"{c.sd:.3f}"])
            else:
                rows.append([shown, c.term1, f"{c.variance:.5g}", f"{c.sd:.5g}", error, ""])
        widths = [max(len(row[k]) for row in rows) for k in range(6)]
        for row in rows:
            cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1])]
            cells += [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
            lines.append((" " + "  ".join(cells)).rstrip())
        counts = ", ".join(f"{g.group} {len(g.levels)}" for g in fit.groups)
        lines.append(f"Levels: {counts}.")
        return lines

    def singular_notes(self) -> list[str]:
        """Combinations of effects that do not vary."""
        return [
            f"Singular: the variance of {direction} between levels of {group} is estimated as "
            "zero; a simpler random term fits as well."
            for group, direction in self.fit.singular.items()
        ]

    def undetermined_notes(self) -> list[str]:
        """Variances that the data do not tell apart."""
        lost = undetermined(self.fit.components, self.fit.singular)
        return [undetermined_text(lost)] if lost else []

    def notes(self) -> list[str]:
        """What a reader must know beside the numbers."""
        fit, notes = self.fit, [*self.ratio_notes(), *self.model_notes()]
        if fit.n_separated:
            notes.append(separation_note(fit))
        if not fit.converged:
            notes.append(f"Warning: {fit.status.advice}")
        aliased = [n for n, b in zip(fit.names, fit.estimates, strict=True) if np.isnan(b)]
        if aliased:
            notes.append(f"Combinations of earlier columns: {', '.join(aliased)}.")
        if fit.n_dropped:
            by_column = ", ".join(f"{name} {count}" for name, count in fit.missing.items())
            notes.append(f"{fit.n_dropped} rows left out for missing values ({by_column}).")
        return notes
