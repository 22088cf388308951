"""Responses beyond one mean: parameters of families that are estimated, and several predictors."""

#: The public models and the modules that hold them, imported when first asked for.
MODELS = {
    "BetaModel": "fastglm.responses.beta",
    "DirichletModel": "fastglm.responses.dirichlet",
    "Hurdle": "fastglm.responses.zeros",
    "MNLogit": "fastglm.responses.multinomial",
    "NegativeBinomialP": "fastglm.responses.negative_binomial_p",
    "OrderedModel": "fastglm.responses.ordinal",
    "ZeroInflated": "fastglm.responses.zeros",
}
