/** Texts that belong together and where each ends: reading them, dividing them, and packing them into one run of tokens. */
import { tokenBuffer } from './tokenBuffer.ts'
import type { Tokenizer, Tokens } from './tokenizer.ts'

/**
 * What stands between documents where the tokenizer has no token for it: an empty line, or a line's end where one is
 * missing. `none` is for a text that is no document among others.
 */
export type Separator = 'empty line' | 'line end' | 'none'

export interface Documents {
  /** In order; at least one. */
  readonly texts: readonly string[]
  readonly separator: Separator
}

/** A part of `Documents`. */
export interface Part extends Documents {
  /** The first text is the rest of a document that began in the part before. */
  readonly continues: boolean
  /** The last text goes on in the next part. */
  readonly open: boolean
}

/** The texts with what separates them, as tokenizers without an end of text see them. */
export function separatedTexts({ texts, separator, open }: Part): string[] {
  return texts.map((text, i) => {
    const last = i === texts.length - 1
    return last && open ? text : text + separatorAfter(text, separator, last)
  })
}

function separatorAfter(text: string, separator: Separator, last: boolean): string {
  if (separator === 'none') return ''
  if (separator === 'empty line') return last ? '\n' : '\n\n'
  return text.endsWith('\n') ? '' : '\n'
}

/**
 * Cuts between two documents, where the later ones come closest to `share` of all characters; at least one document
 * stays on each side. There must be two.
 */
export function splitDocuments({ texts, separator }: Documents, share: number): { train: Part; validation: Part } {
  const total = texts.reduce((sum, { length }) => sum + length, 0)
  let cut = texts.length - 1
  let later = texts[cut]?.length ?? 0
  while (cut > 1) {
    const more = later + texts[cut - 1]!.length
    if (Math.abs(more - share * total) > Math.abs(later - share * total)) break
    later = more
    cut -= 1
  }
  const part = (part: readonly string[]): Part => ({ texts: part, separator, continues: false, open: false })
  return { train: part(texts.slice(0, cut)), validation: part(texts.slice(cut)) }
}

/**
 * The same where that leaves between half and twice the share for validation; else the document in which the share
 * begins is cut, between two characters.
 */
export function splitText(documents: Documents, share: number): { train: Part; validation: Part } {
  const { texts, separator } = documents
  const total = texts.reduce((sum, { length }) => sum + length, 0)
  if (texts.length > 1) {
    const between = splitDocuments(documents, share)
    const left = between.validation.texts.reduce((sum, { length }) => sum + length, 0)
    if (left >= (share * total) / 2 && left <= 2 * share * total) return between
  }
  let before = 0
  let at = 0
  while (at + 1 < texts.length && before + texts[at]!.length <= total * (1 - share)) before += texts[at++]!.length
  const cut = betweenCharacters(texts[at]!, total * (1 - share) - before)
  const [head, tail] = [texts[at]!.slice(0, cut), texts[at]!.slice(cut)]
  return {
    train: { texts: [...texts.slice(0, at), head], separator, continues: false, open: true },
    validation: { texts: [tail, ...texts.slice(at + 1)], separator, continues: true, open: false },
  }
}

/** The place at or before `at`, in UTF-16 units, that does not tear a surrogate pair. */
function betweenCharacters(text: string, at: number): number {
  const cut = Math.floor(at)
  const codePoint = cut > 0 ? text.codePointAt(cut - 1) : undefined
  return codePoint !== undefined && codePoint > 0xffff ? cut - 1 : cut
}

/**
 * The tokens of a part, one document after another: each between the tokenizer's `begin` and `end`, where it has them,
 * else followed by the separator as text. Text that spells a special token stays text.
 */
export function packDocuments(part: Part, tokenizer: Tokenizer): Tokens {
  const { texts, separator, continues, open } = part
  const { begin, end, vocab } = tokenizer
  const out = tokenBuffer(vocab, texts.reduce((sum, { length }) => sum + length, 0) / 3)
  const ends = end !== null && separator !== 'none'
  for (const [i, text] of (ends ? texts : separatedTexts(part)).entries()) {
    if (i > 0 || !continues) out.append(begin)
    out.append(tokenizer.encode(text))
    if (ends && !(open && i === texts.length - 1)) out.push(end)
  }
  return out.tokens()
}
