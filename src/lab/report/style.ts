/** The page's look: light and dark as the reader's system says, one column on a phone. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fcfcfb; --card: #ffffff; --ink: #1b1d21; --soft: #5c6370; --rule: #e3e5e8; --accent: #0b6bcb;
  --c0: #0b6bcb; --c1: #d1510a; --c2: #0a8a64; --c3: #b2479c; --c4: #b58400; --c5: #3aa0c9; --c6: #7a5cc7; --c7: #6b7280;
  --ramp0: #a9cdf0; --ramp1: #06376b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14161a; --card: #1b1e24; --ink: #e8e9ec; --soft: #a2a9b6; --rule: #30343c; --accent: #74b4f5;
    --c0: #6bb1f7; --c1: #ff9a5c; --c2: #4fd0a5; --c3: #e58bd0; --c4: #e6bd4a; --c5: #7fd3f2; --c6: #b6a0f5; --c7: #a2a9b6;
    --ramp0: #2d4a6b; --ramp1: #b9dcff;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 1240px; padding: 20px 16px 60px; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 1.15rem; margin: 40px 0 4px; padding-top: 14px; border-top: 1px solid var(--rule); }
h3 { font-size: 0.95rem; margin: 0 0 4px; }
p { margin: 0 0 12px; max-width: 75ch; }
.soft, figcaption, .legend, summary { color: var(--soft); font-size: 0.85rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(135px, 1fr)); gap: 10px; margin: 18px 0; padding: 0; }
.facts div { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 8px 12px; }
.facts dt { color: var(--soft); font-size: 0.78rem; }
.facts dd { margin: 0; font-size: 1.05rem; font-variant-numeric: tabular-nums; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 350px), 1fr)); gap: 14px; }
.chart { margin: 0; padding: 12px; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; min-width: 0; }
.plot { position: relative; }
svg { display: block; width: 100%; height: auto; touch-action: pan-y; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.ytick { text-anchor: end; dominant-baseline: middle; }
.xtick, .label { text-anchor: middle; }
.grid { stroke: var(--rule); stroke-width: 1; }
.cursor { stroke: var(--soft); stroke-width: 1; visibility: hidden; }
path { fill: none; stroke-width: 1.7; stroke-linejoin: round; }
path.dashed { stroke-dasharray: 6 4; }
.c0 { --c: var(--c0); } .c1 { --c: var(--c1); } .c2 { --c: var(--c2); } .c3 { --c: var(--c3); }
.c4 { --c: var(--c4); } .c5 { --c: var(--c5); } .c6 { --c: var(--c6); } .c7 { --c: var(--c7); }
.ramp { --c: var(--ramp1); --c: color-mix(in oklab, var(--ramp1) var(--t, 50%), var(--ramp0)); }
path { stroke: var(--c); }
.dots circle { fill: var(--c); fill-opacity: 0.7; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 2px 14px; margin: 0 0 6px; padding: 0; }
.key { display: inline-block; width: 18px; margin-right: 6px; vertical-align: middle; border-top: 2px solid var(--c); }
.key.dashed { border-top-style: dashed; }
.key.dots { width: 8px; height: 8px; border: 0; border-radius: 50%; background: var(--c); }
.tip { position: absolute; top: 0; pointer-events: none; background: var(--card); border: 1px solid var(--rule); border-radius: 6px;
  padding: 4px 8px; font-size: 0.78rem; line-height: 1.35; box-shadow: 0 2px 8px #0003; max-width: 75%; z-index: 1;
  font-variant-numeric: tabular-nums; }
.tip b { color: var(--c); }
details { margin-top: 6px; }
summary { cursor: pointer; }
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: 0.82rem; font-variant-numeric: tabular-nums; white-space: nowrap; overflow-wrap: normal; }
th, td { padding: 3px 10px 3px 0; text-align: right; border-bottom: 1px solid var(--rule); font-weight: 400; }
thead th { color: var(--soft); vertical-align: bottom; }
.words { text-align: left; }
tbody th { text-align: left; }
.note { border-left: 3px solid var(--accent); padding: 4px 12px; background: var(--card); }
@media print { .chart { break-inside: avoid; } }
`
