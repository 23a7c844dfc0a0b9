"""The journey of a document, one function a step, digest in and digest out.

`workshop` holds what the steps need, `steps` takes one document one step further, `batches` does so for many and is
what Airflow tasks and the command line call. Every step is done once under its key and never again.
"""
