/** GPT-2's letters for bytes (openai/gpt-2 src/encoder.py, bytes_to_unicode): printable ones are themselves. */
export const BYTE_LETTERS: readonly string[] = byteLetters()

function byteLetters(): string[] {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
    return String.fromCodePoint(printable ? byte : next++)
  })
}

/** The letters of bytes, or of a text's UTF-8. */
export function inByteLetters(value: string | Uint8Array): string {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  return Array.from(bytes, (byte) => BYTE_LETTERS[byte]!).join('')
}
