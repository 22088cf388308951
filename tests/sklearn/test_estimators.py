"""The estimators in scikit-learn's own places, against fastglm.GLM."""

import pickle
import sys

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler

import fastglm as fg
from fastglm.errors import (
    ColumnNotFoundError,
    DataError,
    FormulaError,
    MissingPackageError,
    MissingValueError,
    ModelError,
)
from fastglm.sklearn import GLMClassifier, GLMRegressor

ROWS = 240
SKLEARN_VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=ROWS),
            "age": rng.uniform(18.0, 80.0, ROWS),
            "region": rng.choice(["north", "south", "west"], ROWS),
        }
    )
    frame["years"] = rng.uniform(0.2, 2.0, ROWS)
    frame["weight"] = rng.uniform(0.5, 2.0, ROWS)
    rate = np.exp(0.4 * frame.x - 0.01 * frame.age + 0.3 * (frame.region == "west"))
    frame["n"] = rng.poisson(frame.years * rate).astype(float)
    frame["cost"] = rate * rng.gamma(3.0, 0.3, ROWS)
    frame["won"] = np.where(rng.random(ROWS) < rate / (1.0 + rate), "yes", "no")
    return frame


def close(a, b, rtol=1e-12):
    np.testing.assert_allclose(np.asarray(a, dtype=float), np.asarray(b, dtype=float), rtol=rtol)


def test_estimates_are_those_of_glm(frame):
    X = frame[["x", "age"]]
    model = GLMRegressor("gamma", "log").fit(X, frame.cost, sample_weight=frame.weight)
    direct = fg.glm("cost ~ x + age", frame, family="gamma", link="log", var_weights="weight")
    params, errors = np.asarray(direct.params), np.asarray(direct.bse)
    close(model.intercept_, params[0], 1e-9)
    close(model.coef_, params[1:], 1e-9)
    close(model.std_errors_, errors[1:], 1e-7)
    assert list(model.coef_names_) == ["x", "age"]
    assert model.n_iter_ == model.results_.n_iter
    close(model.predict(X), direct.fittedvalues, 1e-9)


def test_score_is_the_deviance_explained(frame):
    X = frame[["x", "age"]]
    model = GLMRegressor("gamma", "log").fit(X, frame.cost, sample_weight=frame.weight)
    score = model.score(X, frame.cost, sample_weight=frame.weight)
    close(score, 1.0 - model.results_.deviance / model.results_.null_deviance)
    gaussian = GLMRegressor().fit(X, frame.cost)
    close(gaussian.score(X, frame.cost), sklearn.metrics.r2_score(frame.cost, gaussian.predict(X)))


@pytest.mark.parametrize("name", ["const", "Intercept"])
def test_a_feature_may_be_called_as_the_intercept_is(frame, name):
    X = frame[["x", "age"]]
    plain, other = GLMRegressor().fit(X, frame.cost), GLMRegressor()
    other.fit(X.rename(columns={"x": name}), frame.cost)
    close(other.coef_, plain.coef_)
    close(other.intercept_, plain.intercept_)
    close(other.predict(X.rename(columns={"x": name})), plain.predict(X))


def test_without_intercept(frame):
    X = frame[["x", "age"]]
    model = GLMRegressor(fit_intercept=False).fit(X, frame.cost)
    close(model.coef_, np.linalg.lstsq(X.to_numpy(), frame.cost.to_numpy(), rcond=None)[0], 1e-10)
    assert model.intercept_ == 0.0


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_categories_of_a_frame_are_coded(frame, kind):
    X = frame[["x", "region"]]
    X = pl.from_pandas(X) if kind == "polars" else X
    model = GLMRegressor("poisson").fit(X, frame.n)
    direct = fg.glm("n ~ x + region", frame, family="poisson")
    close(np.r_[model.intercept_, model.coef_], direct.params, 1e-9)
    close(model.predict(X), direct.fittedvalues, 1e-9)
    with pytest.raises(DataError, match="X must be a data frame"):
        model.predict(np.ones((2, 2)))
    with pytest.raises(fg.errors.UnseenLevelError):
        model.predict(type(X)({"x": [0.0], "region": ["east"]}))


