/** Places temporaries in one arena so that two share memory only if they are never needed at the same time. */
import type { BufferUse, Storage } from './launchSpec.ts'

/** A cache line; also what vector loads like best. */
const alignment = 64

export interface Lifetime {
  readonly bytes: number
  /** First and last stage that touches it. */
  readonly first: number
  readonly last: number
}

export interface ArenaPlan {
  readonly offsets: ReadonlyMap<Storage, number>
  readonly bytes: number
}

/** Places the temporaries of launches. `stages`, by launch and never falling: those of one stage may run at the same time. */
export function allocateArena(
  launches: readonly { readonly uses: readonly BufferUse[] }[],
  stages: readonly number[],
): ArenaPlan {
  const lifetimes = new Map<Storage, { readonly bytes: number; readonly first: number; last: number }>()
  for (const [index, { uses }] of launches.entries()) {
    const stage = stages[index]!
    for (const { storage } of uses) {
      if (storage.name !== undefined) continue
      const known = lifetimes.get(storage)
      if (known) known.last = stage
      else lifetimes.set(storage, { bytes: storage.bytes, first: stage, last: stage })
    }
  }
  const storages = [...lifetimes.keys()]
  const { offsets, bytes } = placeByOffset([...lifetimes.values()])
  return { offsets: new Map(storages.map((storage, k) => [storage, offsets[k]!])), bytes }
}

/**
 * Greedy by size: the largest first, each at the lowest offset where it overlaps nothing that lives at the same time
 * (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020, "greedy by size").
 */
export function placeByOffset(lifetimes: readonly Lifetime[]): { offsets: number[]; bytes: number } {
  const offsets = lifetimes.map(() => 0)
  const order = lifetimes.map((_, k) => k).toSorted((a, b) => lifetimes[b]!.bytes - lifetimes[a]!.bytes || a - b)
  /** Already placed, by offset. */
  const placed: number[] = []
  let total = 0
  for (const k of order) {
    const life = lifetimes[k]!
    const size = Math.ceil(life.bytes / alignment) * alignment
    let at = 0
    for (let place = 0; place < placed.length; place++) {
      const other = placed[place]!
      const taken = lifetimes[other]!
      if (taken.last < life.first || life.last < taken.first) continue
      if (offsets[other]! >= at + size) break
      at = Math.max(at, offsets[other]! + Math.ceil(taken.bytes / alignment) * alignment)
    }
    offsets[k] = at
    total = Math.max(total, at + size)
    let position = placed.findIndex((other) => offsets[other]! > at)
    if (position < 0) position = placed.length
    placed.splice(position, 0, k)
  }
  return { offsets, bytes: total }
}
