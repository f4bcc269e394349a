"""Gaussian-process engine of the Bayesian sampler: arrays in, arrays out.

==============  ======================================================================
`columns`       encoded rows <-> model coordinates, tables of levels
`transform`     the metric as the model sees it
`fit`           which hyperparameters hold at a given number of results
`model`         factor, points told since, pending points, failures
`view`          one view of the metric: the above, kept between proposals
`propose`       candidates, local search, the next point
==============  ======================================================================

Values are minimised here; larger-is-better scores are negated once, in `hdcore.sampling.bayesian`.
"""
