/**
 * Byte pair encoding of one text: as long as two neighbours make a piece, the two whose piece has the highest score
 * become it; of equal ones the first. A heap of candidates over a linked list: O(n log n), and no call nests.
 */
export function mergePairs(symbols: readonly string[], scoreOf: (piece: string) => number | undefined): string[] {
  const texts = [...symbols]
  const next = Int32Array.from(texts, (_, i) => (i + 1 < texts.length ? i + 1 : -1))
  const previous = Int32Array.from(texts, (_, i) => i - 1)
  const heap: Candidate[] = []
  const consider = (left: number): void => {
    const right = left < 0 ? -1 : next[left]!
    if (right < 0) return
    const piece = texts[left]! + texts[right]!
    const score = scoreOf(piece)
    if (score !== undefined) push(heap, { score, left, right, piece })
  }
  for (let i = 0; i + 1 < texts.length; i++) consider(i)
  for (let best = pop(heap); best !== undefined; best = pop(heap)) {
    const { left, right, piece } = best
    // A neighbour may have become part of another piece since.
    if (next[left] !== right || texts[left]! + texts[right]! !== piece) continue
    texts[left] = piece
    texts[right] = ''
    const after = next[right]!
    next[left] = after
    next[right] = -1
    if (after >= 0) previous[after] = left
    consider(previous[left]!)
    consider(left)
  }
  const merged: string[] = []
  for (let i = texts.length === 0 ? -1 : 0; i >= 0; i = next[i]!) merged.push(texts[i]!)
  return merged
}

interface Candidate {
  readonly score: number
  readonly left: number
  readonly right: number
  readonly piece: string
}

function isBefore(a: Candidate, b: Candidate): boolean {
  return a.score > b.score || (a.score === b.score && a.left < b.left)
}

function push(heap: Candidate[], item: Candidate): void {
  let at = heap.length
  heap.push(item)
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!isBefore(item, heap[parent]!)) break
    heap[at] = heap[parent]!
    at = parent
  }
  heap[at] = item
}

function pop(heap: Candidate[]): Candidate | undefined {
  const [first] = heap
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return first
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1
    if (!isBefore(heap[child]!, last)) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = last
  return first
}
