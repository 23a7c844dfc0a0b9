"""Readers: blocks and a schema in, a candidate record out."""
