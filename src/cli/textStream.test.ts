import { expect, test } from 'vitest'
import { tokenizerFromDescription } from '../data/index.ts'
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
