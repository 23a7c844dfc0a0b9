"""The style sheet of rendered documents. A constant; nothing of a document goes in here."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light; --ink: #16181d; --doubt: #a8480c; --line: #d5d8de; --mark: #1668dc; }
* { box-sizing: border-box; }
body { margin: 0; background: #eceef1; color: var(--ink);
  font: 14px/1.4 "Liberation Sans", Arial, Helvetica, "Noto Sans", "Noto Sans CJK SC", "PingFang SC",
    "Microsoft YaHei", sans-serif; }
header { padding: 12px 20px; background: #fff; border-bottom: 1px solid var(--line); }
header h1 { margin: 0; font-size: 17px; overflow-wrap: anywhere; }
header p { margin: 2px 0 0; color: #555b66; }
.sheet { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; align-items: start;
  justify-items: center; max-width: 1700px; margin: 0 auto; padding: 16px 20px; }
.page, .scan { position: relative; width: 100%; max-width: 820px; margin: 0; background: #fff; overflow: hidden;
  border: 1px solid var(--line); box-shadow: 0 1px 4px rgb(0 0 0 / .12); }
.page { container-type: inline-size; }
.page:last-child { grid-column: 1 / -1; }
.scan img { position: absolute; inset: 0; width: 100%; height: 100%; }
.scan a { position: absolute; border: 1px solid rgb(22 104 220 / .55); border-radius: 1px; }
.scan a:hover, .scan a:focus { background: rgb(22 104 220 / .18); outline: 2px solid var(--mark); }
.block { position: absolute; unicode-bidi: isolate; }
.block svg { display: block; width: 100%; height: 100%; overflow: visible; fill: currentColor; }
.block text { white-space: pre; unicode-bidi: isolate; }
.block .down { writing-mode: vertical-rl; dominant-baseline: central; }
.block p { margin: 0; line-height: 1.2; overflow-wrap: anywhere; }
.block:target { outline: 3px solid var(--mark); outline-offset: 2px; background: rgb(22 104 220 / .12); z-index: 3; }
.block:hover { background: rgb(22 104 220 / .08); }
.heading { font-weight: 700; }
.doubtful { color: var(--doubt); }
.over { background: rgb(255 255 255 / .82); z-index: 1; }
.figure { overflow: hidden; border: 1px dashed var(--line); background: #f6f7f9; color: #7a808b;
  display: grid; place-items: center; }
.figure img { position: absolute; }
.table > div, .table table { width: 100%; height: 100%; line-height: 1.2; }
.table table { border-collapse: collapse; }
.table td, .table th { border: 1px solid #b9bec7; padding: 0 .35em; text-align: start; overflow-wrap: break-word; }
.table th { background: #f1f3f6; }
.table .loose { border: 0; }
.placeless { grid-column: 1 / -1; justify-self: start; margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 760px) { .sheet { grid-template-columns: minmax(0, 1fr); padding: 8px; } }
@media print {
  @page { margin: 10mm; }
  body { background: #fff; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  header, .scan { display: none; }
  .sheet { display: block; max-width: none; padding: 0; break-after: page; break-inside: avoid; }
  .sheet:last-child { break-after: auto; }
  .page { max-width: none; width: min(100%, calc(255mm * var(--ratio))); margin: 0 auto; border: 0; box-shadow: none; }
}
"""
