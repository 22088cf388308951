"""Responses beyond one mean: parameters of families that are estimated, and several predictors."""

#: The public models and the modules that hold them, imported when first asked for.
MODELS = {
    "BetaModel": "fastglm.responses.models.beta",
    "DirichletModel": "fastglm.responses.models.dirichlet",
    "Hurdle": "fastglm.responses.models.zero_inflated_and_hurdle",
    "MNLogit": "fastglm.responses.models.multinomial",
    "NegativeBinomialP": "fastglm.responses.models.negative_binomial_p",
    "OrderedModel": "fastglm.responses.models.ordinal",
    "ZeroInflated": "fastglm.responses.models.zero_inflated_and_hurdle",
}
