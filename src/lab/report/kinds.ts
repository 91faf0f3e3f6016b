/** Tensors of the same place in different layers belong together: `h.0.mlp.c_fc.weight` and `h.1.mlp.c_fc.weight`. */

export interface Kind {
  /** The common name, with `*` for the numbers that differ. */
  readonly kind: string
  /** In the order given. */
  readonly members: readonly string[]
}

export function kindsOf(names: readonly string[]): readonly Kind[] {
  const kinds = new Map<string, string[]>()
  for (const name of names) {
    const kind = name.replaceAll(/(?<=^|\.)\d+(?=\.|$)/g, '*')
    kinds.set(kind, [...(kinds.get(kind) ?? []), name])
  }
  return [...kinds].map(([kind, members]) => ({ kind: members.length === 1 ? members[0]! : kind, members }))
}
