/** LLaMA 1 and 2's tokenizer as files, from the vocabulary and the merges that the package llama-tokenizer-js has. */
import llama from 'llama-tokenizer-js'
import { z } from 'zod'

const { vocabById, merges } = z
  .object({ vocabById: z.array(z.string()), merges: z.map(z.string(), z.number()) })
  .parse(llama)

const CONTROLS = new Map([
  ['<unk>', 2],
  ['<s>', 3],
  ['</s>', 3],
])

/** `tokenizer.json` as transformers writes it. */
export function llamaTokenizerJson(): string {
  const special = (content: string) => ({
    id: vocabById.indexOf(content),
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })
  const sortedMerges = [...merges].toSorted(([, a], [, b]) => a - b).map(([pair]) => pair)
  return JSON.stringify({
    version: '1.0',
    added_tokens: [...CONTROLS.keys()].map(special),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(vocabById.map((piece, id) => [piece, id])),
      merges: sortedMerges,
    },
  })
}

/**
 * `tokenizer.model` with LLaMA's pieces: scores fall with the id, as SentencePiece's training numbers them, but runs of
 * spaces come last.
 */
export function llamaModelFile(): Buffer {
  const pieces = vocabById.map((text, id) => {
    const type = CONTROLS.get(text) ?? (/^<0x[0-9A-F]{2}>$/.test(text) ? 6 : 1)
    return pieceMessage(text, type !== 1 ? 0 : /^▁▁+$/.test(text) ? -1e9 : 259 - id, type)
  })
  return modelMessage(pieces, { trainer: LLAMA_TRAINER, normalizer: LLAMA_NORMALIZER })
}

/** Byte pair encoding, with the identity for normalisation, a space before the text, and all spaces kept. */
export const LLAMA_TRAINER = Buffer.from([0x18, 2]) // model_type: BPE
export const LLAMA_NORMALIZER = Buffer.concat([text(1, 'identity'), Buffer.from([0x18, 1, 0x20, 0])])

/** ModelProto of google/sentencepiece's sentencepiece_model.proto. */
export function modelMessage(
  pieces: readonly Uint8Array[],
  { trainer, normalizer }: { readonly trainer: Uint8Array; readonly normalizer: Uint8Array },
): Buffer {
  return Buffer.concat([...pieces.map((piece) => bytes(1, piece)), bytes(2, trainer), bytes(3, normalizer)])
}

export function pieceMessage(piece: string, score: number, type: number): Buffer {
  const number = Buffer.alloc(5)
  number[0] = 0x15 // field 2, 32 bits
  number.writeFloatLE(score, 1)
  return Buffer.concat([text(1, piece), number, Buffer.from([0x18, type])])
}

function text(field: number, value: string): Buffer {
  return bytes(field, Buffer.from(value))
}

function bytes(field: number, value: Uint8Array): Buffer {
  const length: number[] = []
  for (let left = value.length; ; left >>= 7) {
    length.push(left > 127 ? (left & 127) | 128 : left)
    if (left <= 127) break
  }
  return Buffer.concat([Buffer.from([field * 8 + 2, ...length]), value])
}
