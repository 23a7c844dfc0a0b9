"""Everything on one machine: an embedded Postgres, an Airflow home, its services, the demo."""
