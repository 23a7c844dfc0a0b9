"""The style sheet of a document's story. A constant; nothing of a document goes in here."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light; --ink: #16181d; --soft: #5b6270; --line: #dde0e6; --mark: #d62828; --blue: #1668dc;
  --good: #137a3f; --doubt: #a8480c; }
* { box-sizing: border-box; }
html { scroll-padding-top: 3.5rem; }
body { margin: 0; background: #f3f4f6; color: var(--ink);
  font: 14px/1.45 "Liberation Sans", Arial, Helvetica, "Noto Sans", "Noto Sans CJK SC", sans-serif; }
header { background: #fff; border-bottom: 1px solid var(--line); padding: 18px 28px 14px; }
h1 { margin: 0 0 2px; font-size: 20px; overflow-wrap: anywhere; }
h2 { margin: 0 0 10px; font-size: 15px; }
h3 { margin: 14px 0 6px; font-size: 13px; color: var(--soft); font-weight: 600; }
nav { position: sticky; top: 0; z-index: 5; background: #fff; border-bottom: 1px solid var(--line); padding: 7px 28px; }
nav a { margin-right: 18px; color: var(--blue); text-decoration: none; }
main { display: grid; grid-template-columns: minmax(0, 11fr) minmax(0, 10fr); gap: 18px; padding: 18px 28px;
  max-width: 1800px; margin: 0 auto; align-items: start; }
section { background: #fff; border: 1px solid var(--line); border-radius: 6px; padding: 14px 16px; }
.wide { grid-column: 1 / -1; }
.facts { display: flex; flex-wrap: wrap; gap: 4px 26px; color: var(--soft); }
.facts b { color: var(--ink); font-weight: 600; }
.status { display: inline-block; padding: 1px 9px; border-radius: 10px; color: #fff; background: var(--soft);
  font-size: 12px; vertical-align: 2px; margin-left: 8px; }
.accepted { background: var(--good); } .needs_review { background: var(--doubt); }
.quarantined, .rejected { background: var(--mark); }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-size: 12px; color: var(--soft); font-weight: 600; }
th, td { padding: 4px 10px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
th { white-space: nowrap; }
#fields td:nth-child(1), #fields td:nth-child(3), #fields td:nth-child(4), #rules td:nth-child(2) { white-space: nowrap; }
section + section { margin-top: 18px; }
main > section { margin-top: 0 !important; }
tr:last-child td { border-bottom: 0; }
tr:target td { background: #fff3cd; }
td a { color: var(--blue); }
code, pre { font: 12px/1.4 "Liberation Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace; }
code { color: var(--soft); overflow-wrap: anywhere; }
pre { margin: 6px 0; padding: 10px; background: #f7f8fa; border: 1px solid var(--line); border-radius: 4px;
  white-space: pre-wrap; overflow-wrap: anywhere; max-height: 32rem; overflow: auto; }
details { margin: 6px 0; } summary { cursor: pointer; } summary span { color: var(--soft); }
.yes { color: var(--good); font-weight: 600; } .no { color: var(--mark); font-weight: 600; } .none { color: var(--soft); }
figure { margin: 0 0 16px; } figcaption { color: var(--soft); margin-bottom: 6px; }
.sheet { position: relative; line-height: 0; border: 1px solid var(--line); }
.sheet img { width: 100%; height: auto; }
.sheet svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.block { fill: none; stroke: rgb(22 104 220 / .45); stroke-width: 1; vector-effect: non-scaling-stroke; }
.proof { fill: rgb(214 40 40 / .10); stroke: var(--mark); stroke-width: 2; vector-effect: non-scaling-stroke; }
a:hover .proof, .proof:target { fill: rgb(255 193 7 / .40); stroke-width: 4; }
.chain td:nth-child(-n+3) { white-space: nowrap; }
@media (max-width: 1000px) { main { grid-template-columns: minmax(0, 1fr); } }
@media print { nav { display: none; } pre { max-height: none; } section { break-inside: avoid; } }
"""
