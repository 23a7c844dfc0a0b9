"""Measuring: documents with known truth through the very pipeline that production runs, and what came of them.

`dataset` reads truth, `run` sends documents through, `compare` and `score` hold results against truth, `figures` adds up,
`report` and `report_page` write it down; `fit` makes the judge's calibration from the same scores; `synth` draws documents
whose truth is exact.
"""
