"""Images → results: the job's specification, its stages, and the engines that run them.

No module here knows the store: what keeps the results is in :mod:`objectspace.jobs`.
"""
