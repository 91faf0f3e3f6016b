import { checkIds } from './checkIds.ts'
import { DataError } from './dataError.ts'
import type { Tokenizer } from './tokenizer.ts'

/** The distinct characters of all texts, sorted by code point: nanoGPT's sorted(list(set(text))). */
export function charactersOf(texts: readonly string[]): string {
  const codePoints = new Set<number>()
  for (const text of texts) for (const character of text) codePoints.add(character.codePointAt(0)!)
  return [...codePoints]
    .toSorted((a, b) => a - b)
    .map((codePoint) => String.fromCodePoint(codePoint))
    .join('')
}

/**
 * One token per character (code point); an id is the character's place in `characters`.
 * Throws DataError when a character occurs twice or there are more than 65,536 of them.
 */
export function charTokenizer(characters: string): Tokenizer {
  const alphabet = Array.from(characters)
  if (alphabet.length === 0 || alphabet.length > 65_536) {
    throw new DataError(
      `A character vocabulary needs 1 to 65536 characters; this one has ${alphabet.length}.`,
      'Use the byte or the gpt2 tokenizer for such a text.',
    )
  }
  const ids = new Map<number, number>()
  for (const [id, character] of alphabet.entries()) {
    const codePoint = character.codePointAt(0)!
    if (ids.has(codePoint)) {
      throw new DataError(
        `The character vocabulary lists ${describeCharacter(character)} twice.`,
        'The description of the tokenizer is damaged; take it from another checkpoint of the run.',
      )
    }
    ids.set(codePoint, id)
  }
  return {
    name: 'char',
    vocab: alphabet.length,
    begin: [],
    end: null,
    encode(text) {
      const out = new Uint16Array(text.length)
      let length = 0
      for (let i = 0; i < text.length; i++) {
        const codePoint = text.codePointAt(i)!
        const id = ids.get(codePoint)
        if (id === undefined) throw unknownCharacter(text, i, alphabet.length)
        out[length++] = id
        if (codePoint > 0xffff) i += 1
      }
      return length === out.length ? out : out.slice(0, length)
    },
    decode(tokens) {
      checkIds(tokens, alphabet.length, 'Cannot turn ids into text')
      return Array.from(tokens, (id) => alphabet[id]!).join('')
    },
    describe: () => ({ name: 'char', characters }),
  }
}

/** More would not be read. */
const MOST_NAMED = 12

/**
 * Throws DataError, naming them, where texts have characters that the vocabulary of a character tokenizer lacks; other
 * tokenizers are not asked. `what` begins the message.
 */
export function checkCharacters(tokenizer: Tokenizer, texts: () => readonly string[], what: string): void {
  const record = tokenizer.describe()
  if (record.name !== 'char') return
  const known = new Set(record.characters)
  const missing = Array.from(charactersOf(texts())).filter((character) => !known.has(character))
  if (missing.length === 0) return
  const named = missing.slice(0, MOST_NAMED).map(describeCharacter).join(', ')
  const rest = missing.length > MOST_NAMED ? ` and ${missing.length - MOST_NAMED} more` : ''
  const count = missing.length === 1 ? 'a character' : `${missing.length} characters`
  throw new DataError(
    `${what} has ${count} that the model's vocabulary of ${known.size} characters lacks: ${named}${rest}.`,
    'Leave them out of the text or write others for them; or train a new model on it, with byte or gpt2 for any text.',
  )
}

/** `unit` is an index of UTF-16 units; people are told characters, lines and columns. */
function unknownCharacter(text: string, unit: number, vocab: number): DataError {
  const before = text.slice(0, unit)
  const lines = before.split('\n')
  const column = Array.from(lines.at(-1) ?? '').length + 1
  const character = String.fromCodePoint(text.codePointAt(unit)!)
  return new DataError(
    `The character ${describeCharacter(character)} at position ${Array.from(before).length} (line ${lines.length}, ` +
      `column ${column}) is not in the vocabulary of ${vocab} characters.`,
    'Leave it out, or train with the byte or gpt2 tokenizer, which can write every text.',
  )
}

function describeCharacter(character: string): string {
  const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')
  return `${JSON.stringify(character)} (U+${code})`
}
