#!/bin/bash
# Run by the Postgres image once, on an empty volume: one database and one owner each for the warehouse and for Airflow.
set -euo pipefail
psql -v ON_ERROR_STOP=1 -v warehouse="$OCR_OPS_DB_PASSWORD" -v airflow="$AIRFLOW_DB_PASSWORD" \
  --username "$POSTGRES_USER" --dbname postgres <<'SQL'
-- createrole: the migration makes the roles for loaders and analysts
create role ocr_ops login createrole password :'warehouse';
create database ocr_ops owner ocr_ops;
create role airflow login password :'airflow';
create database airflow owner airflow;
revoke connect on database ocr_ops, airflow from public;
SQL
