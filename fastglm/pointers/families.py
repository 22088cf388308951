"""The tables of names of families: of other libraries, and what stands for them here."""

from __future__ import annotations

__all__ = ["FAMILY_NAMES", "OTHER_FAMILIES"]

#: What to give for ``family=`` where people write the name of a model or a link; names plain.
_BINARY = 'give family="binomial"'
OTHER_FAMILIES: dict[str, str] = {
    "logit": f"{_BINARY}, whose link is the logit",
    "logistic": f"{_BINARY}, whose link is the logit",
    "logisticregression": f"{_BINARY}, whose link is the logit",
    "logistf": f'{_BINARY} and bias_reduction="firth"',
    "probit": f'{_BINARY} and link="probit"',
    "cloglog": f'{_BINARY} and link="cloglog"',
    "loglog": f'{_BINARY} and link="loglog"',
    "cauchit": f'{_BINARY} and link="cauchit"',
    "binary": _BINARY,
    "ols": 'give family="gaussian"',
    "lm": 'give family="gaussian"',
    "linear": 'give family="gaussian"',
    "count": 'give family="poisson" or "negative_binomial"',
    "counts": 'give family="poisson" or "negative_binomial"',
    "lognormal": 'take the logarithm of the response, or give family="gamma" and link="log"',
    "exponential": 'give family="gamma", link="log" and scale=1.0',
    "multinomial": "that is fastglm.MNLogit",
    "multinom": "that is fastglm.MNLogit",
    "categorical": "that is fastglm.MNLogit",
    "softmax": "that is fastglm.MNLogit",
    "ordinal": "that is fastglm.OrderedModel",
    "ordered": "that is fastglm.OrderedModel",
    "cumulative": "that is fastglm.OrderedModel",
    "beta": "that is fastglm.BetaModel",
    "dirichlet": "that is fastglm.DirichletModel",
    "zip": "that is fastglm.ZeroInflated",
    "zinb": 'that is fastglm.ZeroInflated with family="negative_binomial"',
    "zeroinflatedpoisson": "that is fastglm.ZeroInflated",
    "zeroinflated": "that is fastglm.ZeroInflated",
    "hurdle": "that is fastglm.Hurdle",
}

#: Names in the module of families.
FAMILY_NAMES: dict[str, str] = {
    "Normal": "fg.families.Gaussian",
    "gaussian": "fg.families.Gaussian",
    "Bernoulli": "fg.families.Binomial",
    "NB": "fg.families.NegativeBinomial",
    "NegBinomial": "fg.families.NegativeBinomial",
    "negative_binomial": "fg.families.NegativeBinomial",
    "inverse_gaussian": "fg.families.InverseGaussian",
    "quasi": "fg.families.Quasi",
    "quasipoisson": "fg.families.QuasiPoisson",
    "quasibinomial": "fg.families.QuasiBinomial",
    "poisson": "fg.families.Poisson",
    "binomial": "fg.families.Binomial",
    "gamma": "fg.families.Gamma",
    "tweedie": "fg.families.Tweedie",
    "logit": "fg.families.links.Logit",
    "Logit": "fg.families.links.Logit",
    "probit": "fg.families.links.Probit",
    "Probit": "fg.families.links.Probit",
    "log": "fg.families.links.Log",
    "identity": "fg.families.links.Identity",
    "family": "fg.families, whose classes these are",
}
