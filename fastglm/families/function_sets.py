"""Sets of scalar functions, one for each way a response can vary; families share them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastglm.families import densities as dn
from fastglm.families import response_functions as rf
from fastglm.families import tweedie as tw
from fastglm.families.domain import ResponseDomain
from fastglm.families.family import ResponseFunctions

REAL = ResponseDomain()
NONNEGATIVE = ResponseDomain(lower=0.0)
POSITIVE = ResponseDomain(lower=0.0, includes_lower=False)
PROPORTION = ResponseDomain(lower=0.0, upper=1.0)

GAUSSIAN = ResponseFunctions(
    "gaussian",
    standard_deviation=rf.gaussian_sd,
    unit_deviance=rf.gaussian_unit_deviance,
    starting_mean=rf.plain_start,
    valid_mean=rf.valid_real,
    difference=rf.plain_difference,
    log_density=dn.gaussian_log_density,
)
BINOMIAL = ResponseFunctions(
    "binomial",
    standard_deviation=rf.binomial_sd,
    unit_deviance=rf.binomial_unit_deviance,
    starting_mean=rf.binomial_start,
    valid_mean=rf.valid_probability,
    difference=rf.binomial_difference,
    log_density=dn.binomial_log_density,
)
POISSON = ResponseFunctions(
    "poisson",
    standard_deviation=rf.poisson_sd,
    unit_deviance=rf.poisson_unit_deviance,
    starting_mean=rf.poisson_start,
    valid_mean=rf.valid_nonnegative,
    difference=rf.plain_difference,
    log_density=dn.poisson_log_density,
)
GAMMA = ResponseFunctions(
    "gamma",
    standard_deviation=rf.gamma_sd,
    unit_deviance=rf.gamma_unit_deviance,
    starting_mean=rf.plain_start,
    valid_mean=rf.valid_positive,
    difference=rf.plain_difference,
    log_density=dn.gamma_log_density,
)
INVERSE_GAUSSIAN = ResponseFunctions(
    "inverse_gaussian",
    standard_deviation=rf.inverse_gaussian_sd,
    unit_deviance=rf.inverse_gaussian_unit_deviance,
    starting_mean=rf.plain_start,
    valid_mean=rf.valid_positive,
    difference=rf.plain_difference,
    log_density=dn.inverse_gaussian_log_density,
)
NEGATIVE_BINOMIAL = ResponseFunctions(
    "negative_binomial",
    standard_deviation=rf.negative_binomial_sd,
    unit_deviance=rf.negative_binomial_unit_deviance,
    starting_mean=rf.negative_binomial_start,
    valid_mean=rf.valid_nonnegative,
    difference=rf.plain_difference,
    log_density=dn.negative_binomial_log_density,
)
TWEEDIE = ResponseFunctions(
    "tweedie",
    standard_deviation=tw.tweedie_sd,
    unit_deviance=tw.tweedie_unit_deviance,
    starting_mean=rf.nudged_start,
    valid_mean=rf.valid_nonnegative,
    difference=rf.plain_difference,
    log_density=tw.tweedie_log_density,
)

# Special powers of the Tweedie families: prior weights divide the dispersion in all of them.
TWEEDIE_SPECIAL = {
    0.0: GAUSSIAN,
    1.0: replace(POISSON, name="tweedie_1", log_density=tw.scaled_poisson_log_density),
    2.0: replace(GAMMA, name="tweedie_2", log_density=tw.weighted_gamma_log_density),
    3.0: replace(
        INVERSE_GAUSSIAN,
        name="tweedie_3",
        log_density=tw.weighted_inverse_gaussian_log_density,
    ),
}


def _quasi(functions: ResponseFunctions, name: str, **changes: Any) -> ResponseFunctions:
    return replace(functions, name=name, log_density=dn.undefined_log_density, **changes)


QUASIPOISSON = _quasi(POISSON, "quasipoisson")
QUASIBINOMIAL = _quasi(BINOMIAL, "quasibinomial")
#: Variance functions of `Quasi` by R's name, with the responses they allow.
QUASI_VARIANCES: dict[str, tuple[ResponseFunctions, ResponseDomain]] = {
    "constant": (_quasi(GAUSSIAN, "quasi_constant"), REAL),
    "mu": (_quasi(POISSON, "quasi_mu", starting_mean=rf.nudged_start), NONNEGATIVE),
    "mu^2": (
        _quasi(
            GAMMA,
            "quasi_mu_squared",
            starting_mean=rf.nudged_start,
            unit_deviance=rf.quasi_mu_squared_unit_deviance,
        ),
        NONNEGATIVE,
    ),
    "mu^3": (_quasi(INVERSE_GAUSSIAN, "quasi_mu_cubed"), POSITIVE),
    "mu(1-mu)": (QUASIBINOMIAL, PROPORTION),
    "mu^2(1-mu)^2": (
        _quasi(
            BINOMIAL,
            "wedderburn",
            standard_deviation=rf.wedderburn_sd,
            unit_deviance=rf.wedderburn_unit_deviance,
            starting_mean=rf.wedderburn_start,
        ),
        PROPORTION,
    ),
}
