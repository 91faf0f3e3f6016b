/** The page's script: it says the values of all lines at the place that one points at. Without it the tables remain. */
export const SCRIPT = `
for (const plot of document.querySelectorAll('.plot')) {
  const svg = plot.querySelector('svg'), tip = plot.querySelector('.tip'), cursor = plot.querySelector('.cursor');
  const data = JSON.parse(plot.querySelector('script').textContent);
  if (data.series.length === 0) continue;
  const height = svg.viewBox.baseVal.height, width = svg.viewBox.baseVal.width;
  const nearest = (points, x) => points.reduce((best, p) => Math.abs(p[0] - x) < Math.abs(best[0] - x) ? p : best);
  const hide = () => { tip.hidden = true; cursor.style.visibility = 'hidden'; };
  svg.addEventListener('pointerleave', hide);
  svg.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * width;
    const anchor = data.series.map((s) => nearest(s.points, x)).reduce((a, b) => Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a);
    tip.replaceChildren(document.createTextNode(data.x + ' ' + anchor[1].toLocaleString('en-US')));
    for (const s of data.series.slice(0, 14)) {
      const line = document.createElement('div'), value = document.createElement('b');
      value.className = s.color;
      value.textContent = nearest(s.points, anchor[0])[2];
      line.append(value, ' ' + s.name);
      tip.append(line);
    }
    tip.hidden = false;
    cursor.setAttribute('x1', anchor[0]); cursor.setAttribute('x2', anchor[0]); cursor.setAttribute('y2', height - 38);
    cursor.style.visibility = 'visible';
    const left = anchor[0] / width * box.width;
    tip.style.left = left > box.width / 2 ? 'auto' : left + 10 + 'px';
    tip.style.right = left > box.width / 2 ? box.width - left + 10 + 'px' : 'auto';
  });
}
`
