import { checkIds } from './checkIds.ts'
import type { Tokenizer } from './tokenizer.ts'

/** One token per byte of UTF-8: 256 ids, and any text or file can be written with them. */
export const byteTokenizer: Tokenizer = {
  name: 'byte',
  vocab: 256,
  begin: [],
  end: null,
  encode: (text) => new Uint16Array(new TextEncoder().encode(text)),
  decode(ids) {
    checkIds(ids, 256, 'Cannot turn ids into text')
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(ids))
  },
  describe: () => ({ name: 'byte' }),
}
