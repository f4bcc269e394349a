"""Bayesian sweeps under policies: what runs that were stopped are worth to the sampler.

python -m bench.stopped.run --out FILE.jsonl
python -m bench.stopped.report FILE.jsonl
"""
