"""Airflow scans this folder file by file; this is the one plugin it should find."""

from ocr_ops.airflow_glue.pages import OcrOpsPlugin

__all__ = ["OcrOpsPlugin"]
