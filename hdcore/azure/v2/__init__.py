"""Version 2 of Azure ML's Python SDK, ``azure.ai.ml``, for what sweeps need of it: jobs run here, through hdcore.

Names, signatures and defaults are Azure's. A workspace is a root of sweeps, every compute is this machine, credentials
never sign in, assets are local files. The stand-ins for ``azure.ai.ml`` and ``azure.identity`` hand these names out.
"""
