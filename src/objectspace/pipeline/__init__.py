"""Images → results: what to make of them, the stages that make it, the engines that run the stages.

No module here knows the store: what keeps the results is in :mod:`objectspace.jobs`.
"""
