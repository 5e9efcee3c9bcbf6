"""How the page looks: light and dark, wide and narrow, on paper. No rule loads anything."""

STYLE = """
:root { color-scheme: light dark; --back: #fff; --card: #f4f6f8; --ink: #1b2430; --soft: #566373; --line: #d5dbe2;
  --main: #0b5fa5; --top: #b9cbe0; --bad: #a3201b; --good: #1a6b3c; }
@media (prefers-color-scheme: dark) { :root { --back: #12171d; --card: #1b222b; --ink: #e6ebf1; --soft: #a3b0be;
  --line: #35404d; --main: #6cb2ee; --top: #3c5065; --bad: #ff9d94; --good: #7fd19f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 74rem; padding: 1.5rem 1.25rem 4rem; background: var(--back); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.3rem; margin: 2.75rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--line); }
p, li { max-width: 46rem; }
.about { color: var(--soft); margin-top: 0; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .75rem; padding: 0;
  margin: 1.5rem 0; list-style: none; }
.facts li { background: var(--card); border-radius: .6rem; padding: .9rem 1rem; }
.facts b { display: block; font-size: 1.7rem; line-height: 1.2; font-weight: 650; }
.facts span { display: block; color: var(--soft); font-size: .875rem; }
.summary { font-size: 1.06rem; }
.table { overflow-x: auto; margin: 1.25rem 0 2rem; }
.table:focus-visible { outline: 2px solid var(--main); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 650; font-size: 1rem; padding-bottom: .4rem; }
th, td { text-align: left; vertical-align: top; padding: .45rem .8rem .45rem 0; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 550; font-size: .82rem; line-height: 1.3; vertical-align: bottom; }
tbody th { font-weight: 600; } .short { white-space: nowrap; }
td, tbody th { overflow-wrap: break-word; min-width: 4rem; }
td.long { min-width: 15rem; }
.range { color: var(--soft); white-space: nowrap; display: inline-block; }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 700; }
.dim { color: var(--soft); font-style: italic; }
figure { margin: 1rem 0; } figcaption { color: var(--soft); font-size: .875rem; }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: .15rem; margin: 0 .3rem 0 .8rem; }
.key.paid { background: var(--main); margin-left: 0; } .key.top { background: var(--top); }
.chart { width: 100%; max-width: 760px; height: auto; display: block; } .chart.narrow { display: none; }
.chart text { font-size: 12px; fill: var(--soft); } .chart .rule { stroke: var(--line); }
.chart .top { fill: var(--top); } .chart .paid { fill: var(--main); } .chart .dot { fill: var(--main); }
.chart .unsure { fill: var(--back); stroke: var(--main); stroke-width: 1.5; }
.chart .whisker { stroke: var(--main); stroke-width: 2; }
@media (max-width: 42rem) {
  body { padding: 1rem 1rem 3rem; } h1 { font-size: 1.4rem; }
  .facts { grid-template-columns: 1fr 1fr; } .facts li { padding: .7rem .8rem; } .facts b { font-size: 1.35rem; }
  .chart.wide { display: none; } .chart.narrow { display: block; }
  table, caption, tbody, tr, th, td { display: block; } thead { position: absolute; left: -999rem; }
  tr { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .75rem; margin-bottom: .75rem; }
  th, td { border: 0; padding: .2rem 0; } td, tbody th, td.long { min-width: 0; }
  td { display: grid; grid-template-columns: minmax(7rem, 2fr) 3fr; gap: .75rem; }
  td::before { content: attr(data-head); color: var(--soft); }
  tbody th { font-size: 1rem; padding-bottom: .35rem; }
}
@media print { body { max-width: none; font-size: 10pt; } .table { overflow: visible; }
  tr, figure { break-inside: avoid; } h2 { break-after: avoid; } }
"""
