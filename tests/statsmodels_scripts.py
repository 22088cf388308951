"""Scripts as users of statsmodels write them, after the examples of its documentation."""

STAR98 = """
import statsmodels.api as sm
from statsmodels import datasets

data = datasets.star98.load()
data.exog = sm.add_constant(data.exog, prepend=False)
glm_binom = sm.GLM(data.endog, data.exog, family=sm.families.Binomial())
res = glm_binom.fit(tol=1e-12)
trials = data.endog.sum(axis=1)
means = data.exog.mean(axis=0)
low, high = means.copy(), means.copy()
low["LOWINC"], high["LOWINC"] = data.exog["LOWINC"].quantile([0.25, 0.75])
difference = float(np.squeeze(res.predict(high) - res.predict(low)))
yhat = res.mu
residual = res.resid_deviance.copy()
influence = res.get_influence()
leverage = influence.hat_matrix_diag
cook = influence.cooks_distance[0]
studentized = influence.resid_studentized
"""

SCOTLAND = """
import statsmodels.api as sm
from statsmodels import datasets

data = datasets.scotland.load()
data.exog = sm.add_constant(data.exog)
model = sm.GLM(data.endog, data.exog, family=sm.families.Gamma(sm.families.links.Log()))
res = model.fit(maxiter=100, method="IRLS", disp=0, tol=1e-12, use_t=True)
first = res.t_test("COUTAX = 0")
matrix = np.eye(len(res.params))[1:3]
joint = res.wald_test(matrix, scalar=True)
by_name = res.f_test("COUTAX = 0, UNEMPF = 0")
"""

GAUSSIAN_LOG = """
import statsmodels.api as sm

nobs = 100
x = np.arange(nobs)
np.random.seed(54321)
X = np.column_stack((x, x**2))
X = sm.add_constant(X, prepend=False)
lny = np.exp(-(0.03 * x + 0.0001 * x**2 - 1.0)) + 0.001 * np.random.rand(nobs)
model = sm.GLM(lny, X, family=sm.families.Gaussian(sm.families.links.Log()))
res = model.fit(tol=1e-12)
"""

FORMULA = '''
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels import datasets

star98 = datasets.star98.load_pandas().data
dta = star98[["NABOVE", "NBELOW", "LOWINC", "PERASIAN", "PERBLACK", "PERHISP", "PCTCHRT",
              "PCTYRRND", "PERMINTE", "AVYRSEXP", "AVSALK", "PERSPENK", "PTRATIO", "PCTAF"]].copy()
endog = dta["NABOVE"] / (dta["NABOVE"] + dta.pop("NBELOW"))
del dta["NABOVE"]
dta["SUCCESS"] = endog
formula = """SUCCESS ~ LOWINC + PERASIAN + PERBLACK + PERHISP + PCTCHRT +
             PCTYRRND + PERMINTE*AVYRSEXP*AVSALK + PERSPENK*PTRATIO*PCTAF"""
model = smf.glm(formula=formula, data=dta, family=sm.families.Binomial())
deviance = model.fit().deviance
res = model.fit(tol=1e-12)
'''

EXPOSURE = """
import statsmodels.api as sm
import statsmodels.formula.api as smf

rng = np.random.default_rng(5)
df = pd.DataFrame({"age": rng.normal(40, 10, 400), "region": rng.choice(["n", "s", "w"], 400),
                   "years": rng.uniform(0.5, 3, 400)})
df["claims"] = rng.poisson(df.years * np.exp(-3 + 0.05 * df.age))
model = smf.glm("claims ~ age + C(region)", data=df, family=sm.families.Poisson(),
                exposure=df["years"])
res = model.fit(cov_type="HC0", tol=1e-12)
new = df.head(7)
means = res.predict(new, exposure=new["years"])
frame = res.get_prediction(new, exposure=new["years"]).summary_frame(alpha=0.1)
offset = sm.GLM.from_formula("claims ~ age", df, family=sm.families.Poisson(),
                             offset=np.log(df["years"])).fit(cov_type="nonrobust", tol=1e-12)
offset_params = offset.params
plain = sm.GLM.from_formula("claims ~ age", df, family=sm.families.Poisson()).fit(tol=1e-12)
effects = plain.get_margeff().margeff
"""

WEIGHTS = """
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels import datasets

data = datasets.fair.load_pandas().data
data = data.rename(columns={"rate_marriage": "rate"})
data["affairs"] = np.ceil(data["affairs"])
dc = data["affairs rate age yrs_married".split()].groupby(
    "affairs rate age yrs_married".split()).size().rename("freq").reset_index()
glm = smf.glm("affairs ~ rate + age + yrs_married", data=dc, family=sm.families.Poisson(),
              freq_weights=np.asarray(dc["freq"]))
res = glm.fit(tol=1e-12)
weighted = sm.GLM(dc["affairs"], sm.add_constant(dc[["rate", "age"]]),
                  family=sm.families.Poisson(), var_weights=np.asarray(dc["freq"]))
by_hand = weighted.fit(scale="X2", tol=1e-12)
variance_params, variance_scale = by_hand.params, by_hand.scale
variance_bse = by_hand.bse
clustered = glm.fit(cov_type="cluster", cov_kwds={"groups": dc["rate"].astype(int)})
"""

NEGATIVE_BINOMIAL = """
import statsmodels.api as sm
from statsmodels import datasets

data = datasets.randhie.load()
exog = sm.add_constant(data.exog, prepend=False)
family = sm.families.NegativeBinomial(alpha=0.7)
res = sm.GLM(data.endog, exog, family=family).fit(scale=1.0, tol=1e-12)
test = res.t_test(np.eye(len(res.params))[0])
"""

LINKS = """
import statsmodels.api as sm
from statsmodels import datasets

spector = datasets.spector.load()
X = sm.add_constant(spector.exog, prepend=False)
links = sm.families.links
res = sm.GLM(spector.endog, X, family=sm.families.Binomial(link=links.Probit())).fit(tol=1e-12)
models = [sm.GLM(spector.endog, X, family=sm.families.Binomial(link=link))
          for link in (links.Logit(), links.CLogLog(), links.LogLog(), links.Cauchy())]
deviances = [model.fit(tol=1e-12).deviance for model in models]
counts = datasets.cpunish.load()
Z = sm.add_constant(counts.exog[["SOUTH", "DEGREE"]])
poisson = [sm.GLM(counts.endog, Z, family=sm.families.Poisson(link=link)).fit(tol=1e-12).deviance
           for link in (links.Log(), links.Sqrt())]
tweedie = sm.GLM(counts.endog, Z, family=sm.families.Tweedie(var_power=1.5, link=links.Log()))
tweedie_params = tweedie.fit(tol=1e-12).params
inverse = sm.GLM(counts.endog, Z, family=sm.families.InverseGaussian(link=links.Log()))
inverse_params = inverse.fit(tol=1e-12).params
"""

SCRIPTS = {
    "star98": STAR98,
    "scotland": SCOTLAND,
    "gaussian with log link": GAUSSIAN_LOG,
    "formula": FORMULA,
    "exposure": EXPOSURE,
    "weights": WEIGHTS,
    "negative binomial": NEGATIVE_BINOMIAL,
    "links": LINKS,
}
