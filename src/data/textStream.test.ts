import { expect, test } from 'vitest'
import { tokenizerFromDescription } from './tokenizers.ts'
import { textStream } from './textStream.ts'

test('bytes of one character are held back until it is whole', async () => {
  const tokenizer = await tokenizerFromDescription({ name: 'byte' })
  const stream = textStream(tokenizer)
  expect([...tokenizer.encode('aλ→z')].map((id) => stream.push(id))).toEqual(['a', '', 'λ', '', '', '→', 'z'])
  expect(stream.push(0xce)).toBe('')
  expect(stream.end()).toBe('\uFFFD')
  expect(stream.end()).toBe('')
})

test('bytes that never become a character do not hold the rest back for ever', async () => {
  const stream = textStream(await tokenizerFromDescription({ name: 'byte' }))
  const text = [0x80, 0x80, 0x80, 0x80, 0x61].map((id) => stream.push(id)).join('')
  expect(text).toBe('\uFFFD\uFFFD\uFFFD\uFFFDa')
})

test('ids without text are numbers with spaces between them', async () => {
  const stream = textStream(await tokenizerFromDescription({ name: 'ids', vocab: 100 }))
  expect([7, 8, 99].map((id) => stream.push(id)).join('')).toBe('7 8 99')
})

test('GPT-2’s tokens stream to the text that they are', async () => {
  const tokenizer = await tokenizerFromDescription({ name: 'gpt2' })
  const text = 'Call me Ishmael. 𝛌 decays → half-life ☕'
  const stream = textStream(tokenizer)
  expect([...tokenizer.encode(text)].map((id) => stream.push(id)).join('') + stream.end()).toBe(text)
})

test('a stop string ends the text, though it begins and ends within tokens', async () => {
  const tokenizer = await tokenizerFromDescription({ name: 'gpt2' })
  const ids = [...tokenizer.encode('One two\n\nThree four')]
  for (const [stop, expected] of [
    [['wo\n\nTh'], 'One t'],
    [['four', 'two'], 'One '],
    [['fourth'], 'One two\n\nThree four'],
    [['\n', 'O'], ''],
  ] as const) {
    const stream = textStream(tokenizer, { stop })
    let text = ''
    for (const id of ids) {
      text += stream.push(id)
      expect(expected.startsWith(text)).toBe(true) // nothing is given that would have to be taken back
    }
    expect(text + stream.end()).toBe(expected)
    expect(stream.stopped).toBe(!stop.includes('fourth' as never))
  }
})

test('the space of a word that follows the prompt is kept', () => {
  const words = ['Hello', 'world']
  const decode = (ids: ArrayLike<number>): string =>
    Array.from(ids, (id) => ` ${words[id]}`)
      .join('')
      .slice(1)
  expect(textStream({ decode }, { before: [0] }).push(1)).toBe(' world')
})
