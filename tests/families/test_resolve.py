from __future__ import annotations

import pytest

from fastglm import families
from fastglm.errors import ModelError
from fastglm.families import FAMILIES, links, resolve_family


@pytest.mark.parametrize("name", FAMILIES)
def test_name_class_and_object(name):
    cls = FAMILIES[name]
    assert resolve_family(name) == resolve_family(cls) == resolve_family(cls()) == cls()


@pytest.mark.parametrize(
    ("written", "cls"),
    [
        ("Gamma", families.Gamma),
        ("GAUSSIAN", families.Gaussian),
        ("inverse.gaussian", families.InverseGaussian),
        ("inverse gaussian", families.InverseGaussian),
        ("InverseGaussian", families.InverseGaussian),
        ("negativebinomial", families.NegativeBinomial),
        ("nb", families.NegativeBinomial),
        ("quasi-poisson", families.QuasiPoisson),
    ],
)
def test_the_ways_users_write_it(written, cls):
    assert resolve_family(written) == cls()


def test_the_link_replaces_the_familys_own():
    probit = families.Binomial(link=links.Probit())
    assert resolve_family("binomial", "probit") == probit
    assert resolve_family(families.Binomial, links.Probit) == probit
    assert resolve_family(families.Binomial(), links.Probit()) == probit
    kept = resolve_family(families.NegativeBinomial(alpha=2.0), "sqrt")
    assert kept == families.NegativeBinomial(links.Sqrt(), alpha=2.0)


def test_an_object_with_a_family():
    class Member:
        @classmethod
        def glm_family(cls):
            return families.Poisson()

    assert resolve_family(Member) == resolve_family(Member()) == families.Poisson()
    assert resolve_family(Member, "sqrt").link == links.Sqrt()


@pytest.mark.parametrize("bad", ["possion", 3, None, int])
def test_an_unknown_family_lists_the_known(bad):
    with pytest.raises(ModelError, match=r"binomial, .*tweedie"):
        resolve_family(bad)


@pytest.mark.parametrize(
    ("family", "link"),
    [
        ("poisson", "logit"),
        ("gaussian", "probit"),
        ("gamma", "cloglog"),
        ("binomial", "1/mu^2"),
        ("inverse_gaussian", "cauchit"),
        ("tweedie", "nbinom"),
    ],
)
def test_an_invalid_pair_names_both_and_the_valid_links(family, link):
    pair = rf"{type(links.resolve_link(link)).__name__} .*{FAMILIES[family].__name__}.* Log"
    with pytest.raises(ModelError, match=pair):
        resolve_family(family, link)


#: The links that R and statsmodels accept.
ACCEPTED = {
    "gaussian": "identity log inverse",
    "binomial": "logit probit cloglog loglog cauchit log logc identity",
    "poisson": "log identity sqrt",
    "gamma": "inverse identity log",
    "inverse_gaussian": "1/mu^2 inverse identity log",
    "negative_binomial": "log sqrt identity cloglog nbinom",
    "tweedie": "log identity inverse",
    "quasipoisson": "log identity sqrt",
    "quasibinomial": "logit probit cloglog cauchit log",
    "quasi": "logit probit cloglog identity inverse log 1/mu^2 sqrt",
}


@pytest.mark.parametrize("name", FAMILIES)
def test_what_r_and_statsmodels_accept_is_accepted(name):
    for link in ACCEPTED[name].split():
        assert resolve_family(name, link).link.name == link


@pytest.mark.parametrize(
    ("typo", "meant"), [("binomal", "binomial"), ("Poison", "poisson"), ("gausian", "gaussian")]
)
def test_a_misspelt_family_is_suggested(typo, meant):
    with pytest.raises(ModelError, match=f"unknown family '{typo}'; did you mean '{meant}'"):
        resolve_family(typo)
    with pytest.raises(ModelError, match="unknown family 'zzz'; known families: gaussian"):
        resolve_family("zzz")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("logit", 'give family="binomial", whose link is the logit'),
        ("Probit", 'give family="binomial" and link="probit"'),
        ("ols", 'give family="gaussian"'),
        ("multinomial", "that is fastglm.MNLogit"),
        ("beta", "that is fastglm.BetaModel"),
        ("log", "that is a link: give the family, and link='log'"),
        (
            "Tweedie(1.5)",
            r"to the family itself, as fastglm.families.Tweedie\(...\)",
        ),
        ("binomial(link='probit')", r"as fastglm.families.Binomial\(...\)"),
    ],
)
def test_names_of_models_and_links_lead_to_families(name, told):
    with pytest.raises(ModelError, match=f"unknown family .*{told}; known families: gaussian"):
        resolve_family(name)


def test_a_misspelt_link_is_suggested():
    with pytest.raises(ModelError, match="unknown link 'logitt'; did you mean 'logit'"):
        resolve_family("binomial", "logitt")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("poisson", "use fg.families.Poisson"),
        ("Normal", "use fg.families.Gaussian"),
        ("logit", "use fg.families.links.Logit"),
        ("Binomal", "did you mean 'Binomial'"),
    ],
)
def test_other_names_in_the_module_of_families(name, told):
    with pytest.raises(AttributeError, match=f"fastglm.families has no '{name}': {told}"):
        getattr(families, name)
