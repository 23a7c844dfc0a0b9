"""Bring this machine's whole system up or down: databases, Airflow's home, its services."""

from __future__ import annotations

import os
from pathlib import Path

from ocr_ops import warehouse
from ocr_ops.local import services
from ocr_ops.local.airflow_home import AirflowHome
from ocr_ops.local.machine import METADATA, Machine

