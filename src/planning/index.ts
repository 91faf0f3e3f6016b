/** Runs on paper: what a recipe needs and what its decay leaves, at any size, without training. */
export { flopsPerToken } from './flops.ts'
export { memoryOf, precisions, type MemoryPlan, type Precision } from './memory.ts'
export { planRun, type PlanRequest, type RoleCount, type RunPlan } from './plan.ts'
