"""The judge: candidates in, a record with evidence, rule results and a status out. Pure."""