def test_formulas(frame):
    formula = "region * x + bs(age, df=4)"
    model = GLMRegressor("poisson", formula=formula).fit(
        frame.drop(columns="n"), frame.n, exposure=frame.years
    )
    direct = fg.glm(f"n ~ {formula}", frame, family="poisson", exposure="years")
    close(np.r_[model.intercept_, model.coef_], direct.params, 1e-8)
    close(model.predict(frame.drop(columns="n"), exposure=frame.years), direct.fittedvalues, 1e-9)
    with pytest.raises(FormulaError, match="names a response, but y is given"):
        GLMRegressor(formula="n ~ x").fit(frame, frame.n)
    with pytest.raises(DataError, match="a formula needs X as a data frame"):
        GLMRegressor(formula="x").fit(np.ones((3, 1)), [1.0, 2.0, 3.0])
    binary = GLMClassifier("probit", formula="x + region").fit(frame, frame.won)
    direct = fg.glm("I(won == 'yes') ~ x + region", frame, family="binomial", link="probit")
    close(binary.predict_proba(frame)[:, 1], direct.fittedvalues, 1e-9)


def test_offsets_must_be_given_again(frame):
    X = frame[["x"]].to_numpy()
    model = GLMRegressor("poisson").fit(X, frame.n, exposure=frame.years)
    shifted = GLMRegressor("poisson").fit(X, frame.n, offset=np.log(frame.years))
    close(model.coef_, shifted.coef_)
    close(model.predict(X, exposure=frame.years), model.results_.fittedvalues)
    with pytest.raises(DataError, match="the fit had an exposure"):
        model.predict(X)
    with pytest.raises(DataError, match="the fit had an offset"):
        shifted.predict(X)
    with pytest.raises(DataError, match=r"exposure has shape \(3,\); it must be \(240,\)"):
        model.predict(X, exposure=[1.0, 2.0, 3.0])


def preparation():
    return ColumnTransformer(
        [
            ("region", OneHotEncoder(handle_unknown="ignore"), ["region"]),
            ("age", SplineTransformer(n_knots=4), ["age"]),
        ],
        remainder="passthrough",
    )


def test_pipelines_of_redundant_columns(frame):
    # Every level and every spline column beside an intercept: means are what can be told.
    X = frame[["region", "age", "x"]]
    model = make_pipeline(preparation(), GLMRegressor("poisson")).fit(X, frame.n)
    knots = SplineTransformer(n_knots=4).fit_transform(frame[["age"]])
    columns = np.column_stack([pd.get_dummies(frame.region), knots, frame.x]).astype(float)
    with pytest.warns(fg.errors.RankWarning):
        direct = fg.GLM(frame.n, columns, "poisson").fit()
    assert model[-1].results_.rank == direct.rank == columns.shape[1] - 1
    close(model.predict(X), direct.fittedvalues, 1e-8)
    named = Pipeline([("prepare", preparation()), ("glm", GLMRegressor("poisson"))])
    named.named_steps["prepare"].set_params(region__sparse_output=False)
    named.set_output(transform="pandas").fit(X, frame.n)
    assert list(named[-1].feature_names_in_[:2]) == ["region__region_north", "region__region_south"]
    assert list(named[-1].coef_names_) == list(named[-1].feature_names_in_)
    close(named.predict(X), model.predict(X), 1e-8)


def test_searches_over_links_and_knots(frame):
    pipeline = Pipeline([("knots", SplineTransformer()), ("glm", GLMRegressor("gamma"))])
    grid = {"glm__link": ["log", "identity", "inverse"], "knots__n_knots": [2, 4]}
    X, y = frame[["age"]], frame.cost
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(X, y)
    for k, chosen in enumerate(search.cv_results_["params"]):
        knots = SplineTransformer(n_knots=chosen["knots__n_knots"])
        alone = make_pipeline(knots, GLMRegressor("gamma", link=chosen["glm__link"]))
        close(search.cv_results_["mean_test_score"][k], cross_val_score(alone, X, y, cv=3).mean())
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()
    assert search.best_estimator_[-1].results_.family.link.name == search.best_params_["glm__link"]


