/** The report of a run: its numbers, and the page that shows them. */
export { renderReport } from './page.ts'
export { readRunNumbers, type Curve, type RunNumbers, type TokenRow, type TokenTable } from './run.ts'
