"""Parse the DAG folder named by the first argument in a process of its own and print what Airflow sees, as JSON."""

import json
import sys

from airflow.dag_processing.dagbag import DagBag
from airflow.plugins_manager import get_import_errors

bag = DagBag(sys.argv[1])
dags = {
    dag.dag_id: {
        "tasks": {
            task.task_id: {
                "downstream": sorted(task.downstream_task_ids),
                "pool": task.pool,
                "retries": task.retries,
                "weight": task.priority_weight,
                "has_policy": task.retry_policy is not None,
            }
            for task in dag.tasks
        },
        "params": {name: dag.params.get_param(name).schema for name in dag.params},
        "catchup": dag.catchup,
        "tells_failure": bool(dag.on_failure_callback),
        "tells_delay": bool(dag.deadline),
        "schedule": str(dag.schedule),
        "tags": sorted(dag.tags),
        "max_active_runs": dag.max_active_runs,
        "doc": dag.doc_md or "",
    }
    for dag in bag.dags.values()
}
heavy = [
    name
    for name in (
        "pymupdf",
        "rapidocr",
        "openvino",
        "cv2",
        "openai",
        "boto3",
        "sqlalchemy_utils",
        "ocr_ops.pipeline",
        "ocr_ops.warehouse",
    )
    if name in sys.modules
]
print(
    json.dumps(
        {"errors": bag.import_errors, "plugin_errors": get_import_errors(), "dags": dags, "heavy": heavy}
    )
)