def test_cross_validation_is_that_by_hand(frame):
    X, y = frame[["x", "age"]].to_numpy(), frame.cost.to_numpy()
    with joblib.parallel_config("threading"):
        scores = cross_val_score(GLMRegressor("gamma", "log"), X, y, cv=3, n_jobs=2)
    by_hand = []
    for k in range(3):
        test = np.zeros(ROWS, bool)
        test[k * ROWS // 3 : (k + 1) * ROWS // 3] = True
        fit = fg.GLM(y[~test], np.c_[np.ones((~test).sum()), X[~test]], "gamma", link="log").fit()
        mean = np.asarray(fit.predict(np.c_[np.ones(test.sum()), X[test]]))
        null = np.full_like(mean, y[test].mean())
        family = fit.family
        ones = np.ones_like(mean)
        explained = family.deviance(y[test], mean, ones) / family.deviance(y[test], null, ones)
        by_hand.append(1.0 - explained)
    close(scores, by_hand, 1e-8)


@pytest.fixture
def routed():
    """An estimator that asks for weights and exposure, while metadata are routed."""
    asks = {"exposure": True, "sample_weight": True}
    with sklearn.config_context(enable_metadata_routing=True):
        model = GLMRegressor("poisson").set_fit_request(**asks).set_score_request(**asks)
        yield model.set_predict_request(exposure=True)


def piped(model):
    return make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)


def test_exposure_and_weights_are_routed_through_a_pipeline(routed, frame):
    X = frame[["x", "age"]]
    given = {"exposure": frame.years, "sample_weight": frame.weight}
    pipeline = piped(routed).fit(X, frame.n, **given)
    expected = GLMRegressor("poisson").fit(X, frame.n, **given)
    rates = pipeline.predict(X, exposure=frame.years)
    close(rates, expected.predict(X, exposure=frame.years), 1e-8)
    close(pipeline.score(X, frame.n, **given), expected.score(X, frame.n, **given), 1e-8)


@pytest.mark.parametrize("wrap", [lambda model: model, piped], ids=["alone", "pipeline"])
def test_exposure_and_weights_are_routed_by_cross_validation(wrap, routed, frame):
    if wrap is piped and SKLEARN_VERSION < (1, 8):
        pytest.skip("scikit-learn before 1.8 hands a Pipeline's score none but sample_weight")
    X = frame[["x", "age"]]
    given = {"exposure": frame.years, "sample_weight": frame.weight}
    result = cross_validate(wrap(routed), X, frame.n, params=given, cv=3, return_estimator=True)
    first = result["estimator"][0]
    test = np.arange(ROWS) < ROWS // 3
    expected = GLMRegressor("poisson").fit(
        X[~test], frame.n[~test], frame.weight[~test], exposure=frame.years[~test]
    )
    close(
        first.predict(X[test], exposure=frame.years[test]),
        expected.predict(X[test], exposure=frame.years[test]),
        1e-8,
    )
    score = expected.score(X[test], frame.n[test], frame.weight[test], exposure=frame.years[test])
    close(result["test_score"][0], score, 1e-8)


def test_a_fold_outside_the_knots_is_an_error_with_advice(frame):
    X = frame.sort_values("age")
    short = GLMRegressor("poisson", formula="bs(age, df=4)")
    match = r"outside the outer knots, .*lower_bound= and upper_bound=.*fastglm.cross_validate"
    with pytest.raises(DataError, match=match):
        cross_val_score(short, X, X.n, cv=3, error_score="raise")
    whole = GLMRegressor("poisson", formula="bs(age, df=4, lower_bound=10, upper_bound=90)")
    assert np.isfinite(cross_val_score(whole, frame, frame.n, cv=3, error_score="raise")).all()
    folds = np.arange(ROWS) * 3 // ROWS
    found = fg.cross_validate("n ~ bs(age, df=4)", X, "poisson", folds=folds)
    assert np.isfinite(np.asarray(found.predictions)).all()


def test_clones_and_pickles(frame, tmp_path):
    X = frame[["x", "region"]]
    model = GLMRegressor("poisson", fit_intercept=True, max_iter=30).fit(X, frame.n)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "coef_")
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict(X), model.predict(X))
    joblib.dump(model, tmp_path / "model.joblib")
    assert np.array_equal(joblib.load(tmp_path / "model.joblib").predict(X), model.predict(X))


