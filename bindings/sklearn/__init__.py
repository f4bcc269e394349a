"""hdcore inside scikit-learn: `HyperDriveSearchCV`, in the place of `RandomizedSearchCV`.

==============  ==================================================================
`search`        the estimator
`candidates`    what is known of each configuration, and what is to be done next
`epochs`        cross-validation that trains with ``partial_fit``
`parameters`    configurations as parameters of an estimator
==============  ==================================================================
"""

from __future__ import annotations

from hdcore.bindings.sklearn.search import HyperDriveSearchCV

__all__ = ["HyperDriveSearchCV"]
