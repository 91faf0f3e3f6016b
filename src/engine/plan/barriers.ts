/** Finds the launches that must wait for all threads: those that touch memory which an unawaited launch touched too. */
import type { BufferUse } from './launchSpec.ts'

interface Touch {
  readonly space: string
  readonly start: number
  readonly end: number
  readonly writes: boolean
}

/** Where a buffer use lies; `arenaOffset` is that of its storage, undefined for a named buffer. */
export function touchOf(use: BufferUse, arenaOffset: number | undefined): Touch {
  const start = arenaOffset ?? 0
  return {
    space: arenaOffset === undefined ? `name ${use.storage.name}` : 'arena',
    start,
    end: start + use.storage.bytes,
    writes: use.access === 'write',
  }
}

/** For each launch, given what it touches, whether a barrier must come before it. */
export function findBarriers(launches: readonly (readonly Touch[])[]): boolean[] {
  let unawaited: Touch[] = []
  return launches.map((touches) => {
    const conflict = touches.some((touch) => unawaited.some((earlier) => conflicts(touch, earlier)))
    if (conflict) unawaited = []
    unawaited.push(...touches)
    return conflict
  })
}

function conflicts(a: Touch, b: Touch): boolean {
  return a.space === b.space && (a.writes || b.writes) && a.start < b.end && b.start < a.end
}