def test_classes_are_labels(frame):
    X = frame[["x", "age"]]
    model = GLMClassifier("cloglog").fit(X, frame.won, sample_weight=frame.weight)
    direct = fg.GLM(
        (frame.won == "yes").astype(float),
        np.c_[np.ones(ROWS), X],
        fg.families.Binomial(link="cloglog"),
        var_weights=frame.weight,
    ).fit()
    close(np.r_[model.intercept_, model.coef_[0]], direct.params, 1e-8)
    close(model.predict_proba(X)[:, 1], direct.fittedvalues, 1e-9)
    close(model.predict_proba(X).sum(axis=1), np.ones(ROWS))
    assert set(model.predict(X)) == {"no", "yes"}
    assert get_scorer("roc_auc")(model, X, frame.won) > 0.5


def test_several_classes_are_those_of_the_multinomial_model(frame):
    X = frame[["x", "age"]]
    model = GLMClassifier().fit(X, frame.region, sample_weight=frame.weight)
    columns = np.c_[np.ones(ROWS), X]
    direct = fg.MNLogit(frame.region, columns, var_weights=frame.weight).fit()
    close(model.predict_proba(X), direct.predict(columns), 1e-8)
    against = model.coef_ - model.coef_[0]
    close(against[1:], np.asarray(direct.params)[1:].T, 1e-7)
    np.testing.assert_allclose(model.coef_.sum(axis=0), 0.0, atol=1e-14)
    for refused in (GLMClassifier("probit"), GLMClassifier(formula="x")):
        with pytest.raises(ModelError, match="three classes or more take arrays, the logit link"):
            refused.fit(X, frame.region)


# Of the third, repeated rows outnumber columns, whose combinations the solver then finds itself:
# it takes other steps to the same infinite estimates, and stops elsewhere.
@pytest.mark.parametrize(
    "seed", [0, 1, pytest.param(2, marks=pytest.mark.xfail(reason="other steps")), 3, 4, 5]
)
def test_weights_are_repetitions_where_classes_are_saturated(seed):
    # More columns than rows: estimates are infinite, and where the fit stops is reported.
    rng = np.random.RandomState(42 + seed)
    X, y, times = rng.rand(15, 30), rng.randint(0, 3, size=15), rng.randint(0, 5, size=15)
    order = rng.permutation(15)
    with pytest.warns(fg.errors.FastGLMWarning):
        weighted = GLMClassifier().fit(X[order], y[order], sample_weight=times[order])
    with pytest.warns(fg.errors.FastGLMWarning):
        repeated = GLMClassifier().fit(X.repeat(times, axis=0), y.repeat(times))
    np.testing.assert_allclose(
        weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-7, atol=1e-9
    )
    present = times > 0
    assert np.array_equal(weighted.predict(X[present]), y[present])


def test_without_scikit_learn_the_error_names_the_package(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("fastglm.sklearn")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(
        MissingPackageError, match=r"need scikit-learn; pip install 'fastglm\[sklearn\]'"
    ):
        import fastglm.sklearn  # noqa: F401


def test_a_formula_with_columns_that_are_no_frame_or_too_few_responses():
    columns = {"a": np.arange(6.0), "b": np.arange(6.0) ** 2}
    frame, y = pd.DataFrame(columns), np.arange(6.0)
    with pytest.raises(DataError, match="a formula needs X as a data frame"):
        GLMRegressor(formula="a").fit(columns, y)
    with pytest.raises(DataError, match="X must be a data frame"):
        GLMRegressor(formula="a").fit(frame, y).predict(columns)
    with pytest.raises(DataError, match="X has 6 rows and y has 4"):
        GLMRegressor(formula="a").fit(frame, y[:4])


def test_the_response_has_its_own_name_or_a_default():
    X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 0.0, 2.0, 5.0]})
    y = pd.Series([1.0, 2.0, 2.0, 4.0], name="my claims")
    named = GLMRegressor(formula="~ a").fit(X, y)
    assert named.results_.formula == "`my claims` ~ a"
    beside = X.assign(**{"my claims": y})
    np.testing.assert_allclose(
        named.results_.evaluate(beside).deviance, named.results_.deviance, rtol=1e-12
    )
    with pytest.raises(ColumnNotFoundError, match="The columns are 'a', 'y', 'y given to fit'"):
        GLMRegressor(formula="~ a + qqqq").fit(X, y.to_numpy())
    # Not the response, which stands under a name that no column has.
    with pytest.raises(ColumnNotFoundError, match="no column 'y'"):
        GLMRegressor(formula="~ a + y").fit(X[["a"]], y.to_numpy())
    with pytest.raises(ColumnNotFoundError, match="no column 'y given to fit'"):
        GLMRegressor(formula="~ a + y").fit(X, y.to_numpy()).results_.evaluate(X)
    odd = GLMRegressor(formula="~ a").fit(X.rename(columns={"y": "y given to fit"}), y.rename("a"))
    assert odd.results_.response_name == "y"


