"""How printed numbers, dates, times, currencies and identifiers are written: text in, values in schema form out.

Pure and total: no function here raises on any text, reads a clock or touches a file. The modules:
`numbers` (amounts and the document's decimal mark), `dates` (dates, times, day-first or month-first),
`currency` (ISO 4217 from symbols, codes and country hints), `identifiers` (document numbers, tax ids, IBAN),
`words` (folding text for comparison).
"""
