"""What users of statsmodels, R, scikit-learn and glum look for, and what stands for it here."""

from fastglm.pointers.describe import (
    Pointing,
    Returned,
    describe_name,
    describe_name_of_package,
    describe_option,
    pointing_module,
)
from fastglm.pointers.families import FAMILY_NAMES, OTHER_FAMILIES
from fastglm.pointers.several import SEVERAL
from fastglm.pointers.tables import (
    MIXED,
    MODELS,
    OPTIONS,
    PACKAGE,
    PLOTS,
    RESULTS,
    RETURNED,
)

__all__ = [
    "FAMILY_NAMES",
    "MIXED",
    "MODELS",
    "OPTIONS",
    "OTHER_FAMILIES",
    "PACKAGE",
    "PLOTS",
    "RESULTS",
    "RETURNED",
    "SEVERAL",
    "Pointing",
    "Returned",
    "describe_name",
    "describe_name_of_package",
    "describe_option",
    "pointing_module",
]