def test_errors_name_what_an_estimator_has():
    frame = pd.DataFrame({"x": [0.0, 1.0, np.nan, 3.0], "g": list("abab")})
    model = GLMRegressor("poisson", formula="x + g")
    with pytest.raises(MissingValueError, match=r"'x' in 1 row .* Leave these rows out of X and y"):
        model.fit(frame, [0, 1, 2, 3])
    with pytest.raises(DataError, match=r"exposure is the text 'x'; .* such as X\['x'\]"):
        model.fit(frame, [0, 1, 2, 3], exposure="x")


def test_a_missing_value_is_of_no_class():
    X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]})
    fit = GLMClassifier(formula="~ a").fit(X, ["no", "yes", "no", "yes", "no", "yes"])
    new = pd.DataFrame({"a": [1.0, np.nan, 9.0]})
    assert np.isnan(fit.predict_proba(new)[:, 0]).tolist() == [False, True, False]
    with pytest.raises(MissingValueError, match=r"X has missing values in 1 row \(1, "):
        fit.predict(new)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT], ids=repr)
@pytest.mark.parametrize("wrap", [list, np.array, pd.Series, "category", "string"], ids=str)
def test_missing_labels_are_no_class_of_their_own(missing, wrap):
    X = np.arange(12.0)[:, None]
    labels = np.array(list("abababbabaab"), dtype=object)
    whole = GLMClassifier().fit(X, list(labels))
    assert list(whole.classes_) == ["a", "b"]
    labels[[3, 7]] = missing
    y = pd.Series(labels).astype(wrap) if isinstance(wrap, str) else wrap(labels)
    text = r"y contains NaN or other missing values in 2 rows \(3, 7, counted from 0\)"
    for estimator, columns in (
        (GLMClassifier(), X),
        (GLMClassifier(formula="x"), pd.DataFrame(X, columns=["x"])),
        (GLMRegressor(), X),
    ):
        with pytest.raises(MissingValueError, match=text):
            estimator.fit(columns, y)


@pytest.mark.parametrize("wrap", [list, np.array, pd.Series])
def test_labels_are_of_one_type(wrap):
    labels = np.array(list("abababbabaab"), dtype=object)
    labels[4] = np.inf
    with pytest.raises(DataError, match="such as 'a' in row 0 and inf in row 4, counted from 0"):
        GLMClassifier().fit(np.arange(12.0)[:, None], wrap(labels))


def test_exposures_of_new_rows_are_positive_and_of_a_log_link():
    X, y = np.arange(12.0)[:, None], np.array([1, 0, 2, 1, 3, 1, 2, 4, 3, 5, 4, 6.0])
    fit = GLMRegressor("poisson").fit(X, y, exposure=np.ones(12))
    doubled = fit.predict(X, exposure=np.full(12, 2.0))
    np.testing.assert_allclose(doubled, 2.0 * fit.predict(X, exposure=np.ones(12)), rtol=1e-14)
    for wrong in (0.0, -1.0):
        with pytest.raises(DataError, match="exposure must be positive, but it is not in 12 rows"):
            fit.predict(X, exposure=np.full(12, wrong))
    with pytest.raises(ModelError, match="exposure needs a log link"):
        GLMRegressor().fit(X, y).predict(X, exposure=np.ones(12))


@pytest.mark.parametrize("kind", ["datetime64[ns]", "timedelta64[ns]", str])
def test_responses_of_a_regressor_are_numbers(kind):
    X, y = np.arange(12.0)[:, None], np.arange(12).astype(kind)
    with pytest.raises(DataError, match=r"y has dtype .*; it must be numeric"):
        GLMRegressor().fit(X, y)
    with pytest.raises(DataError, match=r"y has dtype .*; it must be numeric"):
        GLMRegressor(formula="x").fit(pd.DataFrame(X, columns=["x"]), y)
