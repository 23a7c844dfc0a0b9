"""Airflow scans this folder file by file; this is the one file it should find. The review pages will register here."""
