/** What this machine reaches: the bench's cases, its run, its table. */
export type { BenchCase } from './benchCase.ts'
export { BenchError } from './benchError.ts'
export { ALL, benchCases, selectCases } from './cases.ts'
export { torchVersion } from './pytorch.ts'
export { runBench, type BenchEvent, type BenchOptions } from './run.ts'
export { renderBench } from './table.ts'
